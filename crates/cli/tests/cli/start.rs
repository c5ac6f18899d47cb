//! What starts, what refuses to, and what it says.

use crate::world::{Server, at, run};

#[test]
fn a_guard_says_where_it_is_and_how_to_connect() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::guard(place.path());
    let issuer = format!("http://{}", server.address());
    assert_eq!(server.said["issuer"], issuer);
    assert_eq!(server.said["resources"][0]["url"], format!("{issuer}/mcp"));
    assert!(server.said["setup_link"].as_str().unwrap().starts_with(&issuer));
    let clients: Vec<_> =
        server.said["resources"][0]["paste"].as_array().unwrap().iter().map(|line| &line["client"]).collect();
    assert!(clients.contains(&&"Claude Code".into()), "{clients:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn r01_the_guarded_path_challenges_with_and_without_a_slash() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::guard(place.path());
    for head in ["GET /mcp HTTP/1.1", "POST /mcp HTTP/1.1", "POST /mcp/ HTTP/1.1", "DELETE /mcp HTTP/1.1"] {
        let (answer, _) = server.ask(head, "");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{head}: {answer}");
        let url = format!(
            "resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp\"",
            server.address()
        );
        assert!(answer.contains(&url), "{head}: {answer}");
        assert!(answer.contains("scope=\"notes:read\""), "{head}: {answer}");
    }
    let (found, body) = server.ask("GET /.well-known/oauth-protected-resource HTTP/1.1", "");
    assert!(found.starts_with("HTTP/1.1 200 ") && body.contains(&format!("http://{}/mcp", server.address())));
    let (none, _) = server.ask("GET /mcp/other HTTP/1.1", "");
    assert!(none.starts_with("HTTP/1.1 404 "), "{none}");
}

#[test]
fn a_second_server_on_the_same_directory_refuses_to_start() {
    let place = tempfile::tempdir().unwrap();
    let first = Server::guard(place.path());
    let second = at(place.path(), "guard --listen 127.0.0.1:0", "");
    assert_eq!(second.code, 1);
    assert!(
        second.err.contains("in use by a running server") && second.err.contains("\n\nhint: "),
        "{}",
        second.err
    );
    assert_eq!(first.stop(), 0);
    assert_eq!(Server::guard(place.path()).stop(), 0);
}

#[test]
fn what_must_not_start_is_refused_with_the_reason() {
    let place = tempfile::tempdir().unwrap();
    for (name, words, expected) in [
        (
            "plain http elsewhere",
            "guard --issuer http://notes.example.com",
            "plain http is allowed on loopback",
        ),
        ("plain http to everyone", "guard --listen 0.0.0.0:0", "plain http is allowed on loopback"),
        ("no URL", "guard --issuer notes.example.com", "not an absolute http or https URL"),
        ("a query", "guard --issuer https://notes.example.com/?a=b", "queries"),
        (
            "test switch in public",
            "guard --issuer https://notes.example.com --insecure-cimd-loopback",
            "`--insecure-cimd-loopback`: it is for tests",
        ),
        (
            "test authority in public",
            "guard --issuer https://notes.example.com --insecure-extra-ca ca.pem",
            "`--insecure-extra-ca`: it is for tests",
        ),
        ("half a certificate", "guard --tls-cert cert.pem", "needs its key"),
        ("certificate and http", "guard --tls-cert c --tls-key k --issuer http://127.0.0.1:1", "plain http"),
        ("upstream", "guard ftp://127.0.0.1/mcp", "no http or https URL"),
        ("upstream without scheme", "guard localhost:3000", "no http or https URL"),
        ("proxy", "guard --trusted-proxy example", "no block of addresses"),
        ("no such file", "guard --listen 127.0.0.1:0 --tls-cert /none --tls-key /none", "`/none`"),
        ("a word too many", "guard a b", "unexpected argument"),
    ] {
        let ended = at(place.path(), words, "");
        assert_eq!(ended.code, 1, "{name}: {}", ended.err);
        assert!(ended.err.contains(expected), "{name}: {}", ended.err);
        assert_eq!(ended.out, "", "{name}");
    }
    assert_eq!(
        std::fs::read_dir(place.path())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name() == "master.key" })
            .count(),
        0,
        "what refuses to start makes no keys"
    );
}

#[test]
fn test_switches_are_said_loudly() {
    let place = tempfile::tempdir().unwrap();
    let mut words = "guard --listen 127.0.0.1:0 --insecure-cimd-loopback --insecure-extra-ca".to_owned();
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = place.path().join("ca.pem");
    std::fs::write(&file, ca.cert.pem()).unwrap();
    words.push_str(&format!(" {}", file.display()));
    let server = Server::start(&place.path().join("data"), &words);
    let err = server.said_to_people();
    assert_eq!(err.matches("INSECURE").count(), 2, "{err}");
}

#[test]
fn help_and_version_are_no_failures() {
    for (words, code) in [("--help", 0), ("--version", 0), ("users --help", 0), ("nonsense", 1), ("users", 1)]
    {
        assert_eq!(run(words).code, code, "{words}");
    }
    let completions = run("completions bash");
    assert_eq!((completions.code, completions.out.contains("setup-link")), (0, true));
}
