//! Events of decisions: each is written in the decision's own commit.

use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A person signed in.
    SignedIn,
    /// A person signed out.
    SignedOut,
    /// Wrong passwords for a known person used up what one source has free.
    SignInRefused,
    /// A person allowed an agent.
    ConsentGiven,
    /// A person refused one.
    ConsentDenied,
    /// A client registered.
    ClientRegistered,
    /// An administrator entered a client.
    ClientAdded,
    /// An administrator removed a client.
    ClientRemoved,
    /// A metadata document's redirects, keys or name changed.
    ClientChanged,
    /// An administrator cut all agents of a client, or of a host's clients, off.
    ClientCutOff,
    /// A client was switched off.
    ClientDisabled,
    /// A client was switched on again.
    ClientEnabled,
    /// A code was redeemed.
    TokenIssued,
    /// A token was refreshed.
    TokenRefreshed,
    /// A refresh was answered again, within its grace.
    RefreshRetried,
    /// A machine got a token.
    MachineTokenIssued,
    /// A grant ended, for the reason given.
    GrantEnded,
    /// A machine agent was switched off.
    AgentSuspended,
    /// A machine agent was switched on again.
    AgentRestored,
    /// An account was made.
    UserAdded,
    /// An account was switched off.
    UserDisabled,
    /// An account was switched on.
    UserEnabled,
    /// An account was removed.
    UserRemoved,
    /// A password was set.
    PasswordChanged,
    /// A set-up link was made.
    SetupLinkMade,
    /// The signing key was rotated.
    KeyRotated,
    /// A signing key was cut off, and all tokens with it.
    KeyRevoked,
    /// A label was changed.
    AgentRenamed,
    /// A person's groups were changed.
    GroupsChanged,
    /// A registration was changed by whoever holds its token (RFC 7592).
    ClientUpdated,
    /// A personal token was made.
    PersonalTokenMade,
    /// An agent was refused for lack of scopes.
    ScopeWanted,
    /// A person allowed an agent a scope it wanted.
    ScopeAllowed,
    /// A person denied it.
    ScopeDenied,
    /// A call was put before its person.
    ApprovalAsked,
    /// The person approved it.
    ApprovalGiven,
    /// The person denied it.
    ApprovalDenied,
    /// The approved call came.
    ApprovalSpent,
    /// Tools that are new or changed are hidden.
    ToolHeld,
    /// Tools were accepted.
    ToolAccepted,
}

impl EventKind {
    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::SignInRefused => "sign_in_refused",
            Self::ConsentGiven => "consent_given",
            Self::ConsentDenied => "consent_denied",
            Self::ClientRegistered => "client_registered",
            Self::ClientAdded => "client_added",
            Self::ClientRemoved => "client_removed",
            Self::ClientChanged => "client_changed",
            Self::ClientCutOff => "client_cut_off",
            Self::ClientDisabled => "client_disabled",
            Self::ClientEnabled => "client_enabled",
            Self::TokenIssued => "token_issued",
            Self::TokenRefreshed => "token_refreshed",
            Self::RefreshRetried => "refresh_retried",
            Self::MachineTokenIssued => "machine_token_issued",
            Self::GrantEnded => "grant_ended",
            Self::AgentSuspended => "agent_suspended",
            Self::AgentRestored => "agent_restored",
            Self::UserAdded => "user_added",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::UserRemoved => "user_removed",
            Self::PasswordChanged => "password_changed",
            Self::SetupLinkMade => "setup_link_made",
            Self::KeyRotated => "key_rotated",
            Self::KeyRevoked => "key_revoked",
            Self::AgentRenamed => "agent_renamed",
            Self::GroupsChanged => "groups_changed",
            Self::ClientUpdated => "client_updated",
            Self::PersonalTokenMade => "personal_token_made",
            Self::ScopeWanted => "scope_wanted",
            Self::ScopeAllowed => "scope_allowed",
            Self::ScopeDenied => "scope_denied",
            Self::ApprovalAsked => "approval_asked",
            Self::ApprovalGiven => "approval_given",
            Self::ApprovalDenied => "approval_denied",
            Self::ApprovalSpent => "approval_spent",
            Self::ToolHeld => "tool_held",
            Self::ToolAccepted => "tool_accepted",
        }
    }
}

/// One row of the audit trail. It names no secret and holds no text a stranger chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: UnixTime,
    /// What.
    pub kind: EventKind,
    /// Whose account.
    pub user: Option<UserId>,
    /// Which client.
    pub client: Option<ClientId>,
    /// Which agent.
    pub grant: Option<GrantId>,
    /// Which resource.
    pub resource: Option<Resource>,
    /// Which scopes.
    pub scopes: Option<Scopes>,
    /// A fixed word on the why.
    pub reason: Option<&'static str>,
}

impl Event {
    /// An event with nothing but its kind and time.
    pub fn new(kind: EventKind, at: UnixTime) -> Self {
        Self { at, kind, user: None, client: None, grant: None, resource: None, scopes: None, reason: None }
    }
    /// Names the account.
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }
    /// Names the client.
    #[must_use]
    pub fn client(mut self, client: &ClientId) -> Self {
        self.client = Some(client.clone());
        self
    }
    /// Names the agent.
    #[must_use]
    pub fn grant(mut self, grant: GrantId) -> Self {
        self.grant = Some(grant);
        self
    }
    /// Names resource and scopes.
    #[must_use]
    pub fn access(mut self, resource: &Resource, scopes: &Scopes) -> Self {
        self.resource = Some(resource.clone());
        self.scopes = Some(scopes.clone());
        self
    }
    /// Says why.
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
}
