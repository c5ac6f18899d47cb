//! Event streams (WHATWG HTML §9.2), event by event, without waiting for more than the end of the one at hand. What is
//! not changed keeps its bytes: comments, names, `retry` and spaces as they came.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// One piece of a stream, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// An event, or a block that only sets an id or a time.
    Event(Event),
    /// A comment line, or an end of line that belongs to nothing.
    Other(Bytes),
}

/// An event grew beyond what one may be. Nothing more can be read from its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than events may be")]
pub struct EventTooLarge;

/// Cuts a stream into pieces.
#[derive(Debug)]
pub struct Events {
    held: Held,
    /// How far lines were looked for.
    scanned: usize,
    /// Where the line at hand begins.
    line: usize,
    has_fields: bool,
    after_return: bool,
    /// Whether the mark that a stream may begin with is behind us.
    is_begun: bool,
    most: usize,
}

/// The byte-order mark, which means nothing at the beginning of a stream and is nowhere else.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What came and was not handed out yet. A chunk that holds whole events is not copied.
#[derive(Debug)]
enum Held {
    Whole(Bytes),
    Parts(BytesMut),
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Parts(bytes) => bytes,
        }
    }

    fn push(&mut self, chunk: Bytes) {
        if self.bytes().is_empty() {
            *self = Self::Whole(chunk);
            return;
        }
        match self {
            Self::Parts(bytes) => bytes.extend_from_slice(&chunk),
            Self::Whole(bytes) => {
                let mut parts = BytesMut::with_capacity(bytes.len() + chunk.len());
                parts.extend_from_slice(bytes);
                parts.extend_from_slice(&chunk);
                *self = Self::Parts(parts);
            }
        }
    }

    fn take(&mut self, length: usize) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.split_to(length),
            Self::Parts(bytes) => bytes.split_to(length).freeze(),
        }
    }
}

impl Events {
    /// Of a stream none of whose events is larger than `most` bytes.
    pub fn new(most: usize) -> Self {
        let held = Held::Whole(Bytes::new());
        Self { held, scanned: 0, line: 0, has_fields: false, after_return: false, is_begun: false, most }
    }

    /// More of the stream.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.held.push(chunk);
        }
    }

    /// How many bytes came and were not handed out yet.
    pub fn held(&self) -> usize {
        self.held.bytes().len()
    }

    /// What is left when the stream ended in the middle of an event. Readers drop it, and so may whoever relays.
    pub fn rest(self) -> usize {
        self.held.bytes().len()
    }

    /// The next piece that is complete.
    ///
    /// # Errors
    /// [`EventTooLarge`].
    pub fn next_piece(&mut self) -> Result<Option<Piece>, EventTooLarge> {
        if !self.is_begun {
            let bytes = self.held.bytes();
            if bytes.len() < MARK.len() && MARK.starts_with(bytes) {
                return Ok(None);
            }
            if bytes.starts_with(MARK) {
                self.held.take(MARK.len());
            }
            self.is_begun = true;
        }
        loop {
            let bytes = self.held.bytes();
            if self.after_return && !bytes.is_empty() {
                self.after_return = false;
                if bytes.first() == Some(&b'\n') {
                    return Ok(Some(Piece::Other(self.take(1))));
                }
            }
            let Some(end) = bytes.iter().skip(self.scanned).position(|b| matches!(b, b'\n' | b'\r')) else {
                self.scanned = bytes.len();
                return if bytes.len() > self.most { Err(EventTooLarge) } else { Ok(None) };
            };
            let end = self.scanned + end;
            let is_return = bytes.get(end) == Some(&b'\r');
            let is_pair = is_return && bytes.get(end + 1) == Some(&b'\n');
            let next = end + 1 + usize::from(is_pair);
            // A return that ends all we have may be half of a pair; its event does not wait for the other half.
            let half = is_return && next == bytes.len();
            let (is_blank, is_comment) = (end == self.line, bytes.get(self.line) == Some(&b':'));
            if next > self.most {
                return Err(EventTooLarge);
            }
            if is_blank && self.has_fields {
                self.after_return = half;
                return Ok(Some(Piece::Event(Event { raw: self.take(next) })));
            }
            if !self.has_fields && (is_blank || is_comment) {
                self.after_return = half;
                return Ok(Some(Piece::Other(self.take(next))));
            }
            if half {
                // In the middle of an event there is no haste.
                self.scanned = end;
                return Ok(None);
            }
            self.has_fields = true;
            (self.scanned, self.line) = (next, next);
        }
    }

    fn take(&mut self, length: usize) -> Bytes {
        (self.scanned, self.line, self.has_fields) = (0, 0, false);
        self.held.take(length)
    }
}

