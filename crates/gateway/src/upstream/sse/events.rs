//! The events of a server that speaks the transport of 2024-11-05, read piece by piece as they come (HTML §9.2.6).

use std::collections::VecDeque;

use bytes::Bytes;

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A whole event: its type, empty for the default one, and its data.
    Event { kind: String, data: Bytes },
    /// A comment: the server is still there.
    Comment,
}

/// A line or an event is larger than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Reads events from bytes that may be cut anywhere.
#[derive(Debug)]
pub(crate) struct Events {
    most: usize,
    line: Vec<u8>,
    after_return: bool,
    at_start: bool,
    kind: String,
    data: Vec<u8>,
    has_data: bool,
}

impl Events {
    /// A reader of events of at most `most` bytes.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            most,
            line: Vec::new(),
            after_return: false,
            at_start: true,
            kind: String::new(),
            data: Vec::new(),
            has_data: false,
        }
    }

    /// Takes the next piece and appends to `said` what is complete now.
    pub(crate) fn read(&mut self, mut piece: &[u8], said: &mut VecDeque<Said>) -> Result<(), TooLarge> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_return) && piece.starts_with(b"\n") {
                piece = piece.get(1..).unwrap_or_default();
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (line, rest) = piece.split_at(end.unwrap_or(piece.len()));
            if self.line.len() + line.len() + self.data.len() > self.most {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(line);
            let Some((break_byte, rest)) = rest.split_first() else { return Ok(()) };
            self.after_return = *break_byte == b'\r';
            let line = std::mem::take(&mut self.line);
            said.extend(self.line(&line));
            piece = rest;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Option<Said> {
        let line = match std::mem::take(&mut self.at_start) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
            return std::mem::take(&mut self.has_data).then(|| Said::Event { kind, data: data.into() });
        }
        if line.first() == Some(&b':') {
            return Some(Said::Comment);
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.kind = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            _ => {}
        }
        None
    }
}

/// One event of the default type with these data.
pub(crate) fn event(data: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(data.len() + 24);
    event.extend_from_slice(b"event: message\n");
    for line in data.split(|&byte| byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, data: &str) -> Said {
        Said::Event { kind: kind.to_owned(), data: Bytes::copy_from_slice(data.as_bytes()) }
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        for (text, expected) in [
            ("data: a\n\n", vec![said("", "a")]),
            ("event: endpoint\r\ndata: /m?s=1\r\n\r\n", vec![said("endpoint", "/m?s=1")]),
            ("\u{feff}data:a\rdata: b\r\r", vec![said("", "a\nb")]),
            (": ping\n\ndata: x\n\n", vec![Said::Comment, said("", "x")]),
            ("data\n\nevent: e\n\n", vec![said("", "")]),
            ("id: 7\nretry: 1\ndata:  two\n\ndata: half", vec![said("", " two")]),
        ] {
            for size in 1..=text.len() {
                let (mut events, mut found) = (Events::new(64), VecDeque::new());
                for piece in text.as_bytes().chunks(size) {
                    events.read(piece, &mut found).unwrap();
                }
                assert_eq!(found, expected, "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn w20_an_event_without_end_is_given_up() {
        let mut found = VecDeque::new();
        assert_eq!(Events::new(8).read(b"data: 12345", &mut found), Err(TooLarge));
        let mut many = Events::new(16);
        let lines = std::iter::repeat_with(|| many.read(b"data: 1234\n", &mut found));
        assert!(lines.take(8).any(|read| read == Err(TooLarge)));
        assert!(found.is_empty());
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for data in ["{}", "{\n\"a\":1}", ""] {
            let mut found = VecDeque::new();
            Events::new(64).read(&event(data.as_bytes()), &mut found).unwrap();
            assert_eq!(found, [said("message", data)]);
        }
    }
}
