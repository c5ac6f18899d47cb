//! The configuration file: checked, explained, served.

use std::path::PathBuf;

use crate::world::{Server, run};

const TWO: &str = r#"
listen = "127.0.0.1:0"

[lifetimes]
access_token = "5m"

[[resource]]
name = "Notes"
path = "/mcp"
upstream = "builtin"

[[resource]]
name = "Mail"
path = "/mail"
upstream = "builtin"

[[resource.scope]]
name = "mail:read"
title = "Read your mail"
effect = "reads"
default = true

[[resource.scope]]
name = "mail:delete"
title = "Delete mail"
effect = "deletes"
tools = ["delete_note"]
"#;

pub(crate) fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("portcullis.toml");
    std::fs::write(&file, text).unwrap();
    (place, file)
}

/// Line, key and a part of what is said, of each fault.
pub(crate) fn check(text: &str, expected: &[(u64, &str, &str)]) {
    let (_place, file) = written(text);
    let ended = run(&format!("config check {} --json", file.display()));
    let rows = ended.rows();
    let told: Vec<_> =
        rows.iter().map(|row| (row["line"].as_u64().unwrap(), row["key"].as_str().unwrap())).collect();
    let wanted: Vec<_> = expected.iter().map(|(line, key, _)| (*line, *key)).collect();
    assert_eq!(told, wanted, "{}", ended.out);
    for (row, (_, key, part)) in rows.iter().zip(expected) {
        let text =
            format!("{} {}", row["message"].as_str().unwrap(), row["hint"].as_str().unwrap_or_default());
        assert!(text.contains(part), "{key}: {text}");
    }
    assert_eq!(ended.code, if expected.is_empty() { 0 } else { 3 }, "{}", ended.err);
}

#[test]
fn a_file_in_order_has_no_faults() {
    check(TWO, &[]);
}

#[test]
fn all_faults_are_told_at_once_with_line_and_nearest_name() {
    check(
        r#"isuer = "https://h.example"
listen = 8414
data-dir = "/var/lib/x"

[lifetimes]
code = "1 minute"
access_tokens = "5m"

[registration]
burst = -1
allowed = "no"

[[resource]]
path = "mcp"
upstream = "localhost"

[[resource.scope]]
name = "a b"
effect = "writes"
default = true
"#,
        &[
            (1, "isuer", "`issuer`"),
            (2, "listen", "127.0.0.1:8414"),
            (3, "data-dir", "`data_dir`"),
            (6, "lifetimes.code", "10m"),
            (7, "lifetimes.access_tokens", "`lifetimes.access_token`"),
            (10, "registration.burst", "whole number"),
            (11, "registration.allowed", "true or false"),
            (14, "resource.path", "\"/mcp\""),
            (15, "upstream", "no http or https URL"),
            (18, "resource.scope.name", "`a b`"),
        ],
    );
}

#[test]
fn what_is_well_formed_and_makes_no_sense_is_told_too() {
    for (name, text, expected) in [
        ("nothing", "", &[(0, "resource", "nothing to guard")][..]),
        ("broken", "listen = \n", &[(1, "", "")][..]),
        (
            "public and plain",
            "issuer = \"http://h.example\"\n[[resource]]\npath = \"/mcp\"",
            &[(1, "issuer", "use https")][..],
        ),
        (
            "own path",
            "[[resource]]\npath = \"/token\"\nupstream = \"builtin\"",
            &[(2, "resource.path", "authorization server's own")][..],
        ),
        (
            "same twice",
            "[[resource]]\npath = \"/mcp\"\n[[resource]]\npath = \"/mcp/\"",
            &[(1, "resource", "differ only in what is not compared")][..],
        ),
        (
            "no default scope",
            "[[resource]]\npath = \"/mcp\"\n[[resource.scope]]\nname = \"a\"",
            &[(1, "resource.scope.default", "default = true")][..],
        ),
        (
            "too long",
            "[lifetimes]\ncode = \"1h\"\n[[resource]]\npath = \"/mcp\"",
            &[(2, "lifetimes.code", "not between 1s and 10m")][..],
        ),
        (
            "half a certificate",
            "[tls]\ncert = \"c\"\n[[resource]]\npath = \"/mcp\"",
            &[(2, "tls.cert", "needs its key")][..],
        ),
        (
            "a scheme for everything",
            "redirect_schemes = [\"cursor\",\n \"javascript\"]\n[[resource]]\npath = \"/mcp\"",
            &[(2, "redirect_schemes", "`javascript`")][..],
        ),
        (
            "elsewhere with an upstream",
            "[[resource]]\nuri = \"https://other.example/mcp\"\nupstream = \"builtin\"",
            &[(2, "resource.uri", "not on the issuer")][..],
        ),
        (
            "a proxy that is none",
            "trusted_proxies = [\"10.0.0.0/8\", \"nginx\"]\n[[resource]]\npath = \"/mcp\"",
            &[(1, "trusted_proxies", "`nginx`")][..],
        ),
    ] {
        let _ = name;
        check(text, expected);
    }
}

