//! The refusals of this room. The codes are stable.

use portcullis_fetch::FetchError;
use portcullis_jose::JoseError;

use crate::{Act, Fault};

/// What was asked of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Discovery,
    Keys,
    Token,
    Userinfo,
    Api,
}

impl Ask {
    const fn noun(self) -> &'static str {
        match self {
            Self::Discovery => "discovery document",
            Self::Keys => "key set",
            Self::Token => "token endpoint",
            Self::Userinfo => "userinfo endpoint",
            Self::Api => "API",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Discovery => "discovery_unavailable",
            Self::Keys => "keys_unavailable",
            Self::Token => "token_unavailable",
            Self::Userinfo => "userinfo_unavailable",
            Self::Api => "api_unavailable",
        }
    }
}

/// Something here has to be set otherwise.
pub(crate) fn administrator(
    code: &'static str,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Fault {
    Fault::new(code, Act::Administrator, what, why, fix)
}

/// Something at the provider has to be set otherwise.
pub(crate) fn provider(
    code: &'static str,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Fault {
    Fault::new(code, Act::Provider, what, why, fix)
}

/// The person begins again.
pub(crate) fn person(code: &'static str, what: impl Into<String>, why: impl Into<String>) -> Fault {
    Fault::new(code, Act::Person, what, why, "begin again at the sign-in page")
}

/// The endpoint could not be reached, or its answer could not be read.
pub(crate) fn unreachable(ask: Ask, error: FetchError) -> Fault {
    let what = format!("the provider's {} could not be read", ask.noun());
    let (act, fix, passes) = match error {
        FetchError::Timeout | FetchError::Connect | FetchError::Resolve | FetchError::Protocol => (
            Act::Provider,
            "see whether the provider is up and whether this server may reach it: names, routes, firewall",
            true,
        ),
        FetchError::Status(429 | 500..=599) => {
            (Act::Provider, "wait until the provider is well again; its status page may say more", true)
        }
        FetchError::Status(300..=399) => (
            Act::Administrator,
            "set `issuer` to the address the provider itself uses: redirects are never followed, since they could \
             lead a secret elsewhere",
            false,
        ),
        FetchError::Status(_) | FetchError::MediaType if ask == Ask::Discovery => (
            Act::Administrator,
            "compare `issuer` with what the provider's settings page says: below it, \
             `/.well-known/openid-configuration` has to answer with JSON",
            false,
        ),
        FetchError::Tls => (
            Act::Administrator,
            "give the provider a certificate of an authority this server trusts, for the name in its address",
            false,
        ),
        FetchError::Address(_) | FetchError::Port => (
            Act::Administrator,
            "if the provider stands on your own network or another port, set `private_network = true` for it; \
             loopback, link-local and cloud metadata addresses are never asked",
            false,
        ),
        _ => (Act::Provider, "compare the provider's settings with its own documentation", false),
    };
    let fault = Fault::new(ask.code(), act, what, error.to_string(), fix);
    if passes { fault.passing() } else { fault }
}

/// A field of a document or an answer that is absent or of another type.
pub(crate) fn field(code: &'static str, document: &str, name: &str) -> Fault {
    provider(
        code,
        format!("`{name}` in the provider's {document} is absent or not of its type"),
        "what is absent is never taken for good: it may be what protects the person",
        "compare what the provider sends with OpenID Connect Core; `portcullis sso test` shows it",
    )
}

/// Why the ID token's form or signature was refused.
pub(crate) fn jose(error: JoseError) -> Fault {
    let (code, fix) = match error {
        JoseError::TooLong => (
            "id_token_too_long",
            "send fewer groups: only those assigned to this application, or roles in their place",
        ),
        JoseError::UnknownKey => (
            "id_token_key",
            "see that the provider publishes its current key at `jwks_uri` before it signs with it; the keys were \
             fetched anew within the last 30 seconds",
        ),
        JoseError::AmbiguousKey => ("id_token_key", "have the provider name its key in the header (`kid`)"),
        JoseError::Algorithm | JoseError::AlgorithmOfKey => {
            ("id_token_alg", "have the provider sign ID tokens with RS256, PS256, ES256 or EdDSA")
        }
        JoseError::Type => ("id_token_type", "see that this is an ID token: its `typ` is `JWT`, or absent"),
        JoseError::Signature => (
            "id_token_signature",
            "see whether something between this server and the provider changes its answers, or whether the provider \
             signs with a key it does not publish",
        ),
        _ => ("id_token_form", "have the provider send a signed, unencrypted JSON Web Token"),
    };
    provider(code, "the ID token is refused", error.to_string(), fix)
}
