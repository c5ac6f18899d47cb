//! Secrets that were seen, and where they must never be seen again: in errors and in log lines.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::ask::{Answer, Ask};

/// Shorter texts are no secrets of ours, and would be found everywhere.
const SHORTEST: usize = 16;

/// Parameters of forms whose values are secrets.
const SECRET_PARAMETERS: &[&str] = &[
    "password",
    "current",
    "new",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "client_secret",
    "client_assertion",
];

/// Members of answers whose values are secrets.
const SECRET_MEMBERS: &[&str] = &["access_token", "refresh_token", "client_secret"];

/// The secrets of one world.
#[derive(Debug, Default)]
pub(crate) struct Canaries(Mutex<Vec<String>>);

impl Canaries {
    pub(crate) fn learn(&self, secret: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.len() >= SHORTEST && !known.iter().any(|one| one == secret) {
            known.push(secret.to_owned());
        }
    }

    pub(crate) fn learn_from_ask(&self, ask: &Ask) {
        for (name, value) in &ask.headers {
            match name.as_str() {
                "cookie" => {
                    value.split(';').filter_map(|pair| pair.split_once('=')).for_each(|(_, v)| self.learn(v))
                }
                "authorization" => value.split_once(' ').into_iter().for_each(|(_, v)| self.learn(v)),
                _ => {}
            }
        }
        for (name, value) in url::form_urlencoded::parse(&ask.body) {
            if SECRET_PARAMETERS.contains(&&*name) {
                self.learn(&value);
            }
        }
    }

    pub(crate) fn learn_from_answer(&self, answer: &Answer) {
        if let Some(code) = answer.landed("code") {
            self.learn(&code);
        }
        for (_, value) in answer.cookies() {
            self.learn(&value);
        }
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&answer.body) {
            SECRET_MEMBERS
                .iter()
                .filter_map(|name| json.get(*name)?.as_str())
                .for_each(|value| self.learn(value));
        }
    }

    /// Fails the test if an error repeats a secret.
    pub(crate) fn check(&self, ask: &Ask, answer: &Answer) {
        if answer.status < 400 {
            return;
        }
        let headers = format!("{:?}", answer.headers);
        let body = answer.text();
        for secret in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            assert!(
                !headers.contains(secret) && !body.contains(secret),
                "the {} answer to {} {} repeats a secret",
                answer.status,
                ask.method,
                ask.target.split('?').next().unwrap_or_default()
            );
        }
    }

    /// Fails the test if a log line holds a secret.
    pub(crate) fn check_logs(&self) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines.iter() {
            assert!(!known.iter().any(|secret| line.contains(secret)), "a secret was logged");
        }
    }
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();

/// Writes every log line of this process where [`Canaries::check_logs`] reads.
pub(crate) fn listen() {
    LISTENING.call_once(|| {
        let _already = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(Lines)
            .try_init();
    });
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret that was seen once";

    fn answer(status: u16, header: &'static str, body: &'static str) -> Answer {
        let mut headers = http::HeaderMap::new();
        headers.insert("x", http::HeaderValue::from_static(header));
        Answer { status, headers, body: bytes::Bytes::from_static(body.as_bytes()) }
    }

    fn canaries() -> Canaries {
        let canaries = Canaries::default();
        canaries.learn_from_ask(&Ask::post("/token").form(&[("code", SECRET)]));
        canaries
    }

    #[test]
    fn a_secret_may_stand_in_a_good_answer_alone() {
        canaries().check(&Ask::get("/"), &answer(200, SECRET, SECRET));
        canaries().check(&Ask::get("/"), &answer(400, "nothing", "nothing"));
    }

    #[test]
    #[should_panic(expected = "repeats a secret")]
    fn an_error_that_repeats_one_in_its_body_fails() {
        canaries().check(&Ask::get("/"), &answer(400, "", SECRET));
    }

    #[test]
    #[should_panic(expected = "repeats a secret")]
    fn an_error_that_repeats_one_in_a_header_fails() {
        canaries().check(&Ask::get("/"), &answer(404, SECRET, ""));
    }

    #[test]
    #[should_panic(expected = "a secret was logged")]
    fn a_log_line_that_holds_one_fails() {
        listen();
        tracing::trace!("the token is pc_rt_that_was_logged_by_mistake");
        let canaries = Canaries::default();
        canaries.learn("pc_rt_that_was_logged_by_mistake");
        canaries.check_logs();
    }
}
