//! Frames between the front and the runner: length (4 bytes, of all that follows), kind (1), channel (4), payload.

use std::io;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits;
use crate::sandbox::SandboxReport;

/// A channel's number, given by the front and never used again.
pub(crate) type Number = u32;

/// Bytes of kind and channel.
const HEAD: usize = 5;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) channel: Number,
    pub(crate) payload: Bytes,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What to run (front, first, once).
    Spec = 1,
    /// What holds here (runner, first, once).
    Hello = 2,
    /// A child is wanted on this channel: [`Open`] (front).
    Open = 3,
    /// One line without its end (both).
    Line = 4,
    /// Bytes that were read and may be followed by as many (both). Of none, it says that the child is in use.
    Credit = 5,
    /// No more lines come (front), or the child is gone: [`Closed`] (runner).
    Close = 6,
    /// Children to end at once: [`End`] (front).
    End = 7,
}

/// Whose child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) resource: String,
    pub(crate) agent: String,
}

/// Whose children are to end. Without a resource: at all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) resource: Option<String>,
    pub(crate) agent: String,
}

/// The runner's first word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) report: SandboxReport,
    /// Why nothing will be run, if the specification cannot be followed.
    pub(crate) refused: Option<String>,
}

/// Why a channel ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The process could not be started. The reason is for the log.
    #[error("the MCP server could not be started: {0}")]
    NotStarted(String),
    /// The process ended by itself.
    #[error("the MCP server ended ({0})")]
    Died(String),
    /// It wrote a line that is longer than any message.
    #[error("the MCP server wrote a line longer than the limit")]
    TooLong,
    /// It wrote nothing that is a message, again and again.
    #[error("the MCP server writes what is no message")]
    Garbage,
    /// Nobody used it.
    #[error("the MCP server was ended since nobody used it")]
    Idle,
    /// Its agent was cut off.
    #[error("the MCP server was ended since its agent was cut off")]
    CutOff,
    /// As many run as are allowed.
    #[error("as many MCP servers run as are allowed")]
    TooMany,
    /// The process that keeps the servers is gone, or the front let go of the channel.
    #[error("the MCP server was let go, or the process that keeps the servers is gone")]
    Gone,
}

impl Frame {
    pub(crate) const fn line(channel: Number, payload: Bytes) -> Self {
        Self { kind: Kind::Line, channel, payload }
    }

    pub(crate) fn credit(channel: Number, bytes: u32) -> Self {
        let payload = Bytes::copy_from_slice(&bytes.to_be_bytes());
        Self { kind: Kind::Credit, channel, payload }
    }

    pub(crate) const fn close(channel: Number) -> Self {
        Self { kind: Kind::Close, channel, payload: Bytes::new() }
    }

    pub(crate) fn told<T: Serialize>(kind: Kind, channel: Number, what: &T) -> io::Result<Self> {
        Ok(Self { kind, channel, payload: serde_json::to_vec(what)?.into() })
    }

    pub(crate) fn told_of<'a, T: Deserialize<'a>>(&'a self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.payload)?)
    }

    /// The bytes a credit frame gives.
    pub(crate) fn credited(&self) -> io::Result<usize> {
        let bytes: [u8; 4] = self.payload.as_ref().try_into().map_err(|_| malformed("a credit"))?;
        Ok(u32::from_be_bytes(bytes) as usize)
    }

    /// Length, kind and channel.
    fn head(&self) -> io::Result<[u8; 4 + HEAD]> {
        let length = self.payload.len() + HEAD;
        if length > limits::FRAME {
            return Err(malformed("a length"));
        }
        let mut head = [0; 4 + HEAD];
        let length = u32::try_from(length).map_err(|_| malformed("a length"))?;
        head[..4].copy_from_slice(&length.to_be_bytes());
        head[4] = self.kind as u8;
        head[5..].copy_from_slice(&self.channel.to_be_bytes());
        Ok(head)
    }

    /// Writes the frame with a blocking writer.
    pub(crate) fn write_to(&self, to: &mut impl io::Write) -> io::Result<()> {
        to.write_all(&self.head()?)?;
        to.write_all(&self.payload)
    }

    pub(crate) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        to.write_all(&self.head()?).await?;
        to.write_all(&self.payload).await
    }

    /// The next frame; none at a clean end.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut length = [0; 4];
        if from.read(&mut length[..1]).await? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut length[1..]).await?;
        let length = u32::from_be_bytes(length) as usize;
        if !(HEAD..=limits::FRAME).contains(&length) {
            return Err(malformed("a length"));
        }
        let kind = Kind::of(from.read_u8().await?)?;
        let channel = from.read_u32().await?;
        // Grown as the bytes come: a length alone takes no memory.
        let mut payload = BytesMut::new();
        let mut rest = from.take((length - HEAD) as u64);
        while rest.read_buf(&mut payload).await? > 0 {}
        if payload.len() != length - HEAD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self { kind, channel, payload: payload.freeze() }))
    }
}

impl Kind {
    fn of(byte: u8) -> io::Result<Self> {
        const ALL: [Kind; 7] =
            [Kind::Spec, Kind::Hello, Kind::Open, Kind::Line, Kind::Credit, Kind::Close, Kind::End];
        ALL.into_iter().find(|kind| *kind as u8 == byte).ok_or_else(|| malformed("a kind"))
    }
}

pub(crate) fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} between the two processes makes no sense"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_comes_back_as_it_went() {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        for frame in [
            Frame::line(7, Bytes::from_static(b"{}")),
            Frame::credit(u32::MAX, 9),
            Frame::close(0),
            Frame::told(Kind::Open, 3, &Open { resource: "a".into(), agent: "b".into() }).unwrap(),
        ] {
            frame.write(&mut ours).await.unwrap();
            assert_eq!(Frame::read(&mut theirs).await.unwrap(), Some(frame));
        }
        drop(ours);
        assert_eq!(Frame::read(&mut theirs).await.unwrap(), None);
    }

    #[tokio::test]
    async fn t_bounds_a_frame_that_makes_no_sense_is_refused() {
        for (name, given) in [
            ("too long", [0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0].as_slice()),
            ("too short", &[0, 0, 0, 4, 4, 0, 0, 0, 0]),
            ("no such kind", &[0, 0, 0, 5, 9, 0, 0, 0, 0]),
            ("cut short", &[0, 0, 0, 9, 4, 0, 0, 0, 0, 1]),
            ("cut within the length", &[0, 0]),
        ] {
            assert!(Frame::read(&mut &*given).await.is_err(), "{name}");
        }
    }
}
