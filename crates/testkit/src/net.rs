//! The way to the server: a socket for each request, no redirect followed, every secret remembered.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

use crate::ask::{Answer, Ask};
use crate::browser::Browser;
use crate::canary::Canaries;

/// Sends requests. Cheap to clone, for many at once.
#[derive(Clone, Debug)]
pub struct Net {
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) issuer: String,
    pub(crate) canaries: Arc<Canaries>,
}

impl Net {
    /// To a program on this computer, whose issuer is its own address.
    pub fn to(address: SocketAddr) -> Self {
        Self {
            address,
            authority: address.to_string(),
            issuer: format!("http://{address}"),
            canaries: Arc::default(),
        }
    }

    /// A browser in which nobody is signed in.
    pub fn browser(&self) -> Browser {
        Browser::new(self.clone())
    }

    /// From now on this text may stand in no error and, when the world ends, in no line of the log.
    pub fn is_secret(&self, text: &str) {
        self.canaries.learn(text);
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// An absolute URL below the issuer.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Path and query of an absolute URL of this server.
    #[track_caller]
    pub fn target(&self, url: &str) -> String {
        let origin =
            self.issuer.split_once("://").map_or(0, |(scheme, _)| scheme.len() + 3) + self.authority.len();
        let rest = url.strip_prefix(&self.issuer[..origin]).unwrap_or(url);
        assert!(rest.starts_with('/'), "{url} is none of {}", self.issuer);
        rest.to_owned()
    }

    /// Sends one request.
    pub async fn send(&self, ask: Ask) -> Answer {
        self.canaries.learn_from_ask(&ask);
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(ask.source, 0)).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = http::Request::builder().method(ask.method.as_str()).uri(&ask.target);
        if !ask.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", &self.authority);
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(bytes::Bytes::from(ask.body.clone()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        self.canaries.check(&ask, &answer);
        self.canaries.learn_from_answer(&answer);
        answer
    }

    /// `GET`.
    pub async fn get(&self, target: &str) -> Answer {
        self.send(Ask::get(target)).await
    }

    /// `POST` of a form.
    pub async fn post<N: AsRef<str>, V: AsRef<str>>(&self, target: &str, form: &[(N, V)]) -> Answer {
        self.send(Ask::post(target).form(form)).await
    }

    /// `POST /token`.
    pub async fn token<N: AsRef<str>, V: AsRef<str>>(&self, form: &[(N, V)]) -> Answer {
        self.post("/token", form).await
    }

    /// Calls a tool with a token.
    pub async fn call(&self, path: &str, tool: &str, access: &str) -> Answer {
        self.send(Ask::tool(path, tool).bearer(access)).await
    }
}
