//! What processes can and cannot do, how they begin and how they end.

use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;

use http::StatusCode;
use portcullis_runner::{
    Closed, ExecForbidden, Runner, Sandbox, SandboxReport, Spec, StartError, StdioSettings, forbid_exec,
    spawn,
};

use super::Test;
use super::world::{self, World, ended, lives, with};

pub(crate) const TESTS: &[Test] = &[
    ("t_runner_a_server_reads_no_keys", t_runner_a_server_reads_no_keys),
    ("t_runner_a_server_cannot_use_the_control_socket", t_runner_a_server_cannot_use_the_control_socket),
    ("t_runner_without_a_sandbox_is_said", t_runner_without_a_sandbox_is_said),
    ("t_runner_a_grant_of_the_data_directory_is_refused", t_runner_a_grant_of_the_data_directory_is_refused),
    ("t_runner_the_environment_is_what_was_listed", t_runner_the_environment_is_what_was_listed),
    ("t_runner_secrets_are_in_no_command_line", t_runner_secrets_are_in_no_command_line),
    ("t_no_exec_the_front_executes_nothing", t_no_exec_the_front_executes_nothing),
    ("t_runner_servers_end_with_the_front", t_runner_servers_end_with_the_front),
    ("t_runner_idle_servers_end", t_runner_idle_servers_end),
    ("t_runner_their_number_is_limited", t_runner_their_number_is_limited),
    ("t_runner_a_cut_ends_the_server_at_once", t_runner_a_cut_ends_the_server_at_once),
];

fn plain(body: impl AsyncFnOnce(World)) {
    with(|_, _, _| {}, body);
}

fn t_runner_a_server_reads_no_keys() {
    let with_secrets = |spec: &mut Spec, _: &mut StdioSettings, place: &Path| {
        std::fs::write(place.join("app/key.pem"), "secret").unwrap();
        spec.secrets.push(place.join("app/key.pem"));
    };
    with(with_secrets, async |world| {
        let session = world.begin("a").await;
        let said = async |tool: &str, path: &str| {
            world.said("a", &session, tool, world.at(path).to_str().unwrap()).await
        };
        assert_eq!(said("read", "app/note").await, "done", "its working directory");
        for tool in ["home", "tmp"] {
            assert_eq!(said(tool, "").await, "done", "{tool} is its own");
        }
        assert_eq!(world.said("a", &session, "run", "/bin/true").await, "done");
        let (key, change) = (said("read", "data/key").await, said("write", "app/note").await);
        match world.runner.report() {
            SandboxReport::Holds { abi } => {
                println!("  this kernel has Landlock {abi}");
                let elsewhere = said("read", "app/key.pem").await;
                for (tool, answer) in [("read", key), ("write", change), ("read", elsewhere)] {
                    assert!(answer.contains("Permission denied"), "{tool}: {answer}");
                }
                let itself = world.said("a", &session, "read", "/proc/self/status").await;
                assert_eq!(itself, "done", "a process about itself");
                let shadow = world.said("a", &session, "read", "/etc/shadow").await;
                assert!(shadow.contains("denied"), "{shadow}");
                let front = format!("/proc/{}/environ", std::process::id());
                assert!(world.said("a", &session, "read", &front).await.contains("denied"));
            }
            missing => {
                println!("  this kernel has no Landlock");
                assert!(missing.to_string().starts_with("NO SANDBOX"), "{missing}");
            }
        }
    });
}

