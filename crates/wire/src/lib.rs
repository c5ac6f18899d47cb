//! The vocabulary of Portcullis: newtypes, requests, replies, error codes, metadata, challenges, limits.
