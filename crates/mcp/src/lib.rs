//! One strict MCP message, the two eras of its HTTP headers, and the table of tools and scopes.
//!
//! The guard and the gateway judge every call from here: a message is parsed once, strictly, and what is
//! forwarded is those very bytes. There is no I/O here, no clock and nothing asynchronous.

pub mod answer;
pub mod elicit;
mod error;
mod fold;
mod headers;
mod message;
mod pattern;
pub mod sse;
mod tools;

pub use error::{
    HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, MessageError, PARSE_ERROR, json_rpc_error,
};
pub use fold::fold;
pub use headers::{
    Era, HeaderMismatch, METHOD, NAME, PARAM_PREFIX, PROTOCOL_VERSION, SESSION_ID, VERSIONS, agree, decode,
    encode,
};
pub use message::{Kind, Message};
pub use pattern::{ByName, Pattern, Unite};
pub use tools::ToolTable;