/// One event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    raw: Bytes,
}

impl Event {
    /// A new event that carries `data`.
    pub fn message(data: &str) -> Bytes {
        let mut text = String::with_capacity(data.len() + 24);
        text.push_str("event: message\n");
        push_data(&mut text, data);
        text.push('\n');
        text.into()
    }

    /// The bytes, up to and with the blank line.
    pub fn into_bytes(self) -> Bytes {
        self.raw
    }

    /// Whether all readers read the same in it. Bytes that are no text are replaced by some of them, and a byte-order mark
    /// before a line is no part of the line for others.
    pub fn has_one_reading(&self) -> bool {
        std::str::from_utf8(&self.raw).is_ok() && lines(&self.raw).all(|line| !line.text.starts_with(MARK))
    }

    /// What it carries: its `data` lines, joined. None if it has none, or they are not text.
    pub fn data(&self) -> Option<Cow<'_, str>> {
        let mut data: Option<Cow<'_, str>> = None;
        for (name, value) in self.fields() {
            if name != b"data" {
                continue;
            }
            let value = std::str::from_utf8(value).ok()?;
            match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(lines) => {
                    let lines = lines.to_mut();
                    lines.push('\n');
                    lines.push_str(value);
                }
            }
        }
        data
    }

    /// Its id, if it sets one that is text. The last one counts.
    pub fn id(&self) -> Option<&str> {
        let (_, value) = self.fields().filter(|(name, _)| name == b"id").last()?;
        std::str::from_utf8(value).ok()
    }

    /// The same event with other data, another id, or both; every other line as it came. Ids that are not text go.
    #[must_use]
    pub fn with(&self, id: Option<&str>, data: Option<&str>) -> Bytes {
        let mut out =
            BytesMut::with_capacity(self.raw.len() + id.map_or(0, str::len) + data.map_or(0, str::len));
        let (mut has_data, mut has_id) = (false, false);
        for line in lines(&self.raw) {
            let (name, _) = field(line.text);
            match (name, id, data) {
                (b"data", _, Some(data)) => {
                    if !std::mem::replace(&mut has_data, true) {
                        let mut text = String::with_capacity(data.len() + 8);
                        push_data(&mut text, data);
                        out.extend_from_slice(text.as_bytes());
                    }
                }
                (b"id", Some(id), _) => {
                    if !std::mem::replace(&mut has_id, true) {
                        out.extend_from_slice(b"id: ");
                        out.extend_from_slice(id.as_bytes());
                        out.extend_from_slice(b"\n");
                    }
                }
                _ => out.extend_from_slice(line.whole),
            }
        }
        out.freeze()
    }

    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        lines(&self.raw).map(|line| field(line.text))
    }
}

fn push_data(out: &mut String, data: &str) {
    for line in data.split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
}

/// A line without its end, and with it.
struct Line<'a> {
    text: &'a [u8],
    whole: &'a [u8],
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let at = rest.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
        let length = at + 1 + usize::from(rest.get(at..at + 2) == Some(b"\r\n"));
        let (whole, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(Line { text: whole.get(..at)?, whole })
    })
}

/// Name and value of a line.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|b| *b == b':').and_then(|at| line.split_at_checked(at)) {
        Some((name, value)) => {
            let value = value.strip_prefix(b":").unwrap_or(value);
            (name, value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
