//! A front with one server behind it, in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis_runner::{BridgeBody, Caller, Runner, Server, Spec, Stdio, StdioSettings, spawn};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower_service::Service as _;

/// Long enough for a loaded machine, short enough to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) place: TempDir,
    pub(crate) runner: Runner,
    pub(crate) stdio: Stdio,
}

/// Runs a test's body, with a runtime and a bound on its time.
pub(crate) fn with(change: impl FnOnce(&mut Spec, &mut StdioSettings, &Path), body: impl AsyncFnOnce(World)) {
    let place = tempfile::tempdir().unwrap();
    let spec_and_settings = |place: &Path| {
        let mut settings = StdioSettings::new(entropy());
        let mut spec = spec(place);
        change(&mut spec, &mut settings, place);
        (spec, settings)
    };
    let (spec, settings) = spec_and_settings(place.path());
    let spawned = spawn(&spec).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let runner = Runner::start(spawned).await.unwrap();
        let stdio = Stdio::new(runner.clone(), "s", settings);
        tokio::time::timeout(PATIENCE * 2, body(World { place, runner, stdio })).await.expect("in time");
    });
}

/// A counter will do: nobody guesses here.
fn entropy() -> Arc<dyn Fn() -> [u8; 16] + Send + Sync> {
    let count = AtomicU8::new(0);
    Arc::new(move || [count.fetch_add(1, Ordering::Relaxed); 16])
}

/// A data directory with a key in it, and the test server beside it.
pub(crate) fn spec(place: &Path) -> Spec {
    for folder in ["data", "app"] {
        std::fs::create_dir_all(place.join(folder)).unwrap();
    }
    std::fs::write(place.join("data/key"), "secret").unwrap();
    std::fs::write(place.join("app/note"), "note").unwrap();
    let mut server = Server::new(me(), ["server", "--token", "hunter2"]);
    server.working_dir = place.to_owned();
    Spec::new(place.join("data"), place.join("data/runtime")).server("s", server)
}

pub(crate) fn me() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) session: Option<String>,
    pub(crate) is_stream: bool,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON, not {:?}", self.text))
    }

    /// The messages of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

impl World {
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    pub(crate) async fn raw(
        &self,
        caller: &str,
        method: Method,
        session: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Response<BridgeBody> {
        let mut request = Request::builder().method(method).uri("/");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let mut request = request.body(Full::new(body.into())).unwrap();
        request.extensions_mut().insert(Caller(caller.into()));
        self.stdio.clone().call(request).await.unwrap()
    }

    pub(crate) async fn send(&self, caller: &str, session: Option<&str>, message: &Value) -> Answer {
        read(self.raw(caller, Method::POST, session, message.to_string()).await).await
    }

    /// Begins a session.
    pub(crate) async fn begin(&self, caller: &str) -> String {
        let answer = self.send(caller, None, &initialize()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json()["id"], "init");
        let session = answer.session.expect("a session");
        let begun = json!({"jsonrpc":"2.0","method":"notifications/initialized"});
        assert_eq!(self.send(caller, Some(&session), &begun).await.status, StatusCode::ACCEPTED);
        session
    }

    pub(crate) async fn call(&self, caller: &str, session: &str, tool: &str, text: &str) -> Answer {
        self.send(caller, Some(session), &call(tool, text)).await
    }

    /// What a tool said.
    pub(crate) async fn said(&self, caller: &str, session: &str, tool: &str, text: &str) -> String {
        let answer = self.call(caller, session, tool, text).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["id"], 1, "{answer}");
        answer["result"]["text"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn initialize() -> Value {
    json!({"jsonrpc":"2.0","id":"init","method":"initialize","params":{
        "protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}})
}

pub(crate) fn call(tool: &str, text: &str) -> Value {
    json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":tool,"arguments":{"text":text}}})
}

pub(crate) async fn read(response: Response<BridgeBody>) -> Answer {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, session) = (response.status(), header("mcp-session-id"));
    let is_stream = header("content-type").as_deref() == Some("text/event-stream");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, session, is_stream, text: String::from_utf8(body.to_vec()).unwrap() }
}

/// Whether a process is there and has not ended.
pub(crate) fn lives(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Waits until a process has ended.
pub(crate) async fn ended(pid: &str) {
    let look = async {
        let mut often = tokio::time::interval(Duration::from_millis(10));
        while lives(pid) {
            often.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{pid} still runs"));
}
