//! The decisions of the authorization server as plain functions.
