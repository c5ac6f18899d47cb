//! The real binary: how soon it answers, and what memory it holds when nobody calls.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::Outcome;
use crate::clock::now;
use crate::process::{SERVER_CORE, pinned, resident};

/// Longest wait for the first answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen of one start.
pub(crate) struct Start {
    /// From the start of the process to its first answer.
    pub(crate) first_answer: Duration,
    /// Memory held after that, in MiB.
    pub(crate) resident: f64,
}

/// The binary beside this program, or the one that `PORTCULLIS_BIN` names.
pub(crate) fn place() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().map(|folder| folder.join("portcullis")).unwrap_or_default();
    let binary = std::env::var_os("PORTCULLIS_BIN").map_or(beside, PathBuf::from);
    if binary.exists() { Ok(binary) } else { Err(format!("`{}` is not built", binary.display()).into()) }
}

/// Starts the binary with its data in `dir` and waits for its metadata.
pub(crate) fn start(binary: &Path, dir: &Path) -> Outcome<Start> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let begun = now();
    let mut command = pinned(binary, SERVER_CORE);
    command.args(["guard", "--listen", &address, "--data-dir"]).arg(dir);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let child = Ended(child);
    while begun.elapsed() < PATIENCE {
        if answers(&address) {
            let first_answer = begun.elapsed();
            return Ok(Start { first_answer, resident: resident(child.0.id())? });
        }
        std::thread::yield_now();
    }
    Err("the binary did not answer".into())
}

fn answers(address: &str) -> bool {
    let request = format!(
        "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    );
    let mut answer = [0; 12];
    TcpStream::connect(address)
        .and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_exact(&mut answer)
        })
        .is_ok_and(|()| answer == *b"HTTP/1.1 200")
}

struct Ended(Child);
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
