//! Processes: where they run, what CPU time they took, what memory they hold. Linux.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Outcome;

/// The core of the server.
pub(crate) const SERVER_CORE: &str = "0";
/// The core of the load.
pub(crate) const LOAD_CORE: &str = "1";

/// Pins this process, all its threads, to the load's core.
pub(crate) fn pin_self() -> Outcome<()> {
    let id = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    let end = taskset.args(["-a", "-c", "-p", LOAD_CORE, &id]).stdout(Stdio::null()).status();
    let end = end.map_err(|why| format!("`taskset` cannot be run: {why}"))?;
    if end.success() {
        Ok(())
    } else {
        Err("two cores are needed: one for the server, one for the load".into())
    }
}

/// A program that will be pinned to a core. `taskset` becomes the program, under the same id.
pub(crate) fn pinned(program: &std::path::Path, core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// A process whose CPU time is measured while it is asked.
pub(crate) trait Loaded {
    /// Where it listens.
    fn address(&self) -> &str;
    /// Its id.
    fn id(&self) -> u32;
}

/// CPU time that a process took so far, in user and kernel.
pub(crate) fn cpu(id: u32) -> Outcome<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let after = text.rsplit_once(") ").ok_or("no stat")?.1;
    let mut fields = after.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (fields.next().ok_or("no utime")??, fields.next().ok_or("no stime")??);
    Ok(Duration::from_nanos((user + system) * 1_000_000_000 / ticks_a_second()))
}

/// Memory that a process holds, in MiB.
pub(crate) fn resident(id: u32) -> Outcome<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn ticks_a_second() -> u64 {
    const USUAL: u64 = 100;
    let said = Command::new("getconf").arg("CLK_TCK").output();
    said.ok().and_then(|said| String::from_utf8_lossy(&said.stdout).trim().parse().ok()).unwrap_or(USUAL)
}
