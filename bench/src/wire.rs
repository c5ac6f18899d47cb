//! HTTP as the load speaks it: requests as bytes, answers read from a connection that is kept.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A member of a JSON body, as text.
    pub(crate) fn member(&self, name: &str) -> Outcome<String> {
        let json: serde_json::Value = serde_json::from_slice(&self.body)?;
        let text = json[name]
            .as_str()
            .ok_or_else(|| format!("no `{name}` in an answer with status {}", self.status))?;
        Ok(text.to_owned())
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<Answer> {
        self.stream.write_all(request).await?;
        loop {
            if let Some((answer, length)) = read(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
    }
}

/// An answer at the beginning of the buffer, and its length there.
fn read(buffer: &[u8]) -> Outcome<Option<(Answer, usize)>> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&buffer[..end])?;
    let status = head.get(9..12).ok_or("no status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.transpose()?.unwrap_or(0);
    let all = end + 4 + length;
    let body = buffer.get(end + 4..all).map(<[u8]>::to_vec);
    Ok(body.map(|body| (Answer { status, body }, all)))
}

/// A POST of `body` to `path`, with further header lines, each ended.
pub(crate) fn post(address: &str, path: &str, kind: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A form to `path`.
pub(crate) fn form(address: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    post(address, path, "application/x-www-form-urlencoded", headers, body)
}

/// A call of a tool at `path`, with a bearer token.
pub(crate) fn call(address: &str, path: &str, token: &str) -> Vec<u8> {
    const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#;
    let accept = format!("accept: application/json, text/event-stream\r\nauthorization: Bearer {token}\r\n");
    post(address, path, "application/json", &accept, BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_yet() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y\r\n\r\nhelloHTTP/1.1";
        for cut in 0..text.len() - 8 {
            assert!(read(&text[..cut]).unwrap().is_none(), "{cut}");
        }
        let (answer, length) = read(text).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_slice(), length), (200, &b"hello"[..], text.len() - 8));
    }
}
