//! Why a message was refused, and the JSON-RPC 2.0 §5.1 error object that says so.

use portcullis_wire::json::JsonError;
use serde_json::{Value, json};

/// The body is no JSON (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i64 = -32700;
/// The body is JSON, and no request (JSON-RPC 2.0 §5.1).
pub const INVALID_REQUEST: i64 = -32600;
/// The parameters do not fit the method (JSON-RPC 2.0 §5.1).
pub const INVALID_PARAMS: i64 = -32602;
/// A header that mirrors the body is missing, unreadable, or says something else (MCP 2026-07-28, transports).
pub const HEADER_MISMATCH: i64 = -32020;

/// Why a body is not one message that can be judged. The text says what, never the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or nothing at all.
    #[error("the body is not well-formed JSON")]
    Malformed,
    /// Two members of one object have the same name: two readers would see two messages.
    #[error("an object in the body has two members of the same name")]
    DuplicateMember,
    /// Nested deeper, or with more members, than is looked at.
    #[error("the body is nested too deeply or has too many members")]
    TooLarge,
    /// Several messages in an array; only one revision of the protocol ever had that.
    #[error("batches are not supported; send one message per request")]
    Batch,
    /// A member that a reader without regard to case would take for one that decides.
    #[error("a member's name differs from a known one only in case or invisible characters")]
    Variant,
    /// Not a JSON-RPC 2.0 request, notification or response.
    #[error("the body is not a JSON-RPC 2.0 message")]
    Shape,
    /// A call that does not name what it calls.
    #[error("the parameters do not fit the method")]
    Params,
}

impl MessageError {
    /// The code of JSON-RPC 2.0 §5.1.
    pub const fn code(&self) -> i64 {
        match self {
            Self::Malformed | Self::DuplicateMember | Self::TooLarge => PARSE_ERROR,
            Self::Batch | Self::Variant | Self::Shape => INVALID_REQUEST,
            Self::Params => INVALID_PARAMS,
        }
    }

    /// The HTTP status: it is always the request that is at fault.
    pub const fn status(&self) -> http::StatusCode {
        http::StatusCode::BAD_REQUEST
    }

    /// The body of the answer. `id` is that of the request, where one could be read.
    pub fn json_rpc_error(&self, id: Option<&Value>) -> Value {
        json_rpc_error(self.code(), &self.to_string(), id)
    }
}

impl From<JsonError> for MessageError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed => Self::Malformed,
            JsonError::DuplicateMember => Self::DuplicateMember,
            JsonError::TooDeep | JsonError::TooManyMembers => Self::TooLarge,
        }
    }
}

/// A JSON-RPC 2.0 §5 error response; an unknown `id` is null.
pub fn json_rpc_error(code: i64, message: &str, id: Option<&Value>) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonrpc_5_1_each_cause_has_its_code() {
        for (cause, code) in [
            (MessageError::Malformed, -32700),
            (MessageError::DuplicateMember, -32700),
            (MessageError::Batch, -32600),
            (MessageError::Variant, -32600),
            (MessageError::Params, -32602),
        ] {
            let body = cause.json_rpc_error(None);
            assert_eq!(body["error"]["code"], code);
            assert_eq!(body["id"], Value::Null);
            assert_eq!(body["jsonrpc"], "2.0");
            assert_eq!(cause.status(), http::StatusCode::BAD_REQUEST);
        }
        assert_eq!(MessageError::Shape.json_rpc_error(Some(&json!("a")))["id"], "a");
    }
}
