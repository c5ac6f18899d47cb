//! What is to be run, and how. It goes from the front to the runner as the first frame, since arguments and
//! environment may hold secrets that a process list must not show.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;

/// All that one front has run for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The servers, by the name of their resource.
    pub servers: BTreeMap<String, Server>,
    /// Whether the servers are kept in sandboxes.
    pub sandbox: Sandbox,
    /// The folder with the keys, which no server may read. Granting a server what lies around it is an error.
    pub data_dir: PathBuf,
    /// Files with secrets elsewhere, such as a TLS key: no server may read them either.
    pub secrets: Vec<PathBuf>,
    /// A folder of ours below which each server gets a home and a temporary folder. It may lie within the data
    /// directory; it must not hold it.
    pub runtime_dir: PathBuf,
    /// Most processes at once.
    pub children: usize,
    /// After how many milliseconds without a line a process ends.
    pub idle_ms: u64,
}

/// Whether servers are kept in sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// Yes, as far as this kernel can; [`crate::SandboxReport`] tells how far.
    On,
    /// No: servers may read what this user may read, the keys included.
    Off,
}

/// Who shares a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Nobody: each agent has its own, and for each of its sessions another.
    #[default]
    PerAgent,
    /// Everybody.
    Shared,
}

/// One server. Its `Debug` shows neither arguments nor environment.
#[derive(Clone, Serialize, Deserialize)]
pub struct Server {
    /// The program, by path or by name (looked up in the runner's `PATH`).
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment beside what each server gets (`PATH`, `LANG`, `LC_ALL`, `LC_CTYPE`, `TZ`, and a `HOME` of
    /// its own): the names that its owner listed, with the values they had in the front.
    pub env: BTreeMap<String, String>,
    /// Who shares a process.
    pub sharing: Sharing,
    /// Further files and folders it may read and execute.
    pub read: Vec<PathBuf>,
    /// Further files and folders it may change.
    pub write: Vec<PathBuf>,
    /// Where it starts; the front's own working directory as a rule. It may be read, unless it is a home or `/`.
    pub working_dir: PathBuf,
    /// Whether it may connect to Unix sockets. They lead to container engines, key agents and to our own control
    /// socket, so the default is no; TCP is left alone.
    pub unix_sockets: bool,
}

impl Spec {
    /// A specification without servers, with the defaults.
    pub fn new(data_dir: impl Into<PathBuf>, runtime_dir: impl Into<PathBuf>) -> Self {
        Self {
            servers: BTreeMap::new(),
            sandbox: Sandbox::On,
            data_dir: data_dir.into(),
            secrets: Vec::new(),
            runtime_dir: runtime_dir.into(),
            children: limits::CHILDREN,
            idle_ms: u64::try_from(limits::IDLE.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// With one more server.
    #[must_use]
    pub fn server(mut self, name: impl Into<String>, server: Server) -> Self {
        self.servers.insert(name.into(), server);
        self
    }

    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
}

impl Server {
    /// A server with the defaults: a process per agent, nothing from the environment, nothing more to read.
    pub fn new(command: impl Into<String>, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            sharing: Sharing::PerAgent,
            read: Vec::new(),
            write: Vec::new(),
            working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            unix_sockets: false,
        }
    }

    /// Takes these names from our own environment, if they are set.
    #[must_use]
    pub fn pass(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for name in names {
            if let Ok(value) = std::env::var(name.as_ref()) {
                self.env.insert(name.as_ref().to_owned(), value);
            }
        }
        self
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("command", &self.command)
            .field("args", &format_args!("({})", self.args.len()))
            .field("env", &self.env.keys())
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_secrets_a_server_s_debug_shows_neither_arguments_nor_values() {
        let mut server = Server::new("npx", ["--token", "hunter2"]);
        server.env.insert("KEY".into(), "hunter3".into());
        let shown = format!("{:?}", Spec::new("/d", "/r").server("a", server));
        assert!(shown.contains("npx") && shown.contains("KEY"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