#[test]
fn for_people_a_fault_is_a_line_and_a_hint() {
    let (_place, file) = written("isuer = \"x\"\n[[resource]]\npath = \"/mcp\"\n");
    let ended = run(&format!("config check {}", file.display()));
    let expected =
        format!("{}:1: `isuer`: there is no such setting\n  hint: did you mean `issuer`?\n", file.display());
    assert_eq!((ended.code, ended.out), (3, expected));
    let served = run(&format!("serve --config {}", file.display()));
    assert_eq!(served.code, 1);
    assert!(served.err.ends_with("hint: did you mean `issuer`?\n"), "{}", served.err);
    assert_eq!(run("config check /none.toml").code, 1);
}

#[test]
fn settings_are_explained() {
    let all = run("config explain --json").rows();
    assert!(all.len() > 20 && all.iter().all(|row| row["meaning"].as_str().unwrap().ends_with('.')));
    let one = run("config explain lifetimes.access_token");
    assert_eq!(one.code, 0);
    assert!(one.out.contains("default: 10m"), "{}", one.out);
    for (given, near) in [("access_token", "`lifetimes.access_token`"), ("isuer", "`issuer`")] {
        let ended = run(&format!("config explain {given}"));
        assert_eq!((ended.code, ended.err.contains(near)), (1, true), "{}", ended.err);
    }
}

#[test]
fn t_aud_several_resources_have_documents_of_their_own() {
    let (place, file) = written(TWO);
    let server = Server::start(&place.path().join("data"), &format!("serve --config {}", file.display()));
    for (path, scope) in [("/mcp", "notes:read"), ("/mail", "mail:read")] {
        let (head, _) = server.ask(&format!("POST {path} HTTP/1.1"), "");
        assert!(head.starts_with("HTTP/1.1 401 ") && head.contains(&format!("scope=\"{scope}\"")), "{head}");
        let (head, body) =
            server.ask(&format!("GET /.well-known/oauth-protected-resource{path} HTTP/1.1"), "");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(body.contains(&format!("http://{}{path}", server.address())), "{body}");
    }
    assert_eq!(server.stop(), 0);
}

/// Every setting that is explained is read, and every one that is read is explained.
#[test]
fn the_explanations_are_those_of_the_file() {
    let explained: Vec<String> = run("config explain --json")
        .rows()
        .iter()
        .map(|row| row["key"].as_str().unwrap().to_owned())
        .collect();
    let file = |key: &str| {
        // A date is the right value of nothing.
        let parts: Vec<&str> = key.split('.').collect();
        match parts[..] {
            [name] => format!("{name} = 1979-05-27"),
            ["resource", name] => format!("[[resource]]\n{name} = 1979-05-27"),
            ["resource", table @ ("scope" | "tool"), name] => {
                format!("[[resource]]\n[[resource.{table}]]\n{name} = 1979-05-27")
            }
            ["resource", table, name] => format!("[[resource]]\n[resource.{table}]\n{name} = 1979-05-27"),
            [table @ ("limit" | "provider"), name] => format!("[[{table}]]\n{name} = 1979-05-27"),
            [table, name] => format!("[{table}]\n{name} = 1979-05-27"),
            _ => unreachable!("{key}"),
        }
    };
    let faults = |text: &str| {
        let (_place, file) = written(text);
        run(&format!("config check {} --json", file.display())).rows()
    };
    for key in &explained {
        let rows = faults(&file(key));
        let fault = rows.iter().find(|row| row["key"] == *key).unwrap();
        assert!(fault["message"].as_str().unwrap().starts_with("expected "), "{key}: {fault}");
    }
    let tables = [
        "",
        "tls.",
        "lifetimes.",
        "registration.",
        "sign_in.",
        "audit.",
        "stdio.",
        "limit.",
        "provider.",
        "resource.",
        "resource.scope.",
        "resource.tool.",
        "resource.credential.",
    ];
    for table in tables {
        let key = format!("{table}qqqqqqqqqqqq");
        let rows = faults(&file(&key));
        let fault = rows.iter().find(|row| row["key"] == key).unwrap();
        let names = fault["hint"].as_str().unwrap().strip_prefix("here can stand: ").unwrap();
        for name in names.split(", ").map(|name| format!("{table}{name}")) {
            let known = explained.iter().any(|key| *key == name || key.starts_with(&format!("{name}.")));
            assert!(known, "{name} is not explained");
        }
    }
}
