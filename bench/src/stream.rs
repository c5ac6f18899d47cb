//! Streams as the load reads them: when the first event comes, and how long a long stream takes.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::clock::now;
use crate::upstream::LAST;

async fn begin(address: &str, request: &[u8]) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    Ok(stream)
}

/// Opens a stream, and waits until its answer begins as it should.
pub(crate) async fn open(address: &str, request: &[u8]) -> Outcome<TcpStream> {
    let mut stream = begin(address, request).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("a stream was closed before it began".into());
        }
    }
    match head.starts_with(b"HTTP/1.1 200") {
        true => Ok(stream),
        false => Err(String::from_utf8_lossy(&head).into_owned().into()),
    }
}

/// From the request to the first event, on a fresh connection whose making does not count.
pub(crate) async fn first_event(address: &str, request: &[u8]) -> Outcome<Duration> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let begun = now();
    stream.write_all(request).await?;
    let mut came = Vec::with_capacity(4096);
    while !came.windows(5).any(|five| five == b"data:") {
        if stream.read_buf(&mut came).await? == 0 {
            return Err(format!("no event came: {}", String::from_utf8_lossy(&came)).into());
        }
    }
    Ok(begun.elapsed())
}

/// Reads a long stream to its last event: the time, and the bytes.
pub(crate) async fn drain(address: &str, request: &[u8]) -> Outcome<(Duration, usize)> {
    let begun = now();
    let mut stream = begin(address, request).await?;
    let mut buffer = vec![0; 256 * 1024];
    let (mut bytes, mut tail) = (0, Vec::new());
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(format!("the stream broke off: {}", String::from_utf8_lossy(&tail)).into());
        }
        bytes += read;
        tail.extend_from_slice(&buffer[..read]);
        if tail.windows(LAST.len()).any(|some| some == LAST.as_bytes()) {
            return Ok((begun.elapsed(), bytes));
        }
        tail.drain(..tail.len().saturating_sub(LAST.len()));
    }
}
