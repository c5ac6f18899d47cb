//! Asking the person at the other end (MCP, elicitation): what a client says it can show, the requests in each era's
//! form, and what it answered.

use serde_json::{Map, Value, json};

/// A person has to visit a page first (MCP 2025-11-25, elicitation).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// The request that asks.
pub const CREATE: &str = "elicitation/create";
/// Where a message of the stateless era tells what its client can do (MCP 2026-07-28).
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What a client can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// A form. A client that declares elicitation and nothing within means this.
    pub form: bool,
    /// A page elsewhere.
    pub url: bool,
}

impl Declared {
    /// From a client's capabilities.
    pub fn of(capabilities: Option<&Value>) -> Self {
        let Some(Value::Object(elicitation)) = capabilities.and_then(|all| all.get("elicitation")) else {
            return Self::default();
        };
        let has = |mode: &str| elicitation.get(mode).is_some_and(Value::is_object);
        let url = has("url");
        Self { form: has("form") || !url, url }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// To visit a page. The id names the question, where the era has one.
    Url {
        /// Why.
        message: &'a str,
        /// Where.
        url: &'a str,
        /// Which.
        id: &'a str,
    },
    /// To agree or not.
    Form {
        /// To what.
        message: &'a str,
    },
}

impl Ask<'_> {
    /// The parameters of the stateless era (2026-07-28): no id.
    fn stateless(&self) -> Value {
        match self {
            Self::Url { message, url, .. } => json!({ "mode": "url", "message": message, "url": url }),
            Self::Form { message } => form(message),
        }
    }

    /// The parameters of 2025-11-25.
    fn stateful(&self) -> Value {
        match self {
            Self::Url { message, url, id } => {
                json!({ "mode": "url", "message": message, "url": url, "elicitationId": id })
            }
            Self::Form { message } => form(message),
        }
    }

    /// A result that asks before the request is answered (MCP 2026-07-28, multi round-trip requests).
    pub fn input_required(&self, key: &str, state: &str) -> Value {
        let request = json!({ "method": CREATE, "params": self.stateless() });
        let requests: Map<String, Value> = std::iter::once((key.to_owned(), request)).collect();
        json!({ "resultType": "input_required", "inputRequests": requests, "requestState": state })
    }

    /// The error that tells a client of 2025-11-25 to ask, and to come again.
    pub fn error(&self, message: &str, id: &Value) -> Value {
        let data = json!({ "elicitations": [self.stateful()] });
        json!({ "jsonrpc": "2.0", "id": id,
            "error": { "code": URL_ELICITATION_REQUIRED, "message": message, "data": data } })
    }

    /// The request of the stateful era.
    pub fn request(&self, id: &str) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "method": CREATE, "params": self.stateful() })
    }
}

/// A form without fields: to send it is to agree.
fn form(message: &str) -> Value {
    json!({ "mode": "form", "message": message, "requestedSchema": { "type": "object", "properties": {} } })
}

/// Whether the answer to a request says yes.
pub fn is_accepted(answer: Option<&Value>) -> bool {
    answer.and_then(|answer| answer.get("action")).and_then(Value::as_str) == Some("accept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elicitation_without_a_mode_means_forms() {
        for (given, form, url) in [
            (json!({}), false, false),
            (json!({"elicitation":{}}), true, false),
            (json!({"elicitation":{"form":{}}}), true, false),
            (json!({"elicitation":{"url":{}}}), false, true),
            (json!({"elicitation":{"form":{},"url":{}}}), true, true),
            (json!({"elicitation":true}), false, false),
            (json!({"elicitation":{"url":true}}), true, false),
        ] {
            assert_eq!(Declared::of(Some(&given)), Declared { form, url }, "{given}");
        }
        assert_eq!(Declared::of(None), Declared::default());
    }

    #[test]
    fn each_era_has_its_form() {
        let ask = Ask::Url { message: "m", url: "https://a.example/x", id: "q" };
        let now = ask.input_required("k", "s");
        assert_eq!(now["resultType"], "input_required");
        assert_eq!(now["requestState"], "s");
        let params = json!({"mode":"url","message":"m","url":"https://a.example/x"});
        assert_eq!(now["inputRequests"]["k"], json!({"method":CREATE,"params":params}));
        let before = ask.error("e", &json!(7));
        assert_eq!((&before["id"], &before["error"]["code"]), (&json!(7), &json!(-32042)));
        assert_eq!(before["error"]["data"]["elicitations"][0]["elicitationId"], "q");
        let form = Ask::Form { message: "m" }.request("id");
        assert_eq!((&form["method"], &form["params"]["mode"]), (&json!(CREATE), &json!("form")));
        assert_eq!(form["params"]["requestedSchema"]["type"], "object");
    }

    #[test]
    fn only_accept_is_yes() {
        for (given, expected) in [
            (json!({"action":"accept"}), true),
            (json!({"action":"accept","content":{}}), true),
            (json!({"action":"decline"}), false),
            (json!({"action":"cancel"}), false),
            (json!({"action":true}), false),
            (json!({"Action":"accept"}), false),
            (json!("accept"), false),
        ] {
            assert_eq!(is_accepted(Some(&given)), expected, "{given}");
        }
        assert!(!is_accepted(None));
    }
}
