//! The front's side of starting: the runner is spawned before anything of value is open, and then nothing more can
//! be executed.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::frame::{Frame, Kind};
use crate::spec::Spec;

/// What the runner takes from our environment; servers get what their owner listed, in the specification.
const RUNNER_ENV: &[&str] =
    &["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "RUST_LOG", "NO_COLOR", "RUST_BACKTRACE"];

/// A runner that was started and told what to run. [`crate::Runner::start`] makes use of it.
#[derive(Debug)]
pub struct Spawned {
    pub(crate) process: Child,
    pub(crate) socket: UnixStream,
}

/// Why there is no runner.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It could not be started, or spoken to.
    #[error("the process that keeps the MCP servers could not be started")]
    Io(#[from] io::Error),
    /// It cannot do what it was told to; the reason is for the owner.
    #[error("{0}")]
    Refused(String),
    /// It said nothing in time, or nothing that makes sense.
    #[error("the process that keeps the MCP servers does not answer")]
    Silent,
}

/// Starts ourselves again as `runner`, and hands over `spec`. To be called before store, listener and the async
/// runtime exist.
///
/// # Errors
/// [`StartError::Io`].
pub fn spawn(spec: &Spec) -> Result<Spawned, StartError> {
    let mut command = Command::new(ourselves()?);
    command.arg("runner");
    let (socket, theirs) = UnixStream::pair()?;
    let process = command
        .env_clear()
        .envs(RUNNER_ENV.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .process_group(0) // A terminal's interrupt is for the front; the runner ends with it.
        .spawn()?;
    // The command holds the other half of the socket: while it lives we would not see the runner go.
    drop(command);
    let mut spawned = Spawned { process, socket };
    Frame::told(Kind::Spec, 0, spec)?.write_to(&mut spawned.socket)?;
    Ok(spawned)
}

/// Our own program, also when its file was replaced meanwhile.
pub(crate) fn ourselves() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Whether this process can still execute programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecForbidden {
    /// The kernel refuses it, for all threads and for good.
    Holds,
    /// It does not, and why. To be said loudly.
    Missing(String),
}

/// Forbids this process and all its threads to execute any program from now on (`execve` and `execveat` answer
/// `EPERM`). To be called after [`spawn`], and before strangers' bytes are read.
pub fn forbid_exec() -> ExecForbidden {
    match filter::forbid_exec() {
        Ok(()) => ExecForbidden::Holds,
        Err(error) => ExecForbidden::Missing(error.to_string()),
    }
}

#[cfg(target_os = "linux")]
pub(crate) use filter::forbid_unix_sockets;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod filter {
    use std::collections::BTreeMap;
    use std::error::Error;

    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    /// Numbers of system calls. On x86-64 the second name of each is of the x32 interface.
    #[cfg(target_arch = "x86_64")]
    mod call {
        const X32: i64 = 0x4000_0000;
        pub(super) const EXECUTE: &[i64] = &[59, 322, X32 + 520, X32 + 545, X32 + 59, X32 + 322];
        pub(super) const SOCKET: &[i64] = &[41, X32 + 41];
        pub(super) const PAIR: &[i64] = &[53, X32 + 53];
        pub(super) const RING: &[i64] = &[425, X32 + 425];
    }
    #[cfg(target_arch = "aarch64")]
    mod call {
        pub(super) const EXECUTE: &[i64] = &[221, 281];
        pub(super) const SOCKET: &[i64] = &[198];
        pub(super) const PAIR: &[i64] = &[199];
        pub(super) const RING: &[i64] = &[425];
    }
    /// The error of what is not permitted.
    const EPERM: u32 = 1;
    /// The address family of Unix sockets.
    const AF_UNIX: u64 = 1;
    /// The kinds of sockets without connections: of Unix sockets, raw ones are no others.
    const UNCONNECTED: [u64; 2] = [2, 3];
    /// The bits of the argument that say the kind.
    const KIND: u64 = 0xf;

    type Rules = BTreeMap<i64, Vec<SeccompRule>>;

    fn program(rules: Rules) -> Result<BpfProgram, Box<dyn Error>> {
        let arch = std::env::consts::ARCH.try_into()?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EPERM), arch)?;
        Ok(filter.try_into()?)
    }

    pub(super) fn forbid_exec() -> Result<(), Box<dyn Error>> {
        let rules = call::EXECUTE.iter().map(|number| (*number, Vec::new())).collect();
        Ok(seccompiler::apply_filter_all_threads(&program(rules)?)?)
    }

    /// No Unix sockets but pairs, and no ring that could make them unseen.
    pub(crate) fn forbid_unix_sockets() -> Result<(), Box<dyn Error>> {
        let mut rules: Rules = call::RING.iter().map(|number| (*number, Vec::new())).collect();
        for number in call::SOCKET {
            let unix = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, AF_UNIX)?;
            rules.insert(*number, vec![SeccompRule::new(vec![unix])?]);
        }
        // A pair speaks to itself; but one end of a pair without connections could be pointed at any address.
        for number in call::PAIR {
            let pointed = UNCONNECTED.map(|kind| {
                let is_kind = SeccompCmpOp::MaskedEq(KIND);
                SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, is_kind, kind)?])
            });
            rules.insert(*number, pointed.into_iter().collect::<Result<_, _>>()?);
        }
        Ok(seccompiler::apply_filter(&program(rules)?)?)
    }
}

#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod filter {
    pub(super) fn forbid_exec() -> Result<(), Box<dyn std::error::Error>> {
        Err("system call filters are built for x86-64 and arm64 only".into())
    }

    pub(crate) fn forbid_unix_sockets() -> Result<(), Box<dyn std::error::Error>> {
        Err("system call filters are built for x86-64 and arm64 only".into())
    }
}

#[cfg(not(target_os = "linux"))]
mod filter {
    pub(super) fn forbid_exec() -> Result<(), Box<dyn std::error::Error>> {
        Err("system call filters are built for Linux only".into())
    }
}
