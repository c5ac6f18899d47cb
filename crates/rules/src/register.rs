//! Dynamic registration (RFC 7591), made so that it costs next to nothing until it is used: identical public
//! registrations are one row, every row expires unless a grant lives on it, and a client whose row is gone gets
//! the very same id when it registers again.

use portcullis_wire::digest::Digest;
use portcullis_wire::id::ClientId;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::{AuthMethod, ClientMetadata};
use portcullis_wire::time::UnixTime;

use crate::model::{Client, Origin};
use crate::settings::Lifetimes;
use crate::verdict::{Verdict, Write};

/// What a registration is told apart by: everything judged, without the ports of loopback redirects, which do
/// not count, and in an order of our own.
pub fn fingerprint(metadata: &ClientMetadata) -> Digest {
    let mut canonical = metadata.clone();
    canonical.redirect_uris = canonical.redirect_uris.iter().map(RedirectUri::without_port).collect();
    canonical.redirect_uris.sort();
    canonical.redirect_uris.dedup();
    Digest::of(serde_json::to_string(&canonical).unwrap_or_default().as_bytes())
}

/// What differs between two sayings of one client that a person would want to be asked about again (threat control
/// 28): its name, where answers go, and how it proves itself. Ports of loopback redirects do not count. The names are
/// those of the metadata members.
pub fn drift(old: &ClientMetadata, new: &ClientMetadata) -> Vec<&'static str> {
    let redirects = |metadata: &ClientMetadata| {
        let mut uris: Vec<RedirectUri> =
            metadata.redirect_uris.iter().map(RedirectUri::without_port).collect();
        uris.sort();
        uris.dedup();
        uris
    };
    [
        ("client_name", old.name != new.name),
        ("redirect_uris", redirects(old) != redirects(new)),
        ("token_endpoint_auth_method", old.auth_method != new.auth_method),
        ("jwks", old.jwks != new.jwks),
        ("jwks_uri", old.jwks_uri != new.jwks_uri),
    ]
    .into_iter()
    .filter_map(|(name, has_changed)| has_changed.then_some(name))
    .collect()
}

/// Enters a registration. `id` follows from the fingerprint for a client that shares its row and is random for one
/// with a secret of its own; only the latter is given a token to manage it by (`management` is that token's digest).
pub fn register(
    id: ClientId,
    metadata: ClientMetadata,
    secret: Option<Digest>,
    management: Option<Digest>,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Client> {
    debug_assert_eq!(metadata.auth_method.has_secret(), secret.is_some());
    let management = management.filter(|_| !shares(&metadata));
    let client = Client {
        id,
        origin: Origin::Registered,
        metadata,
        secret,
        management,
        ceiling: None,
        introspects: None,
        enabled: true,
        created_at: now,
        expires_at: Some(now + lifetimes.registration_unused),
    };
    // No event: anybody can register, and a row each would be theirs to fill the disk with. Consent names the client.
    Verdict::yes(client.clone()).writing(Write::PutClient(client))
}

/// A client from its metadata document, as it will stand in a row.
pub fn from_document(id: ClientId, metadata: ClientMetadata, lifetimes: &Lifetimes, now: UnixTime) -> Client {
    Client {
        id,
        origin: Origin::Document,
        metadata,
        secret: None,
        management: None,
        ceiling: None,
        introspects: None,
        enabled: true,
        created_at: now,
        expires_at: Some(now + lifetimes.registration_unused),
    }
}

/// Whether a registration may be deduplicated: a client with a secret needs one of its own.
pub fn shares(metadata: &ClientMetadata) -> bool {
    matches!(metadata.auth_method, AuthMethod::None | AuthMethod::PrivateKeyJwt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use portcullis_wire::redirect::RedirectUri;

    #[test]
    fn g11_identical_registrations_are_one_whatever_their_port_or_order() {
        let uri = |text: &str| RedirectUri::from_row(text.to_owned());
        let base = samples::public_client().metadata;
        let with =
            |uris: Vec<RedirectUri>| fingerprint(&ClientMetadata { redirect_uris: uris, ..base.clone() });
        let one = with(vec![uri("http://127.0.0.1:1/cb"), uri("https://a.example/cb")]);
        assert_eq!(one, with(vec![uri("https://a.example/cb"), uri("http://127.0.0.1:2/cb")]));
        assert_ne!(one, with(vec![uri("https://a.example/cb")]));
        assert_ne!(fingerprint(&base), fingerprint(&ClientMetadata { name: "Other".into(), ..base.clone() }));
    }
}
