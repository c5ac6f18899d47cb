//! A program over stdio behind the whole door, as a configuration says: rules, a tool that asks its person, a limit, groups,
//! and the trail of it all.

use std::path::Path;

use serde_json::{Value, json};

use crate::world::{Ended, Server, at, at as admin};

const PASSWORD: &str = "correct horse battery staple\n";

/// A small MCP server of the older wire, with three tools; one tells what of the machine it can see.
const PROGRAM: &str = r#"
import json, os, sys
def tool(name): return {"name": name, "inputSchema": {"type": "object"}}
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "t", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [tool("look"), tool("remove"), tool("say")]}
    elif method == "tools/call":
        arguments = message["params"].get("arguments", {})
        text = "done"
        if message["params"]["name"] == "look":
            try: text = "read " + open(arguments["path"], "rb").read(8).hex()
            except OSError as fault: text = "refused " + type(fault).__name__
            text += " env " + str(os.environ.get("SECRET_OF_THE_FRONT"))
        result = {"content": [{"type": "text", "text": text}]}
    elif "id" in message and method:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"#;

const RULES: &str = r#"
@id("never-say-never")
forbid (principal, action == Action::"call", resource == Tool::"say")
when { context.args has text && context.args.text == "never" };
"#;

fn configuration(place: &Path) -> String {
    let (program, rules) = (place.join("server.py"), place.join("rules.cedar"));
    std::fs::write(&program, PROGRAM).unwrap();
    std::fs::write(&rules, RULES).unwrap();
    format!(
        r#"
listen = "127.0.0.1:0"
[[resource]]
path = "/mcp"
command = ["/usr/bin/python3", {program:?}]
people = ["staff"]
policy = {rules:?}
[[resource.scope]]
name = "use"
default = true
tools = ["*"]
[[resource.tool]]
name = "remove"
confirm = "person"
[[limit]]
most = 4
window = "1h"
"#
    )
}

/// One session of one agent on the older wire.
struct Session<'a> {
    server: &'a Server,
    token: &'a str,
    id: String,
}

