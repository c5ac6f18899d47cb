//! The caller's end: sends one command and gathers the answer.

use std::io;
use std::path::Path;

use portcullis_server::admin::Command;
use portcullis_wire::base64url;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::place::address;
use super::{ANSWER, ANSWER_TIME, FaultKind, Line};
use crate::home::{ControlKey, HomeError};

/// Why a running server did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The directory's files.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Nobody answers there, although the lock is held.
    #[error("the server that holds the data directory cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// It went away, or did not keep to the form.
    #[error("the server did not finish its answer")]
    Cut,
    /// It said no.
    #[error("{message}")]
    Fault {
        /// Who can help it.
        kind: FaultKind,
        /// What happened and what to do.
        message: String,
    },
}

#[derive(Serialize)]
struct Request<'a> {
    key: String,
    command: &'a Command,
}

/// Has the server that holds `directory` carry out `command`. When this answers, what was changed is enforced.
///
/// # Errors
/// [`ControlError`], by cause.
pub async fn administer(directory: &Path, command: &Command) -> Result<Vec<Value>, ControlError> {
    let key = ControlKey::of(directory).map_err(|error| match error {
        // Whoever holds the directory is no server, or not one yet.
        HomeError::Io(_, _, absent) if absent.kind() == io::ErrorKind::NotFound => {
            ControlError::Unreachable(absent)
        }
        other => other.into(),
    })?;
    let request = Request { key: base64url::encode(key.expose()), command };
    let mut line = serde_json::to_vec(&request).map_err(|_| ControlError::Cut)?;
    line.push(b'\n');
    let (path, open) = address(directory).map_err(ControlError::Unreachable)?;
    let stream = UnixStream::connect(&path).await.map_err(ControlError::Unreachable)?;
    drop(open);
    timeout(ANSWER_TIME, exchange(stream, &line)).await.unwrap_or(Err(ControlError::Cut))
}

async fn exchange(stream: UnixStream, line: &[u8]) -> Result<Vec<Value>, ControlError> {
    let (read, mut write) = stream.into_split();
    write.write_all(line).await.map_err(|_| ControlError::Cut)?;
    let mut lines = BufReader::new(read.take(ANSWER)).lines();
    let mut rows = Vec::new();
    while let Some(line) = lines.next_line().await.map_err(|_| ControlError::Cut)? {
        match serde_json::from_str(&line).map_err(|_| ControlError::Cut)? {
            Line::Row(row) => rows.push(row),
            Line::Done(_) => return Ok(rows),
            Line::Error { kind, message } => return Err(ControlError::Fault { kind, message }),
        }
    }
    Err(ControlError::Cut)
}
