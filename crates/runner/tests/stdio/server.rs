//! An MCP server over stdio that does what it is asked, also what no server should.

use std::io::{BufRead as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde_json::{Value, json};

fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").unwrap();
    out.flush().unwrap();
}

/// One end of a pair that is asked for under another name than datagrams, and is of datagrams all the same.
fn raw_pair() -> std::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(AddressFamily::UNIX, SocketType::RAW, flags, None)?.0)
}

pub(crate) fn serve() {
    eprintln!("a server begins");
    let mut waiting: Option<Value> = None;
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let message: Value = serde_json::from_str(&line).expect("the bridge sends lines of JSON");
        let id = message["id"].clone();
        match message["method"].as_str() {
            None if message["id"] == "q1" => {
                let id = waiting.take().unwrap();
                say(&json!({"jsonrpc":"2.0","id":id,"result":{"text":message["result"]["said"]}}));
            }
            None => {}
            Some("initialize") => say(&json!({"jsonrpc":"2.0","id":id,"result":{
                "protocolVersion": message["params"]["protocolVersion"], "capabilities":{}, "serverInfo":{"name":"s","version":"1"}}})),
            Some("tools/call") => call(&message, &id, &mut waiting),
            Some(_) if id.is_null() => {}
            Some(_) => {
                say(&json!({"jsonrpc":"2.0","id":id,"error":{"code":-32601,"message":"no such method"}}))
            }
        }
    }
}

fn call(message: &Value, id: &Value, waiting: &mut Option<Value>) {
    let params = &message["params"];
    let text = params["arguments"]["text"].as_str().unwrap_or_default();
    let outcome =
        |result: std::io::Result<()>| result.map_or_else(|error| error.to_string(), |()| "done".into());
    let said = match params["name"].as_str().unwrap() {
        "echo" => text.to_owned(),
        "pid" => std::process::id().to_string(),
        "env" => std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect(),
        "read" => outcome(std::fs::read(text).map(drop)),
        "write" => outcome(std::fs::write(text, "x")),
        "home" => outcome(std::fs::write(std::env::var("HOME").unwrap() + "/x", "x")),
        "tmp" => outcome(std::fs::write(std::env::var("TMPDIR").unwrap() + "/x", "x")),
        "connect" => outcome(UnixStream::connect(text).map(drop)),
        "pair" => outcome(UnixStream::pair().map(drop)),
        "pointed" => {
            outcome(UnixDatagram::pair().and_then(|(end, _)| end.send_to(b"READY=1", text)).map(drop))
        }
        "raw" => {
            outcome(raw_pair().and_then(|end| UnixDatagram::from(end).send_to(b"READY=1", text)).map(drop))
        }
        "run" => outcome(std::process::Command::new(text).status().map(drop)),
        "die" => std::process::exit(3),
        "hang" => return,
        "long" => {
            let part = [b'x'; 64 * 1024];
            let mut out = std::io::stdout().lock();
            while out.write_all(&part).is_ok() {}
            return;
        }
        "flood" => loop {
            let note = json!({"jsonrpc":"2.0","method":"notifications/progress","params":{
                "progressToken":params["_meta"]["progressToken"],"progress":1,"pad":"x".repeat(4096)}});
            if writeln!(std::io::stdout(), "{note}").is_err() {
                return;
            }
        },
        "garbage" => {
            println!(
                "Server listening!\n{{\"jsonrpc\":\n\u{1}\n[]\n{{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{{}}}}"
            );
            "after".to_owned()
        }
        "progress" => {
            say(&json!({"jsonrpc":"2.0","method":"notifications/progress","params":{
                "progressToken":params["_meta"]["progressToken"],"progress":1}}));
            "done".to_owned()
        }
        "ask" => {
            *waiting = Some(id.clone());
            say(&json!({"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"?"}}));
            return;
        }
        other => panic!("no tool {other}"),
    };
    say(&json!({"jsonrpc":"2.0","id":id,"result":{"text":said}}));
}
