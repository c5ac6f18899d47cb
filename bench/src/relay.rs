//! A plain relay of bytes: what any hop costs at the least.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;
use crate::process::{Loaded, pinned};

/// The word that makes this program the relay.
pub(crate) const WORD: &str = "relay";

/// Another process of this program that listens and says where; it ends when dropped.
pub(crate) struct Side {
    child: Child,
    address: String,
}

impl Side {
    /// Starts one on a core.
    pub(crate) fn start(core: &str, words: &[&str]) -> Outcome<Self> {
        let mut command = pinned(&std::env::current_exe()?, core);
        let mut child = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().to_owned() })
    }
}

impl Loaded for Side {
    fn address(&self) -> &str {
        &self.address
    }

    fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the relay to an address.
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    let [to] = words else { return Err("relay ADDRESS".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        loop {
            let (mut near, _) = listener.accept().await?;
            let to = to.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await?;
                near.set_nodelay(true)?;
                far.set_nodelay(true)?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    })
}
