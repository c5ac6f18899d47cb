//! From a machine's credentials to a tool call at the built-in server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use serde_json::Value;

use crate::world::{Server, at};

/// An MCP server that knows nothing of OAuth: it lists one tool, answers one call, and tells every head that came.
fn upstream() -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/there", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let mut heads = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).unwrap(), 0);
            }
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().unwrap_or_default().parse().unwrap_or(0));
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            heads.push(head);
            let asked: Value = serde_json::from_slice(&body).unwrap();
            let is_list = asked["method"] == "tools/list";
            let result = match is_list {
                true => {
                    serde_json::json!({ "tools": [{ "name": "anything", "inputSchema": { "type": "object" } }] })
                }
                false => serde_json::json!({ "content": [{ "type": "text", "text": "from upstream" }] }),
            };
            let body =
                serde_json::json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string();
            let reply = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).unwrap();
            if !is_list {
                return heads;
            }
        }
    });
    (url, answering)
}

#[test]
fn t_no_passthrough_the_callers_token_stops_here() {
    let place = tempfile::tempdir().unwrap();
    let (url, answering) = upstream();
    let server = Server::start(place.path(), &format!("guard {url} --listen 127.0.0.1:0"));
    let (head, _) = server.ask("POST /mcp HTTP/1.1", "");
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("scope=\"mcp:tools\""), "{head}");
    let token = token(&server, place.path(), "mcp:tools");
    let (head, body) = call(&server, &token, "anything", "{}");
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("from upstream"), "{head}\n{body}");
    let heads = answering.join().unwrap();
    for seen in &heads {
        assert!(seen.starts_with("POST /there HTTP/1.1"), "{seen}");
        assert!(!seen.to_lowercase().contains("authorization") && !seen.contains(&token), "{seen}");
    }
    let seen = heads.last().unwrap();
    assert!(seen.to_lowercase().contains("mcp-name: anything"), "{seen}");
}

#[test]
fn w17_the_upstream_is_told_who_calls_in_a_statement_and_believes_no_header_of_the_caller() {
    let place = tempfile::tempdir().unwrap();
    let (url, answering) = upstream();
    let file = place.path().join("portcullis.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[[resource]]\npath = \"/mcp\"\nupstream = \"{url}\"\nidentity = true\n"
    );
    std::fs::write(&file, text).unwrap();
    let data = place.path().join("data");
    let server = Server::start(&data, &format!("serve --config {}", file.display()));
    let token = token(&server, &data, "mcp:tools");
    let (head, body) = call(&server, &format!("{token}\r\nX-Portcullis-Identity: forged"), "anything", "{}");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}\n{body}");
    let claims = |head: &String| -> Value {
        let lower = head.to_lowercase();
        assert_eq!(lower.matches("x-portcullis-identity: ").count(), 1, "{head}");
        let at = lower.find("x-portcullis-identity: ").unwrap() + "x-portcullis-identity: ".len();
        let jwt = head[at..].split("\r\n").next().unwrap();
        let middle = jwt.split('.').nth(1).unwrap();
        serde_json::from_slice(&portcullis_wire::base64url::decode(middle).unwrap()).unwrap()
    };
    let told: Vec<Value> = answering.join().unwrap().iter().map(claims).collect();
    let issuer = format!("http://{}", server.address());
    assert_eq!(told[0]["sub"], issuer.as_str(), "the door asked for itself");
    let last = told.last().unwrap();
    assert!(last["agent"].as_str().unwrap().starts_with("agt_") && last["scope"] == "mcp:tools", "{last}");
    assert_eq!(last["iss"], issuer.as_str());
    assert_eq!(last["aud"], url.trim_end_matches("/there"));
}

/// A token for a new machine client with these scopes.
fn token(server: &Server, directory: &std::path::Path, scope: &str) -> String {
    let words = [
        "clients",
        "add",
        "--name",
        "ci",
        "--grant",
        "client_credentials",
        "--json",
        "--scope",
        scope,
        "--data-dir",
    ];
    let mut all: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    all.push(directory.into());
    let row = crate::world::run_with(all, "").row();
    let (id, secret) = (row["client_id"].as_str().unwrap(), row["client_secret"].as_str().unwrap());
    let basic = base64(&format!("{id}:{secret}"));
    let head = format!(
        "POST /token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic {basic}"
    );
    let (answer, body) = server.ask(&head, "grant_type=client_credentials");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer} {body}");
    serde_json::from_str::<Value>(&body).unwrap()["access_token"].as_str().unwrap().to_owned()
}

/// Base64 with padding (RFC 4648 §4), for the one header that wants it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let number = three.iter().fold(0u32, |sum, &b| sum << 8 | u32::from(b)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

fn call(server: &Server, token: &str, tool: &str, arguments: &str) -> (String, String) {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Authorization: Bearer {token}\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}"
    );
    let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{meta}}}}}"#
    );
    server.ask(&head, &body)
}

#[test]
fn r09_a_further_scope_opens_what_deletes() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::guard(place.path());
    let reader = token(&server, place.path(), "notes:read");
    let (head, body) = call(&server, &reader, "echo", r#"{"text":"hello there"}"#);
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("hello there"), "{head}\n{body}");
    let (head, body) = call(&server, &reader, "read_note", r#"{"name":"welcome"}"#);
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("notes:read"), "{head}\n{body}");
    let (head, body) = call(&server, &reader, "delete_note", r#"{"name":"try"}"#);
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}\n{body}");
    assert!(head.contains("insufficient_scope") && head.contains("notes:read notes:write"), "{head}");

    let writer = token(&server, place.path(), "notes:read notes:write");
    for (tool, arguments, expected) in [
        ("write_note", r#"{"name":"mine","text":"kept"}"#, "wrote mine"),
        ("read_note", r#"{"name":"mine"}"#, "kept"),
        ("list_notes", "{}", "mine"),
        ("delete_note", r#"{"name":"mine"}"#, "deleted mine"),
        ("delete_note", r#"{"name":"mine"}"#, "no note `mine`"),
    ] {
        let (head, body) = call(&server, &writer, tool, arguments);
        assert!(head.starts_with("HTTP/1.1 200 ") && body.contains(expected), "{tool}: {head}\n{body}");
    }
    let (_, body) = call(&server, &reader, "list_notes", "{}");
    assert!(body.contains("welcome") && !body.contains("mine"), "each has notes of its own: {body}");
}

#[test]
fn x01_a_machine_cut_off_is_refused_at_once_until_restored() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::guard(place.path());
    let token = token(&server, place.path(), "notes:read");
    assert!(call(&server, &token, "list_notes", "{}").0.starts_with("HTTP/1.1 200 "));
    let agent = at(place.path(), "agents list --json", "").row();
    let id = agent["id"].as_str().unwrap().to_owned();
    for member in [
        "id",
        "client_id",
        "client_name",
        "subject",
        "resource",
        "scopes",
        "created_at",
        "last_used_at",
        "state",
    ] {
        assert!(agent.get(member).is_some(), "{member}: {agent}");
    }
    assert_eq!(at(place.path(), &format!("agents revoke {id}"), "").code, 0);
    let (head, _) = call(&server, &token, "list_notes", "{}");
    assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("invalid_token"), "{head}");
    assert_eq!(at(place.path(), &format!("agents restore {id}"), "").code, 0);
    let (head, _) = call(&server, &token, "list_notes", "{}");
    assert!(head.starts_with("HTTP/1.1 401 "), "what was cut stays cut: {head}");
}
