//! An MCP client on the Rust SDK: `rmcp-client URL CALLBACK NAME [newest]`.
//!
//! It speaks in lines of JSON on standard output and does what lines of JSON on standard input ask; the other side is
//! `../lines.mjs`. `authorize` and `elicit` ask for the person and wait for an answer.

mod session;

use std::error::Error;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::sync::Mutex;

/// What may go wrong, in words.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The other side of the pipe.
#[derive(Clone)]
pub(crate) struct Talk {
    lines: Arc<Mutex<Lines<BufReader<Stdin>>>>,
}

impl Talk {
    fn open() -> Self {
        Self { lines: Arc::new(Mutex::new(BufReader::new(tokio::io::stdin()).lines())) }
    }

    /// Says one thing.
    pub(crate) fn say(&self, what: &Value) {
        println!("{what}");
    }

    /// Waits for one line.
    pub(crate) async fn hear(&self) -> Outcome<Value> {
        let line = self.lines.lock().await.next_line().await?.ok_or("the other side went away")?;
        Ok(serde_json::from_str(&line)?)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, callback, name, rest @ ..] = words.as_slice() else {
        return Err("usage: rmcp-client URL CALLBACK NAME [newest]".into());
    };
    let talk = Talk::open();
    let newest = rest.iter().any(|word| word == "newest");
    let session = session::Session::open(url, callback, name, newest, &talk).await?;
    talk.say(&json!({ "kind": "ready", "protocol": session.protocol() }));
    loop {
        let wish = talk.hear().await?;
        let told = match wish["do"].as_str() {
            Some("tools") => session.tools().await,
            Some("call") => session.call(&wish).await,
            Some("refresh") => session.refresh().await,
            _ => return Ok(()),
        };
        talk.say(&told.unwrap_or_else(|why| json!({ "kind": "failed", "message": why.to_string() })));
    }
}
