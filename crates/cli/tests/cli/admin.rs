//! The commands that administer: at rest, and against the running server.

use std::path::Path;

use serde_json::Value;

use crate::world::{Server, at};

const PASSWORD: &str = "correct horse battery staple\n";

/// The same errands, whoever carries them out.
fn errands(directory: &Path, who: &str) {
    let added = at(directory, &format!("users add {who} --password-stdin --admin --json"), PASSWORD);
    assert_eq!(added.row()["name"], who, "{}", added.err);
    let again = at(directory, &format!("users add {who} --password-stdin"), PASSWORD);
    assert_eq!((again.code, again.out.as_str()), (1, ""), "{}", again.err);
    let names: Vec<Value> = at(directory, "users list --json", "").rows();
    assert!(names.iter().any(|row| row["name"] == who && row["admin"] == true), "{names:?}");
    for (words, enabled) in [("disable", false), ("enable", true)] {
        assert_eq!(at(directory, &format!("users {words} {who}"), "").code, 0);
        let rows = at(directory, "users list --json", "").rows();
        assert!(rows.iter().any(|row| row["name"] == who && row["enabled"] == enabled), "{words}: {rows:?}");
    }
    assert_eq!(at(directory, &format!("users passwd {who} --password-stdin"), PASSWORD).code, 0);

    let client = at(
        directory,
        &format!("clients add --name {who} --grant client_credentials --scope notes:read --json"),
        "",
    );
    let row = client.row();
    let (id, secret) = (row["client_id"].as_str().unwrap(), row["client_secret"].as_str().unwrap());
    let listed = at(directory, "clients list --json", "");
    assert!(listed.rows().iter().any(|row| row["client_id"] == id), "{}", listed.out);
    assert!(!listed.out.contains(secret), "a secret is printed once");
    assert_eq!(at(directory, &format!("clients remove {id}"), "").code, 0);
    assert!(!at(directory, "clients list --json", "").out.contains(id));

    let before = at(directory, "keys list --json", "").rows();
    let rotated = at(directory, "keys rotate", "");
    let after = at(directory, "keys list --json", "").rows();
    let active = |rows: &[Value]| rows.iter().find(|row| row["state"] == "active").unwrap()["kid"].clone();
    if before.len() == 2 {
        assert_eq!(rotated.code, 0, "{}", rotated.err);
        assert_ne!(active(&before), active(&after));
    } else {
        // The next key came with the rotation just before: no verifier need have seen it yet.
        assert_eq!(rotated.code, 1);
        assert!(rotated.err.contains("rotate after"), "{}", rotated.err);
        assert_eq!(before, after);
    }
    assert_eq!(at(directory, "agents list --json", "").rows(), Vec::<Value>::new());
    for words in [
        "agents revoke 1",
        "agents revoke nonsense",
        "agents restore 1",
        "clients remove none",
        "users remove nobody",
    ] {
        let refused = at(directory, words, "");
        assert_eq!((refused.code, refused.err.starts_with("error: ")), (1, true), "{words}: {}", refused.err);
    }
    assert_eq!(at(directory, &format!("users remove {who}"), "").code, 0);
}

#[test]
fn commands_work_at_rest() {
    let place = tempfile::tempdir().unwrap();
    errands(place.path(), "alice");
}

#[test]
fn commands_work_against_the_running_server() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::guard(place.path());
    errands(place.path(), "bob");
    assert_eq!(server.stop(), 0);
    errands(place.path(), "carol");
}

#[test]
fn what_one_did_the_other_sees() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(at(place.path(), "users add alice --password-stdin", PASSWORD).code, 0);
    let server = Server::guard(place.path());
    assert_eq!(server.said["setup_link"], Value::Null, "there is an account");
    assert_eq!(at(place.path(), "users list --json", "").row()["name"], "alice");
    assert_eq!(at(place.path(), "users add bob --password-stdin", PASSWORD).code, 0);
    server.stop();
    assert_eq!(at(place.path(), "users list --json", "").rows().len(), 2);
}

#[test]
fn t_setup_link_once_there_are_accounts_names_whose() {
    let place = tempfile::tempdir().unwrap();
    let first = at(place.path(), "setup-link", "");
    assert!(first.out.starts_with("http://127.0.0.1:8414/setup"), "{}", first.out);
    assert_eq!(first.out.lines().count(), 1, "a link and nothing else, for scripts");
    assert_eq!(at(place.path(), "setup-link --reset alice", "").code, 1);
    assert_eq!(at(place.path(), "users add alice --password-stdin", PASSWORD).code, 0);
    let refused = at(place.path(), "setup-link", "");
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(refused.err.contains("--reset"), "{}", refused.err);
    let reset = at(place.path(), "setup-link --reset alice --json", "").row();
    assert!(reset["url"].as_str().unwrap().starts_with("http://127.0.0.1:8414/"));
    assert_eq!(at(place.path(), "setup-link --reset bob", "").code, 1);
}

#[test]
fn the_link_of_a_stopped_server_names_its_issuer() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(place.path(), "guard --listen 127.0.0.1:0 --issuer https://notes.example.com");
    server.stop();
    let link = at(place.path(), "setup-link", "");
    assert!(link.out.starts_with("https://notes.example.com/setup"), "{}{}", link.out, link.err);
}

#[test]
fn passwords_come_from_standard_input_alone() {
    let place = tempfile::tempdir().unwrap();
    let named = at(place.path(), "users add alice", PASSWORD);
    assert_eq!((named.code, named.err.contains("--password-stdin")), (1, true), "{}", named.err);
    let given = at(place.path(), "users add alice --password secret", "");
    assert_eq!(given.code, 1, "there is no such argument");
    for (name, input) in [("empty", ""), ("short", "short\n"), ("endless", &"x".repeat(10_000))] {
        let refused = at(place.path(), "users add alice --password-stdin", input);
        assert_eq!(refused.code, 1, "{name}: {}", refused.err);
        assert!(input.is_empty() || !refused.err.contains(input.trim()), "{name}: it is not repeated");
    }
}

#[test]
fn t_secret_files_of_a_loose_directory_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    assert_eq!(at(place.path(), "users list", "").code, 0);
    let key = place.path().join("master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = at(place.path(), "users list", "");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("hint: chmod 600 "), "{}", refused.err);
}

#[test]
fn commands_at_rest_wait_for_each_other() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let add = |n: usize| at(directory, &format!("users add user{n} --password-stdin"), PASSWORD).code;
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|n| scope.spawn(move || add(n))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(codes, [0; 4]);
    assert_eq!(at(place.path(), "users list --json", "").rows().len(), 4);
}
