//! Why a request was not let through: cause, then status and error code, each one total function.

use http::StatusCode;
use portcullis_jose::JoseError;
use portcullis_jose::claims::ClaimsError;
use portcullis_mcp::{HeaderMismatch, MessageError};
use portcullis_wire::error::ErrorCode;
use portcullis_wire::scope::Scopes;
use serde_json::Value;

/// What is wrong with a token that was sent. The texts are fixed: nothing of the token ever stands in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Its form, key or signature.
    #[error(transparent)]
    Jose(#[from] JoseError),
    /// Its issuer, audience or time.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// Its `client_id` is none.
    #[error("the token names no client")]
    Client,
    /// Its `scope` has no reading (RFC 6749 §3.3).
    #[error("the scope of the token cannot be read")]
    Scope,
    /// It was revoked, or what it rests on was.
    #[error("the token has been revoked")]
    Revoked,
    /// Its issuer does not know it, or no longer.
    #[error("the token is not known here, or has ended")]
    Unknown,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No credentials that we understand.
    #[error("this server needs an access token; the challenge says where to get one")]
    NoToken,
    /// A token in the URL, and none in the header.
    #[error("an access token goes into the Authorization header, never into a URL")]
    TokenInQuery,
    /// An `Authorization` header that has no reading.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// More than one credential.
    #[error("the request carries more than one credential")]
    TwoCredentials,
    /// A token that does not hold here and now.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The token holds and does not suffice; with all that the operation needs.
    #[error("this operation needs a scope that the access token does not have")]
    Scope(Scopes),
    /// Keys or revocations are not known, or not lately enough. It is our fault and will pass.
    #[error("access tokens cannot be verified at the moment; try again shortly")]
    Unready,
    /// A page of a foreign origin asks.
    #[error("requests from pages of this origin are not allowed")]
    Origin,
    /// Sent to a host name that is not ours: DNS rebinding, or a proxy that does not say where it was asked.
    #[error("this server is not known under that host name")]
    Host,
    /// The body is not one message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Headers and body say different things; with the message's id.
    #[error("{0}")]
    Mismatch(HeaderMismatch, Option<Value>),
    /// The body is larger than any message may be.
    #[error("the message is too large")]
    TooLarge,
    /// The body broke off.
    #[error("the body could not be read")]
    Body,
}

impl Denied {
    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::TokenInQuery | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed | Self::TwoCredentials | Self::Body => StatusCode::BAD_REQUEST,
            Self::Message(_) | Self::Mismatch(..) => StatusCode::BAD_REQUEST,
            Self::Scope(_) | Self::Origin => StatusCode::FORBIDDEN,
            // Not 403: clients take that for a missing permission and sign in again.
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Unready => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// The error code of the JSON body.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NoToken | Self::TokenInQuery | Self::Token(_) => ErrorCode::InvalidToken,
            Self::Scope(_) => ErrorCode::InsufficientScope,
            Self::Unready => ErrorCode::TemporarilyUnavailable,
            Self::Origin => ErrorCode::AccessDenied,
            Self::Malformed
            | Self::TwoCredentials
            | Self::Host
            | Self::Message(_)
            | Self::Mismatch(..)
            | Self::TooLarge
            | Self::Body => ErrorCode::InvalidRequest,
        }
    }

    /// The code the challenge names, if there is a challenge and it names one: where no credentials were sent there
    /// is no error (RFC 6750 §3.1).
    pub(crate) const fn challenge(&self) -> ChallengeKind {
        match self {
            Self::NoToken | Self::TokenInQuery => ChallengeKind::Bare,
            Self::Malformed | Self::TwoCredentials | Self::Token(_) | Self::Scope(_) => ChallengeKind::Error,
            Self::Unready
            | Self::Origin
            | Self::Host
            | Self::Message(_)
            | Self::Mismatch(..)
            | Self::TooLarge
            | Self::Body => ChallengeKind::None,
        }
    }
}

/// What kind of `WWW-Authenticate` header goes with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeKind {
    /// Not about authorization: none.
    None,
    /// Only where to get a token.
    Bare,
    /// With the error's code and text.
    Error,
}
