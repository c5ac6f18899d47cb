//! Refusals: cause → code → text, each a total function. A new cause does not compile until it is placed here.

use portcullis_wire::error::ErrorCode;

use crate::federation::NotLetIn;

/// Why a decision is no. A refusal is a normal answer; a fault of ours is another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No such client (or no longer).
    ClientUnknown,
    /// An administrator switched it off.
    ClientDisabled,
    /// Its secret or assertion is wrong.
    ClientUnproven,
    /// It proved itself otherwise than it registered.
    MethodMismatch,
    /// Its assertion was used before.
    AssertionReplayed,
    /// It may not use this grant.
    GrantNotAllowed,
    /// The redirect URI is missing and cannot be known.
    RedirectMissing,
    /// The redirect URI is none it registered.
    RedirectUnknown,
    /// A parameter was repeated, is missing or is not well-formed.
    RequestMalformed,
    /// An extension we do not have.
    RequestUnsupported,
    /// Not `code`.
    ResponseType,
    /// No PKCE challenge.
    ChallengeMissing,
    /// A method other than S256.
    ChallengeMethod,
    /// `state` is longer than allowed.
    StateTooLong,
    /// It may not ask what tokens are worth.
    MayNotIntrospect,
    /// Scopes that do not exist, or beyond what was approved.
    ScopeUnknown,
    /// Beyond what was approved for this grant.
    ScopeBeyondGrant,
    /// The resource is none of ours, or not well-formed.
    ResourceUnknown,
    /// More than one resource.
    ResourceMany,
    /// Not the resource that was authorized.
    ResourceNotGranted,
    /// `prompt=none`, and nobody is signed in.
    LoginRequired,
    /// `prompt=none`, and consent is always shown.
    ConsentRequired,
    /// The person said no.
    Denied,
    /// No such code, or its secret is wrong.
    CodeUnknown,
    /// Another client's code.
    CodeOfAnother,
    /// Too old.
    CodeExpired,
    /// Redeemed before.
    CodeReplayed,
    /// Not the redirect URI it was sent to.
    RedirectMismatch,
    /// No PKCE verifier.
    VerifierMissing,
    /// Not the verifier.
    VerifierMismatch,
    /// No such refresh token.
    RefreshUnknown,
    /// Another client's.
    RefreshOfAnother,
    /// Superseded, and back again.
    RefreshReplayed,
    /// The grant has ended.
    GrantEnded,
    /// Not used for too long, or too old.
    GrantExpired,
    /// The machine agent is switched off.
    AgentSuspended,
    /// The person may not act.
    PersonDisabled,
    /// No such agent.
    AgentUnknown,
    /// Nobody is signed in.
    SignedOut,
    /// Name and password do not go together.
    WrongPassword,
    /// The form was used, is too old, or is another browser's.
    FormSpent,
    /// Nothing was ticked.
    NothingTicked,
    /// The person did not say that they started it.
    NotStarted,
    /// The set-up link is spent, too old or unknown.
    LinkDead,
    /// The account's name is taken.
    NameTaken,
    /// No such account.
    UserUnknown,
    /// The account's name is not fit.
    NameUnfit,
    /// The password is too short or too long.
    PasswordUnfit,
    /// There are accounts already.
    NotFirst,
    /// The key is not where it was expected.
    KeyMoved,
    /// The resource is not for this person: none of their groups is named.
    NotAdmitted,
    /// The resource no longer admits the person it was allowed by.
    AccessLost,
    /// More groups than one person may be in.
    GroupsTooMany,
    /// That scope is not wanted by that agent (any more).
    NotWanted,
    /// No such question for this person.
    ApprovalUnknown,
    /// The question was answered, is too old, or its agent has ended.
    ApprovalOver,
    /// No such tool.
    ToolUnknown,
    /// The tool's definition changed since it was looked at.
    ToolChanged,
    /// A token cannot be made for that long, or for no time at all.
    LifeUnfit,
    /// The person has as many personal tokens as may be.
    TokensTooMany,
    /// No personal token of ours.
    TokenUnknown,
    /// No such registration, or the token is not its own.
    RegistrationUnknown,
    /// The body names another client, or a secret that is not its own.
    ClientIdMismatch,
    /// A client with a secret cannot become one without.
    MethodFixed,
    /// The person has to sign in at their provider again: the last proof is too old.
    ProofOver,
    /// A provider vouches for somebody who is not let in.
    NotLetIn(NotLetIn),
    /// No such provider.
    ProviderUnknown,
    /// That person at that provider has an account already.
    LinkTaken,
    /// The account belongs to no provider.
    NotLinked,
}

