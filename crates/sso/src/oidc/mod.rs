//! OpenID Connect relying party: the code flow with PKCE and a nonce (OpenID Connect Core §3.1), discovery (OpenID
//! Connect Discovery §4), the issuer in the answer (RFC 9207), and GitHub's OAuth, which has no ID token.
//!
//! [`RelyingParty::begin`] gives the address a person is sent to; [`RelyingParty::finish`] turns the code they bring
//! back into an [`Identity`](crate::Identity). The access token that comes with it is used for userinfo and dropped: no
//! token of a provider is stored, and none leaves this room. `resource` (RFC 8707) is never sent: one registration there
//! serves every MCP client here.

mod cache;
mod check;
mod discovery;
mod fault;
mod github;
mod id_token;
mod object;
mod party;
mod preset;
mod settings;
mod token;
mod userinfo;

pub use party::{Back, Begin, Kept, RelyingParty};
pub use preset::{Preset, entra_issuer};
pub use settings::{ClientAuth, Secret, Settings};
