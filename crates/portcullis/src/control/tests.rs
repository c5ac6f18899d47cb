use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use portcullis_guard::BoxFuture;
use portcullis_server::admin::{AdminError, Command};
use serde_json::{Value, json};

use super::*;
use crate::entropy::SystemEntropy;
use crate::home::Home;

/// Answers every list with two rows, and refuses everything else.
struct Two;

impl Administer for Two {
    fn administer(&self, command: Command) -> BoxFuture<'_, Result<Vec<Value>, AdminError>> {
        Box::pin(std::future::ready(match command {
            Command::UserList => Ok(vec![json!({"name": "a"}), json!({"name": "b\nc"})]),
            Command::KeyRotate => Err(AdminError::Unavailable),
            _ => Err(AdminError::Invalid("there is no such thing".to_owned())),
        }))
    }
}

fn serving(directory: &std::path::Path) -> Home {
    let home = Home::open(directory).unwrap();
    let key = home.control_key(&SystemEntropy).unwrap();
    tokio::spawn(Control::open(&home, key).unwrap().serve(Arc::new(Two)));
    home
}

/// Sends raw bytes and returns the first line that comes back.
async fn raw(home: &Home, bytes: Vec<u8>) -> String {
    let socket = home.socket();
    let talk = move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        // A server that has heard enough closes, and the rest cannot be written.
        let _ = stream.write_all(&bytes);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).map(|_| line).unwrap_or_default()
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn commands_are_answered_row_by_row() {
    let place = tempfile::tempdir().unwrap();
    let home = serving(place.path());
    assert_eq!(std::fs::metadata(home.socket()).unwrap().mode() & 0o777, 0o600);
    let rows = administer(place.path(), &Command::UserList).await.unwrap();
    assert_eq!(rows, [json!({"name": "a"}), json!({"name": "b\nc"})]);
    for (command, expected) in
        [(Command::KeyRotate, FaultKind::Unavailable), (Command::KeyList, FaultKind::Refused)]
    {
        match administer(place.path(), &command).await {
            Err(ControlError::Fault { kind, .. }) => assert_eq!(kind, expected),
            other => unreachable!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn t_control_socket_takes_no_command_without_the_key() {
    let place = tempfile::tempdir().unwrap();
    let home = serving(place.path());
    for (name, line) in [
        ("no key", r#"{"command":{"command":"user-list"}}"#.to_owned()),
        ("empty key", r#"{"key":"","command":{"command":"user-list"}}"#.to_owned()),
        ("wrong key", format!(r#"{{"key":"{}","command":{{"command":"user-list"}}}}"#, "A".repeat(43))),
        ("not JSON", "hello".to_owned()),
        ("unknown command", r#"{"key":"","command":{"command":"open-sesame"}}"#.to_owned()),
        ("too long", "x".repeat(COMMAND_LINE + 1)),
    ] {
        let answer = raw(&home, format!("{line}\n").into_bytes()).await;
        assert!(!answer.contains("row") && !answer.contains("done"), "{name}: {answer}");
    }
    assert_eq!(administer(place.path(), &Command::UserList).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_reached_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("d".repeat(150));
    let home = serving(&directory);
    assert_eq!(administer(&directory, &Command::UserList).await.unwrap().len(), 2);
    drop(home);
}

#[tokio::test]
async fn a_socket_left_by_a_crash_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(place.path().join("control.sock")).unwrap());
    let _home = serving(place.path());
    assert_eq!(administer(place.path(), &Command::UserList).await.unwrap().len(), 2);
}