fn t_runner_a_server_cannot_use_the_control_socket() {
    plain(async |world| {
        let path = world.at("data/control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let session = world.begin("a").await;
        let said = world.said("a", &session, "connect", path.to_str().unwrap()).await;
        assert!(said.contains("not permitted") || said.contains("denied"), "{said}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let log = world.at("app/log.sock");
        let heard = UnixDatagram::bind(&log).unwrap();
        heard.set_nonblocking(true).unwrap();
        assert_eq!(world.said("a", &session, "pair", "").await, "done");
        for kind in ["pointed", "raw"] {
            let said = world.said("a", &session, kind, log.to_str().unwrap()).await;
            assert!(said.contains("not permitted") || said.contains("denied"), "{kind}: {said}");
        }
        assert_eq!(heard.recv(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    });
}

fn t_runner_without_a_sandbox_is_said() {
    with(
        |spec, _, _| spec.sandbox = Sandbox::Off,
        async |world| {
            assert_eq!(world.runner.report(), &SandboxReport::Off);
            assert!(world.runner.report().to_string().contains("keys included"));
            let session = world.begin("a").await;
            let key = world.at("data/key");
            assert_eq!(world.said("a", &session, "read", key.to_str().unwrap()).await, "done");
        },
    );
}

fn t_runner_a_grant_of_the_data_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut Spec)| {
        let mut spec = world::spec(place.path());
        change(&mut spec);
        let spawned = spawn(&spec).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match runtime.block_on(Runner::start(spawned)) {
            Err(StartError::Refused(why)) => why,
            other => panic!("refused, not {other:?}"),
        }
    };
    let around = place.path().to_owned();
    let why = refused(&|spec| spec.servers.get_mut("s").unwrap().read.push(around.clone()));
    assert!(why.contains("holds the data directory") && why.contains("`s`"), "{why}");
    let why = refused(&|spec| spec.servers.get_mut("s").unwrap().write.push(around.join("data")));
    assert!(why.contains("holds the data directory"), "{why}");
    let why = refused(&|spec| spec.servers.get_mut("s").unwrap().command = "no-such-command".into());
    assert!(why.contains("`no-such-command` was not found"), "{why}");
}

fn t_runner_the_environment_is_what_was_listed() {
    with(
        |spec, _, _| {
            spec.servers.get_mut("s").unwrap().env.insert("LISTED".into(), "yes".into());
        },
        async |world| {
            let session = world.begin("a").await;
            let env = world.said("a", &session, "env", "").await;
            assert!(env.contains("LISTED=yes"), "{env}");
            assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "the front has more");
            assert!(!env.contains("CARGO"), "{env}");
            let home = world.at("data/runtime");
            let own = format!("HOME={}", home.display());
            assert!(env.lines().any(|line| line.starts_with(&own)), "{env}");
            let other = world.begin("b").await;
            let home = |env: &str| env.lines().find(|line| line.starts_with("HOME=")).unwrap().to_owned();
            assert_ne!(home(&env), home(&world.said("b", &other, "env", "").await));
        },
    );
}

fn t_runner_secrets_are_in_no_command_line() {
    with(
        |spec, _, _| {
            spec.servers.get_mut("s").unwrap().env.insert("KEY".into(), "hunter3".into());
        },
        async |world| {
            let session = world.begin("a").await;
            let pid = world.said("a", &session, "pid", "").await;
            // The server's own line holds what its owner gave it; those of ours hold nothing.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let runner = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned();
            for file in ["cmdline", "environ"] {
                let text = std::fs::read(format!("/proc/{runner}/{file}")).unwrap();
                let text = String::from_utf8_lossy(&text).into_owned();
                assert!(!text.contains("hunter"), "{file}: {text}");
            }
            let line = std::fs::read_to_string(format!("/proc/{runner}/cmdline")).unwrap();
            assert!(line.ends_with("runner\0"), "{line:?}");
        },
    );
}

/// In a process of its own, since what is forbidden stays so.
fn t_no_exec_the_front_executes_nothing() {
    let front = Command::new(world::me()).args(["front", "exec"]).output().unwrap();
    let said = String::from_utf8_lossy(&front.stderr);
    assert!(front.status.success(), "{said}");
    assert!(said.contains("refused: 1"), "{said}");
}

pub(crate) fn front_without_exec() {
    let place = tempfile::tempdir().unwrap();
    let spawned = spawn(&world::spec(place.path())).unwrap();
    let (go, wait) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        wait.recv().unwrap();
        Command::new("/bin/true").status().unwrap_err().raw_os_error()
    });
    assert!(Command::new("/bin/true").status().unwrap().success(), "before");
    assert_eq!(forbid_exec(), ExecForbidden::Holds);
    go.send(()).unwrap();
    assert_eq!(other.join().unwrap(), Some(1), "threads that were there before");
    let refused = Command::new("/bin/true").status().unwrap_err();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        // The runner still starts servers.
        let runner = Runner::start(spawned).await.unwrap();
        let mut channel = runner.channel("s", "a");
        channel.send(world::call("echo", "hello").to_string().into()).await.unwrap();
        let line = channel.recv().await.unwrap();
        assert!(String::from_utf8_lossy(&line).contains("hello"));
    });
    eprintln!("refused: {}", refused.raw_os_error().unwrap());
}

fn t_runner_servers_end_with_the_front() {
    let mut pids = Vec::new();
    plain(async |world| {
        for agent in ["a", "b"] {
            let session = world.begin(agent).await;
            let pid = world.said(agent, &session, "pid", "").await;
            assert!(lives(&pid));
            pids.push(pid);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for pid in pids {
            ended(&pid).await;
        }
    });
}

fn t_runner_idle_servers_end() {
    with(
        |spec, _, _| spec.idle_ms = 300,
        async |world| {
            let mut channel = world.runner.channel("s", "a");
            channel.send(world::call("pid", "").to_string().into()).await.unwrap();
            assert!(channel.recv().await.is_some());
            assert_eq!(channel.recv().await, None);
            assert_eq!(channel.closed(), Closed::Idle);
        },
    );
}

fn t_runner_their_number_is_limited() {
    with(
        |spec, _, _| spec.children = 2,
        async |world| {
            let one = world.begin("a").await;
            world.begin("b").await;
            let refused = world.send("c", None, &world::initialize()).await;
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
            assert_eq!(refused.json()["id"], "init");
            assert_eq!(world.said("a", &one, "echo", "still").await, "still");
        },
    );
}

fn t_runner_a_cut_ends_the_server_at_once() {
    plain(async |world| {
        let (cut, other) = (world.begin("a").await, world.begin("b").await);
        let pid = world.said("a", &cut, "pid", "").await;
        let hanging = world.call("a", &cut, "hang", "");
        let cutting = async {
            // The call is under way when a later one of the same session was answered.
            assert_eq!(world.said("a", &cut, "echo", "x").await, "x");
            assert_eq!(world.stdio.end("a"), 1);
        };
        let (answer, ()) = tokio::join!(hanging, cutting);
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.text);
        ended(&pid).await;
        assert_eq!(world.call("a", &cut, "echo", "x").await.status, StatusCode::NOT_FOUND);
        assert_eq!(world.said("b", &other, "echo", "y").await, "y");
        assert!(Path::new("/proc/self").exists());
    });
}
