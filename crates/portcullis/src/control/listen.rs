//! The server's end: takes one command from each caller.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use portcullis_guard::BoxFuture;
use portcullis_server::App;
use portcullis_server::admin::{AdminError, Command};
use portcullis_wire::base64url;
use portcullis_wire::digest::same;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::place::address;
use super::{ANSWER_TIME, CALLERS, COMMAND_LINE, COMMAND_TIME, FaultKind, Line};
use crate::home::{ControlKey, Home, HomeError};

/// Whoever carries commands out.
pub trait Administer: Send + Sync + 'static {
    /// Carries one out; when it answers, what was changed is enforced.
    fn administer(&self, command: Command) -> BoxFuture<'_, Result<Vec<Value>, AdminError>>;
}

impl Administer for App {
    fn administer(&self, command: Command) -> BoxFuture<'_, Result<Vec<Value>, AdminError>> {
        Box::pin(Self::administer(self, command))
    }
}

/// The control socket of one data directory.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    key: ControlKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    key: String,
    command: Command,
}

impl Control {
    /// Opens the socket. Holding the lock, we may remove one that a crash left.
    ///
    /// # Errors
    /// [`HomeError::Io`] if the operating system refuses.
    pub fn open(home: &Home, key: ControlKey) -> Result<Self, HomeError> {
        let open = || {
            let (path, directory) = address(home.directory())?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            drop(directory);
            Ok(listener)
        };
        let listener =
            open().map_err(|error| HomeError::Io("open the control socket", home.socket(), error))?;
        Ok(Self { listener, key })
    }

    /// Serves callers for as long as it is polled.
    pub async fn serve(self, app: Arc<dyn Administer>) {
        let (key, callers) = (Arc::new(self.key), Arc::new(Semaphore::new(CALLERS)));
        loop {
            let Ok(permit) = Arc::clone(&callers).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (key, app) = (Arc::clone(&key), Arc::clone(&app));
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &key, &*app).await {
                            tracing::debug!(%error, "a caller of the control socket went away");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not take a caller");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn converse(stream: UnixStream, key: &ControlKey, app: &dyn Administer) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut bounded = BufReader::new(read.take(COMMAND_LINE as u64 + 1));
    timeout(COMMAND_TIME, bounded.read_until(b'\n', &mut line)).await??;
    if line.len() > COMMAND_LINE {
        return fail(&mut write, FaultKind::Refused, "the command is too long").await;
    }
    // What does not parse is not repeated: it may hold a password.
    let Ok(request) = serde_json::from_slice::<Request>(&line) else {
        let said = "the server does not know this command: are both of the same version?";
        return fail(&mut write, FaultKind::Refused, said).await;
    };
    let shown = base64url::decode(&request.key).unwrap_or_default();
    if !same(&shown, key.expose()) {
        return fail(&mut write, FaultKind::Refused, "the control key is not the server's").await;
    }
    match timeout(ANSWER_TIME, app.administer(request.command)).await {
        Err(_) => fail(&mut write, FaultKind::Unavailable, "the server took too long").await,
        Ok(Err(error)) => fail(&mut write, kind(&error), &error.to_string()).await,
        Ok(Ok(rows)) => {
            for row in rows {
                send(&mut write, &Line::Row(row)).await?;
            }
            send(&mut write, &Line::Done(true)).await
        }
    }
}

/// Who can help it.
pub(crate) const fn kind(error: &AdminError) -> FaultKind {
    match error {
        AdminError::Unavailable => FaultKind::Unavailable,
        AdminError::Refused(_) | AdminError::Invalid(_) => FaultKind::Refused,
    }
}

async fn fail(write: &mut OwnedWriteHalf, kind: FaultKind, message: &str) -> io::Result<()> {
    send(write, &Line::Error { kind, message: message.to_owned() }).await
}

async fn send(write: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    timeout(ANSWER_TIME, write.write_all(&text)).await?
}
