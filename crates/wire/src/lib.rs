//! The vocabulary every other room speaks: values that were parsed once at the edge and are carried from
//! there, requests and replies of the endpoints, error codes, metadata documents, challenges and limits.
//!
//! There is no clock here, no I/O and nothing asynchronous. Depends on nothing of ours.

pub mod authorize;
pub mod base64url;
pub mod challenge;
pub mod digest;
pub mod error;
pub mod form;
pub mod id;
pub mod json;
pub mod limit;
pub mod metadata;
pub mod pkce;
pub mod redirect;
pub mod register;
pub mod resource;
pub mod scope;
pub mod text;
pub mod time;
pub mod token;