impl Refusal {
    /// The word on the wire. RFC 6749 §5.2, except where an arm names another section.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ClientUnknown
            | Self::ClientDisabled
            | Self::ClientUnproven
            | Self::MethodMismatch
            | Self::AssertionReplayed => ErrorCode::InvalidClient,
            Self::GrantNotAllowed | Self::MayNotIntrospect | Self::AgentSuspended => {
                ErrorCode::UnauthorizedClient
            }
            Self::RedirectMissing
            | Self::RedirectUnknown
            | Self::RequestMalformed
            | Self::RequestUnsupported
            | Self::ChallengeMissing
            | Self::ChallengeMethod
            | Self::StateTooLong
            | Self::VerifierMissing
            | Self::NothingTicked
            | Self::NotStarted
            | Self::FormSpent
            | Self::LinkDead
            | Self::NameTaken
            | Self::NameUnfit
            | Self::PasswordUnfit
            | Self::NotFirst
            | Self::AgentUnknown
            | Self::UserUnknown
            | Self::KeyMoved
            | Self::GroupsTooMany
            | Self::NotWanted
            | Self::ApprovalUnknown
            | Self::ApprovalOver
            | Self::ToolUnknown
            | Self::ToolChanged
            | Self::LifeUnfit
            | Self::TokensTooMany
            | Self::ProviderUnknown
            | Self::LinkTaken
            | Self::NotLinked => ErrorCode::InvalidRequest,
            Self::TokenUnknown | Self::RegistrationUnknown => ErrorCode::InvalidToken, // RFC 6750 §3.1, RFC 7592 §2.1
            Self::ClientIdMismatch | Self::MethodFixed => ErrorCode::InvalidClientMetadata, // RFC 7591 §3.2.2
            Self::ResponseType => ErrorCode::UnsupportedResponseType,
            Self::ScopeUnknown | Self::ScopeBeyondGrant => ErrorCode::InvalidScope,
            Self::ResourceUnknown | Self::ResourceMany | Self::ResourceNotGranted => ErrorCode::InvalidTarget, // RFC 8707 §2
            Self::LoginRequired => ErrorCode::LoginRequired, // OpenID Connect Core §3.1.2.6
            Self::ConsentRequired => ErrorCode::ConsentRequired,
            Self::Denied | Self::SignedOut | Self::WrongPassword | Self::NotAdmitted | Self::NotLetIn(_) => {
                ErrorCode::AccessDenied
            }
            Self::CodeUnknown
            | Self::CodeOfAnother
            | Self::CodeExpired
            | Self::CodeReplayed
            | Self::RedirectMismatch
            | Self::VerifierMismatch
            | Self::RefreshUnknown
            | Self::RefreshOfAnother
            | Self::RefreshReplayed
            | Self::GrantEnded
            | Self::GrantExpired
            | Self::PersonDisabled
            | Self::ProofOver
            | Self::AccessLost => ErrorCode::InvalidGrant,
        }
    }

    /// What happened and what to do, in ASCII, for whoever writes the client. It echoes nothing.
    pub const fn description(self) -> &'static str {
        match self {
            Self::ClientUnknown => "This client is not known here (any more). Register again.",
            Self::ClientDisabled => "This client was switched off by an administrator.",
            Self::ClientUnproven => "The client's credentials are wrong.",
            Self::MethodMismatch => "The client must authenticate the way it registered.",
            Self::AssertionReplayed => {
                "This client assertion was used before. Sign a new one with a new jti."
            }
            Self::GrantNotAllowed => "This client may not use this grant type.",
            Self::RedirectMissing => "redirect_uri is missing, and the client registered more than one.",
            Self::RedirectUnknown => "redirect_uri is none this client registered.",
            Self::RequestMalformed => "A parameter is missing, repeated or malformed.",
            Self::RequestUnsupported => {
                "request, request_uri and response modes other than query are not supported."
            }
            Self::ResponseType => "response_type must be code.",
            Self::ChallengeMissing => {
                "PKCE is required: send code_challenge with code_challenge_method=S256."
            }
            Self::ChallengeMethod => "code_challenge_method must be S256.",
            Self::StateTooLong => "state is longer than 2048 bytes.",
            Self::ScopeUnknown => "None of the scopes asked for can be had by this client at this resource.",
            Self::MayNotIntrospect => {
                "This client may not introspect tokens; a resource server's credentials may."
            }
            Self::ScopeBeyondGrant => {
                "The scope goes beyond what was approved. Ask for less, or send the person to authorize again."
            }
            Self::ResourceUnknown => {
                "resource is none of the servers guarded here; protected_resources in the metadata lists them."
            }
            Self::ResourceMany => "A token is for one resource: send resource once.",
            Self::ResourceNotGranted => "resource is not the one this grant was approved for.",
            Self::LoginRequired => "Nobody is signed in, and prompt=none forbids asking.",
            Self::ConsentRequired => "Consent is always shown; prompt=none cannot succeed.",
            Self::Denied => "The person denied the request.",
            Self::CodeUnknown => "The code is not valid.",
            Self::CodeOfAnother => "The code was issued to another client.",
            Self::CodeExpired => "The code has expired.",
            Self::CodeReplayed => "The code was used before; the tokens it gave are revoked.",
            Self::RedirectMismatch => "redirect_uri is not the one the code was sent to.",
            Self::VerifierMissing => "code_verifier is missing or malformed.",
            Self::VerifierMismatch => "code_verifier does not match the challenge.",
            Self::RefreshUnknown => "The refresh token is not valid.",
            Self::RefreshOfAnother => "The refresh token was issued to another client.",
            Self::RefreshReplayed => "The refresh token was superseded and used again; the grant has ended.",
            Self::GrantEnded => "The grant has ended. Authorize again.",
            Self::GrantExpired => "The grant has expired. Authorize again.",
            Self::AgentSuspended => "This agent was revoked. An administrator can restore it.",
            Self::PersonDisabled => "The person may no longer act here.",
            Self::AgentUnknown => "There is no such agent.",
            Self::SignedOut => "Nobody is signed in.",
            Self::WrongPassword => "Name and password do not go together.",
            Self::FormSpent => "The form was used before or is too old.",
            Self::NothingTicked => "Nothing was ticked.",
            Self::NotStarted => "The person did not confirm that they started this.",
            Self::LinkDead => "The link was used before or is too old.",
            Self::NameTaken => "There is an account of that name.",
            Self::UserUnknown => "There is no such account.",
            Self::NameUnfit => "A name has 1 to 80 characters.",
            Self::PasswordUnfit => "A password has 12 to 128 characters.",
            Self::NotFirst => "There are accounts already.",
            Self::KeyMoved => "The key is no longer in that state.",
            Self::NotAdmitted => "This person may not use this resource.",
            Self::AccessLost => "The person may no longer use this resource.",
            Self::GroupsTooMany => "A person is in at most 32 groups.",
            Self::NotWanted => "This agent does not want that scope (any more).",
            Self::ApprovalUnknown => "There is no such question.",
            Self::ApprovalOver => "The question was answered, is too old, or its agent has ended.",
            Self::ToolUnknown => "There is no such tool.",
            Self::ToolChanged => "The tool's definition changed since it was looked at. Look again.",
            Self::LifeUnfit => "A personal token lives between a moment and 365 days.",
            Self::TokensTooMany => "This person has as many personal tokens as may be. Revoke one first.",
            Self::TokenUnknown => "The token is not valid.",
            Self::RegistrationUnknown => "There is no such registration, or the token is not its own.",
            Self::ClientIdMismatch => {
                "client_id must be sent and be the registration's own; so must client_secret, if it is sent."
            }
            Self::MethodFixed => "A client with a secret cannot become one without. Register anew.",
            Self::ProofOver => "The person has to sign in here again, at their provider; then this goes on.",
            Self::NotLetIn(why) => why.why(),
            Self::ProviderUnknown => "There is no such provider.",
            Self::LinkTaken => "That person at that provider has another account. Unlink it first.",
            Self::NotLinked => "The account belongs to no provider.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t15_t_error_table_dead_grants_and_unknown_clients_have_the_words_clients_act_on() {
        for (refusal, code) in [
            (Refusal::ClientUnknown, "invalid_client"),
            (Refusal::ClientUnproven, "invalid_client"),
            (Refusal::CodeReplayed, "invalid_grant"),
            (Refusal::RefreshReplayed, "invalid_grant"),
            (Refusal::GrantEnded, "invalid_grant"),
            (Refusal::PersonDisabled, "invalid_grant"),
            (Refusal::ScopeBeyondGrant, "invalid_scope"),
            (Refusal::ResourceNotGranted, "invalid_target"),
            (Refusal::GrantNotAllowed, "unauthorized_client"),
        ] {
            assert_eq!(refusal.code().as_str(), code);
            assert!(refusal.description().is_ascii());
        }
    }
}