impl<'a> Session<'a> {
    fn open(server: &'a Server, token: &'a str) -> Self {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let mut session = Self { server, token, id: String::new() };
        let (head, body) = session.send("initialize", &params);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}\n{body}");
        let named = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("mcp-session-id").then(|| value.to_owned())
        });
        session.id = named.unwrap();
        session
    }

    fn send(&self, method: &str, params: &Value) -> (String, String) {
        let session = match self.id.is_empty() {
            true => String::new(),
            false => format!("\r\nMcp-Session-Id: {}\r\nMCP-Protocol-Version: 2025-11-25", self.id),
        };
        let head = format!(
            "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Authorization: Bearer {}{session}",
            self.token
        );
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        self.server.ask(&head, &body.to_string())
    }

    fn call(&self, tool: &str, arguments: &Value) -> (String, String) {
        self.send("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }
}

fn token(ended: &Ended) -> String {
    ended.row()["token"].as_str().unwrap().to_owned()
}

#[test]
fn the_whole_door_stands_before_a_program() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let file = place.path().join("portcullis.toml");
    std::fs::write(&file, configuration(place.path())).unwrap();
    let server = Server::start(&data, &format!("serve --config {}", file.display()));
    let at = |words: &str| at(&data, words, "");
    admin(&data, "users add ann --password-stdin --group staff", PASSWORD);
    admin(&data, "users add bob --password-stdin", PASSWORD);
    let closed = at("tokens create --for bob --name n --scope use");
    assert_eq!(closed.code, 1, "bob is in no group that may: {}", closed.err);
    let mine = token(&at("tokens create --for ann --name one --scope use --json"));
    let other = token(&at("tokens create --for ann --name two --scope use --json"));

    let session = Session::open(&server, &mine);
    let key = data.join("master.key");
    assert!(std::fs::read(&key).is_ok());
    let (_, body) = session.call("look", &json!({ "path": key.to_str() }));
    assert!(body.contains("refused PermissionError") && body.contains("env None"), "{body}");
    let (_, body) = session.call("say", &json!({ "text": "hello" }));
    assert!(body.contains("done"), "{body}");
    let (_, body) = session.call("say", &json!({ "text": "never" }));
    assert!(body.contains("Unknown tool: say"), "{body}");
    let (_, body) = session.call("remove", &json!({ "what": "it" }));
    assert!(body.contains("/approve?id=apr_") && body.contains("isError"), "{body}");
    let (_, body) = session.call("unheard_of", &json!({}));
    assert!(body.contains("Unknown tool: unheard_of"), "{body}");
    let (_, body) = session.call("say", &json!({ "text": "again" }));
    assert!(body.contains("done"), "{body}");
    let (head, body) = session.call("say", &json!({ "text": "once too often" }));
    assert!(head.starts_with("HTTP/1.1 429 ") && head.to_lowercase().contains("retry-after: "), "{head}");
    assert!(body.contains("4 calls an hour for each agent"), "{body}");
    let another = Session::open(&server, &other);
    assert!(another.call("say", &json!({ "text": "hello" })).1.contains("done"), "others have their own");

    let rows = at("audit --event tool_called --json").rows();
    let told: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["tool"].as_str().unwrap(), row["decision"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("look", "allowed"),
            ("say", "allowed"),
            ("say", "hidden"),
            ("remove", "awaits_approval"),
            ("unheard_of", "hidden"),
            ("say", "allowed"),
            ("say", "limited"),
            ("say", "allowed"),
        ]
    );
    assert_eq!(rows[2]["rule"], "policy `never-say-never`");
    assert!(rows.iter().all(|row| row["person"] == "ann" && row["values"].is_null()), "{rows:?}");
    assert_eq!(at("audit verify --json").row()["whole"], true);

    let agent = rows[0]["agent"].as_str().unwrap().to_owned();
    assert_eq!(at(&format!("agents revoke {agent}")).code, 0);
    assert!(session.call("say", &json!({})).0.starts_with("HTTP/1.1 401 "));
    assert!(another.call("say", &json!({ "text": "still" })).1.contains("done"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn t_runner_no_program_reads_the_files_that_the_configuration_names_for_secrets() {
    let place = tempfile::tempdir().unwrap();
    let (data, file) = (place.path().join("data"), place.path().join("portcullis.toml"));
    let at_place = |name: &str| place.path().join(name);
    let (program, ours, theirs) =
        (at_place("server.py"), at_place("acme.secret"), at_place("upstream.secret"));
    std::fs::write(&program, PROGRAM).unwrap();
    for secret in [&ours, &theirs] {
        std::fs::write(secret, "secret").unwrap();
    }
    let written = format!(
        r#"
listen = "127.0.0.1:0"
[[resource]]
path = "/mcp"
command = ["/usr/bin/python3", {program:?}]
[[resource.scope]]
name = "use"
default = true
tools = ["*"]
[[resource]]
path = "/other"
upstream = "http://127.0.0.1:1/mcp"
credential = {{ value_file = {theirs:?} }}
[[provider]]
name = "acme"
issuer = "https://login.acme.invalid"
client_id = "id"
client_secret_file = {ours:?}
"#
    );
    std::fs::write(&file, written).unwrap();
    let server = Server::start(&data, &format!("serve --config {}", file.display()));
    admin(&data, "users add ann --password-stdin", PASSWORD);
    let create = format!(
        "tokens create --for ann --name n --scope use --resource http://{}/mcp --json",
        server.address()
    );
    let mine = token(&at(&data, &create, ""));
    let session = Session::open(&server, &mine);
    for (path, told) in
        [(&program, "read "), (&ours, "refused PermissionError"), (&theirs, "refused PermissionError")]
    {
        let (_, body) = session.call("look", &json!({ "path": path.to_str() }));
        assert!(body.contains(told), "{}: {body}", path.display());
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn t_tool_drift_a_tool_that_appears_later_is_held_until_it_is_accepted() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let program = place.path().join("server.py");
    std::fs::write(&program, PROGRAM).unwrap();
    let command = format!("/usr/bin/python3 {}", program.display());
    let server = Server::start_program(&data, "guard --listen 127.0.0.1:0", &command);
    let listen = format!("guard --listen {}", server.address());
    admin(&data, "users add ann --password-stdin", PASSWORD);
    let mine = token(&at(&data, "tokens create --for ann --name n --scope mcp:tools --json", ""));
    assert!(Session::open(&server, &mine).call("say", &json!({})).1.contains("done"));
    assert_eq!(server.stop(), 0);

    std::fs::write(&program, PROGRAM.replace(r#"tool("say")]"#, r#"tool("say"), tool("late")]"#)).unwrap();
    let server = Server::start_program(&data, &listen, &command);
    let session = Session::open(&server, &mine);
    let (_, listed) = session.send("tools/list", &json!({}));
    assert!(listed.contains("say") && !listed.contains("late"), "{listed}");
    assert!(session.call("late", &json!({})).1.contains("Unknown tool: late"));
    let rows = at(&data, "tools list --json", "").rows();
    let late = rows.iter().find(|row| row["name"] == "late").unwrap();
    assert_eq!(late["state"], "new");
    let seen = late["digest"].as_str().unwrap();
    let stale = at(&data, &format!("tools accept late --digest {}", "0".repeat(seen.len())), "");
    assert_eq!(stale.code, 1, "another definition was looked at: {}", stale.err);
    assert_eq!(at(&data, &format!("tools accept late --digest {seen}"), "").code, 0);
    assert!(session.call("late", &json!({})).1.contains("done"));
    assert!(session.send("tools/list", &json!({})).1.contains("late"));
}
