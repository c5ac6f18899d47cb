//! One server: how it is started, what goes in and out, and how it ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use crate::children::{Used, idle};
use crate::frame::{Closed, Number};
use crate::front::ourselves;
use crate::launch::{Launch, Walls};
use crate::limits;
use crate::link::{Receiving, Sending};
use crate::sandbox::{self, Grants, SandboxReport};
use crate::spec::{Sandbox, Sharing, Spec};

/// What a child is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Stay,
    Die,
}

/// Resolves when a child is to end at once.
pub(crate) async fn to_die(orders: &mut watch::Receiver<Order>) {
    // An error says that nobody gives orders any more.
    orders.wait_for(|order| *order == Order::Die).await.map(drop).unwrap_or_default();
}

/// What every server gets of our environment, beside what its owner listed.
const ENV: &[&str] = &["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/// Names that point to the server's own home, and where in it.
const HOME_ENV: &[(&str, &str)] = &[
    ("HOME", ""),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
    ("npm_config_cache", ".npm"),
];
/// Names that point to its temporary folder.
const TMP_ENV: &[&str] = &["TMPDIR", "TMP", "TEMP", "XDG_RUNTIME_DIR"];
/// The home of a server that all agents share.
const SHARED: &str = "shared";
/// How temporary folders begin.
const TMP: &str = "tmp-";

/// All that is needed to start one server.
pub(crate) struct Plan {
    launch: Launch,
    resource: String,
    tmp: PathBuf,
}

impl Plan {
    /// Finds the program, makes its folders, and works out what it may touch.
    pub(crate) fn new(
        spec: &Spec,
        report: &SandboxReport,
        resource: &str,
        agent: &str,
        number: Number,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let server = spec.servers.get(resource).ok_or("there is no such server")?;
        let place = place(spec, resource);
        let whose = match server.sharing {
            Sharing::Shared => SHARED.to_owned(),
            Sharing::PerAgent => base64url::encode(&Digest::of(agent.as_bytes()).as_bytes()[..16]),
        };
        let (home, tmp) = (place.join(whose), place.join(format!("{TMP}{number}")));
        folder(&home)?;
        folder(&tmp)?;
        touch(&home, &tmp)?;
        let program = sandbox::find(&server.command, &server.working_dir)?;
        let mut env: BTreeMap<String, String> =
            ENV.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("a folder's name is no text");
        for (name, at) in HOME_ENV {
            env.insert((*name).to_owned(), text(&home.join(at))?);
        }
        for name in TMP_ENV {
            env.insert((*name).to_owned(), text(&tmp)?);
        }
        env.extend(server.env.clone());
        let mut working_dir = server.working_dir.clone();
        let sandbox = match spec.sandbox {
            Sandbox::Off => None,
            Sandbox::On => {
                let own = [home.clone(), tmp.clone()];
                let grants = Grants::of(server, &program, &spec.data_dir, &spec.secrets, &own)?;
                if !grants.works_here && report.holds() {
                    // A relative argument still means what it meant to the owner.
                    let relative = |arg: &String| !arg.starts_with('-') && working_dir.join(arg).is_file();
                    if !server.args.iter().any(relative) {
                        working_dir = home;
                    }
                }
                let Grants { read, write, .. } = grants;
                Some(Walls { landlock: report.holds(), read, write, unix_sockets: server.unix_sockets })
            }
        };
        let launch = Launch {
            program,
            args: server.args.clone(),
            env,
            working_dir,
            sandbox,
            runner: std::process::id(),
        };
        Ok(Self { launch, resource: resource.to_owned(), tmp })
    }

    /// Runs it to its end.
    pub(crate) async fn run(
        self,
        first: Bytes,
        receiving: Receiving,
        sending: Sending,
        orders: watch::Receiver<Order>,
        used: Used,
        patience: Duration,
    ) -> Closed {
        let why = match self.spawn() {
            Ok(child) => self.keep(child, first, receiving, &sending, orders, &used, patience).await,
            Err(error) => Closed::NotStarted(error.to_string()),
        };
        let tmp = self.tmp;
        tokio::task::spawn_blocking(move || std::fs::remove_dir_all(tmp)).await.map(drop).unwrap_or_default();
        why
    }

    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(ourselves()?)
            .args(["runner", "launch"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    #[expect(clippy::too_many_arguments, reason = "the ends of one process, each named")]
    async fn keep(
        &self,
        mut child: Child,
        first: Bytes,
        receiving: Receiving,
        sending: &Sending,
        mut orders: watch::Receiver<Order>,
        used: &Used,
        patience: Duration,
    ) -> Closed {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Closed::NotStarted("its standard streams are missing".to_owned());
        };
        let group = Group::of(&child);
        let logging = tokio::spawn(log(stderr, self.resource.clone()));
        let launch = self.launch.to_bytes();
        let writing = async {
            if let Ok(launch) = launch {
                write(stdin, launch, first, receiving).await;
            }
        };
        let reading = read(stdout, sending, used);
        tokio::pin!(writing, reading);
        let why = tokio::select! {
                why = &mut reading => match why {
                    Ending::TooLong => Closed::TooLong,
                    Ending::Unheard => Closed::Gone,
                    Ending::Over => {
                        let status = tokio::time::timeout(limits::FAREWELL, child.wait()).await;
                        Closed::Died(status.map_or_else(|_| "it closed its output".to_owned(), told))
                    }
                },
                status = child.wait() => {
                    // What it said last is still to be read, unless something else holds its output open.
                    tokio::time::timeout(limits::FAREWELL, &mut reading).await.map(drop).unwrap_or_default();
                    Closed::Died(told(status))
                }
                () = &mut writing => {
                    // Its input is closed, which asks it to end.
                    tokio::time::timeout(limits::FAREWELL, child.wait()).await.map(drop).unwrap_or_default();
                    Closed::Gone
                }
                () = idle(used, patience) => Closed::Idle,
                () = to_die(&mut orders) => Closed::CutOff,
        };
        group.kill();
        child.start_kill().unwrap_or_default();
        tokio::time::timeout(limits::FAREWELL, child.wait()).await.map(drop).unwrap_or_default();
        tokio::time::timeout(limits::FAREWELL, logging).await.map(drop).unwrap_or_default();
        why
    }
}

fn told(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// A child and all that it started, as far as they stayed together.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)))
    }

    fn kill(&self) {
        if let Some(group) = self.0 {
            // Nobody is left where this fails.
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap_or_default();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn write(mut stdin: ChildStdin, launch: Vec<u8>, first: Bytes, mut receiving: Receiving) {
    let mut broken = stdin.write_all(&launch).await.is_err();
    let mut next = Some(first);
    while let Some(line) = next {
        if !broken {
            let whole = [&line, b"\n".as_slice()].concat();
            broken = stdin.write_all(&whole).await.is_err();
        }
        next = receiving.recv().await;
    }
}

enum Ending {
    Over,
    TooLong,
    Unheard,
}

async fn read(stdout: impl AsyncRead + Unpin, sending: &Sending, used: &Used) -> Ending {
    let mut lines = Lines::new(stdout, limits::LINE);
    loop {
        match lines.next().await {
            Some(Ok(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
            Some(Ok(line)) => {
                used.now();
                if sending.send(line).await.is_err() {
                    return Ending::Unheard;
                }
            }
            Some(Err(Longer)) => return Ending::TooLong,
            None => return Ending::Over,
        }
    }
}

/// A line that is longer than is read.
#[derive(Debug, PartialEq, Eq)]
struct Longer;

/// Lines of bounded length.
struct Lines<R> {
    from: BufReader<R>,
    most: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(from: R, most: usize) -> Self {
        Self { from: BufReader::with_capacity(16 * 1024, from), most }
    }

    /// The next line without its end. After [`Longer`], the rest of that line follows.
    async fn next(&mut self) -> Option<Result<Bytes, Longer>> {
        let mut line = Vec::new();
        loop {
            let held = self.from.fill_buf().await.ok()?;
            if held.is_empty() {
                return (!line.is_empty()).then(|| Ok(line.into()));
            }
            let end = held.iter().position(|byte| *byte == b'\n');
            let part = &held[..end.unwrap_or(held.len())];
            let room = self.most - line.len();
            let taken = part.len().min(room);
            line.extend_from_slice(&part[..taken]);
            let (whole, over) = (end.is_some(), part.len() > room);
            let read = if over { taken } else { part.len() + usize::from(whole) };
            self.from.consume(read);
            if over {
                return Some(Err(Longer));
            }
            if whole {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(Ok(line.into()));
            }
        }
    }
}

/// Logs what a server says on its standard error, within bounds. It goes nowhere else.
async fn log(stderr: impl AsyncRead + Unpin, resource: String) {
    let mut lines = Lines::new(stderr, limits::LOG_LINE);
    let mut second = tokio::time::Instant::now();
    let (mut said, mut dropped, mut inside) = (0_usize, 0_usize, false);
    // The head of a line that is too long is lost with it: what counts is that nothing grows.
    while let Some(line) = lines.next().await {
        if second.elapsed() >= Duration::from_secs(1) {
            if dropped > 0 {
                tracing::warn!(%resource, dropped, "the server says more than is logged");
            }
            (second, said, dropped) = (tokio::time::Instant::now(), 0, 0);
        }
        let rest = std::mem::replace(&mut inside, line.is_err());
        match line {
            Ok(line) if !rest && said < limits::LOG_LINES => {
                said += 1;
                let text: String = String::from_utf8_lossy(&line)
                    .chars()
                    .filter(|c| !c.is_control() || *c == '\t')
                    .collect();
                tracing::info!(target: "portcullis_runner::stderr", "{resource}: {text}");
            }
            _ => dropped += 1,
        }
    }
}

/// Where a resource's homes are.
fn place(spec: &Spec, resource: &str) -> PathBuf {
    spec.runtime_dir.join(base64url::encode(resource.as_bytes()))
}

fn folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes the temporary folders of an earlier run, and the homes of agents in which no server was started for
/// [`limits::HOME_KEPT`]. To be called while no server lives.
pub(crate) fn sweep(spec: &Spec) {
    for resource in spec.servers.keys() {
        let place = place(spec, resource);
        let now = now(&place);
        let Ok(entries) = std::fs::read_dir(&place) else { continue };
        for entry in entries.flatten() {
            let is_old = || {
                let used = entry.metadata().and_then(|about| about.modified()).ok()?;
                Some(now?.duration_since(used).ok()? > limits::HOME_KEPT)
            };
            let name = entry.file_name();
            let is_tmp = name.to_str().is_some_and(|name| name.starts_with(TMP));
            if is_tmp || (name != SHARED && is_old() == Some(true)) {
                // What cannot be removed is in nobody's way.
                std::fs::remove_dir_all(entry.path()).unwrap_or_default();
            }
        }
    }
}

/// Notes on a home that it is used now: when `tmp` was made, by the file system's own time.
fn touch(home: &Path, tmp: &Path) -> std::io::Result<()> {
    File::open(home)?.set_modified(tmp.metadata()?.modified()?)
}

/// The time as the file system of a folder tells it; none if nothing can be made in that folder.
fn now(place: &Path) -> Option<SystemTime> {
    let probe = place.join(format!("{TMP}now"));
    // One that a run left behind when it was killed would tell the time of then.
    std::fs::remove_dir(&probe).unwrap_or_default();
    std::fs::create_dir(&probe).ok()?;
    probe.metadata().ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Server;

    #[test]
    fn homes_that_nobody_used_for_long_go_and_others_stay() {
        let place = tempfile::tempdir().unwrap();
        let spec =
            Spec::new(place.path(), place.path().join("run")).server("s", Server::new("true", [""; 0]));
        let at = |name: &str| super::place(&spec, "s").join(name);
        let plan = |agent| {
            let number = Number::default();
            Plan::new(&spec, &SandboxReport::Off, "s", agent, number).unwrap().launch.env["HOME"].clone()
        };
        let (old, new) = (plan("old"), plan("new"));
        std::fs::write(Path::new(&old).join("notes"), "mine").unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + limits::HOME_KEPT;
        File::open(&old).unwrap().set_modified(long_ago).unwrap();
        std::fs::create_dir(at("tmp-now")).unwrap();
        File::open(at("tmp-now")).unwrap().set_modified(long_ago).unwrap();
        sweep(&spec);
        assert!(!Path::new(&old).exists() && Path::new(&new).exists());
        assert!(!at("tmp-now").exists() && !at("tmp-0").exists());
        let old = plan("old");
        sweep(&spec);
        assert!(Path::new(&old).exists(), "it is used again");
    }

    #[tokio::test]
    async fn t_bounds_lines_are_read_whole_or_not_at_all() {
        for (name, given, expected) in [
            ("lines", "a\nbc\r\n\n", vec![Ok("a"), Ok("bc"), Ok("")]),
            ("the last without an end", "a\nb", vec![Ok("a"), Ok("b")]),
            ("as long as allowed", "12345678\nx\n", vec![Ok("12345678"), Ok("x")]),
            ("longer", "123456789\nx\n", vec![Err(Longer), Ok("9"), Ok("x")]),
            ("nothing", "", vec![]),
        ] {
            let mut lines = Lines::new(given.as_bytes(), 8);
            let mut found = Vec::new();
            while let Some(line) = lines.next().await {
                found.push(line);
            }
            let expected: Vec<_> = expected
                .into_iter()
                .map(|line| line.map(|line| Bytes::from_static(line.as_bytes())))
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}
