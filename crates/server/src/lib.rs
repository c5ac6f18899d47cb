//! Routes and pages of the authorization server; the only place where rules meet the store.
//!
//! A request is read into a typed question, its facts come from one snapshot, a pure rule judges, the store commits
//! the verdict's writes, and the typed answer goes out: [`App`] holds the one loop that does this.

pub mod admin;
mod app;
mod checkpoint;
mod chores;
pub mod client;
mod client_auth;
mod cuts;
mod door;
mod endpoint;
mod entropy;
mod keyring;
pub mod page;
mod password;
mod provider;
mod reply;
mod request;
mod routes;
mod settings;
mod ticket;
mod view;

pub use app::{App, Parts, StartError};
pub use entropy::Entropy;
pub use keyring::KeyringError;
pub use portcullis_guard::Clock;
pub use provider::{ProviderKind, ProviderSettings};
pub use settings::{
    AuditSettings, Calls, IpNetwork, NotANetwork, RegistrationSettings, Settings, SignInSettings, WhenFull,
};
