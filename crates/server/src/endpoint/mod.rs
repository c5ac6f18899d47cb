//! The endpoints and pages, one file each.

pub(crate) mod account;
pub(crate) mod approve;
pub(crate) mod authorize;
pub(crate) mod consent;
pub(crate) mod documents;
pub(crate) mod fault;
pub(crate) mod introspect;
pub(crate) mod manage;
pub(crate) mod provider;
pub(crate) mod register;
pub(crate) mod revoke;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod start;
pub(crate) mod token;
