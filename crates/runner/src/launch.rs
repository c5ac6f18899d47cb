//! The last steps before a server runs: the launcher locks itself in, and becomes the server.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::sandbox::Grants;

/// Longest launch, in bytes: as long as a frame, since it is a part of one.
const LONGEST: usize = crate::limits::FRAME;

/// What the launcher is told, in front of the lines on its standard input.
#[derive(Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) working_dir: PathBuf,
    /// Whether the kernel holds the allow-list; none if the owner turned it off.
    pub(crate) sandbox: Option<Walls>,
    /// The process that started it.
    pub(crate) runner: u32,
}

/// What of the sandbox there is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Walls {
    pub(crate) landlock: bool,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
    pub(crate) unix_sockets: bool,
}

impl Launch {
    /// Its bytes, with their length in front.
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        Ok([&length.to_be_bytes()[..], &json].concat())
    }

    /// Reads it without taking a byte that is meant for the server.
    fn read() -> io::Result<Self> {
        let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut json = Vec::new();
        (&mut input).take(length as u64).read_to_end(&mut json)?;
        Ok(serde_json::from_slice(&json)?)
    }
}

/// Becomes a server: what `runner launch` does. It returns only if that failed; the caller prints the reason and
/// exits with 126.
pub fn launch() -> Box<dyn Error> {
    match become_server() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn become_server() -> Result<std::convert::Infallible, Box<dyn Error>> {
    let launch = Launch::read().map_err(|_| "this command is for portcullis itself")?;
    end_with_runner(launch.runner)?;
    std::env::set_current_dir(&launch.working_dir)?;
    if let Some(walls) = launch.sandbox {
        enter(walls)?;
    }
    let mut command = Command::new(&launch.program);
    let error = command.args(&launch.args).env_clear().envs(&launch.env).exec();
    Err(format!("`{}` could not be executed: {error}", launch.program.display()).into())
}

#[cfg(target_os = "linux")]
fn enter(walls: Walls) -> Result<(), Box<dyn Error>> {
    if walls.landlock {
        let grants = Grants { read: walls.read, write: walls.write, works_here: true };
        crate::sandbox::enter(&grants)?;
    }
    if !walls.unix_sockets {
        crate::front::forbid_unix_sockets()?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn enter(walls: Walls) -> Result<(), Box<dyn Error>> {
    crate::sandbox::enter(&Grants { read: walls.read, write: walls.write, works_here: true })
}

/// Has the kernel end us when the runner ends, however it ends.
#[cfg(target_os = "linux")]
fn end_with_runner(runner: u32) -> Result<(), Box<dyn Error>> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    if parent != i32::try_from(runner).ok() {
        return Err("the runner has gone".into());
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn end_with_runner(_: u32) -> Result<(), Box<dyn Error>> {
    Ok(())
}
