//! Events of decisions: each is written in the decision's own commit.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

/// Declares the kinds with their words, so that neither list can lack what the other has.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $kind,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The word in rows and in output.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

kinds! {
    /// A person signed in.
    SignedIn = "signed_in",
    /// A person signed out.
    SignedOut = "signed_out",
    /// Wrong passwords for a known person used up what one source has free, or somebody whom a provider vouches for was not
    /// let in, for the reason given.
    SignInRefused = "sign_in_refused",
    /// A person allowed an agent.
    ConsentGiven = "consent_given",
    /// A person refused one.
    ConsentDenied = "consent_denied",
    /// A client registered.
    ClientRegistered = "client_registered",
    /// An administrator entered a client.
    ClientAdded = "client_added",
    /// An administrator removed a client.
    ClientRemoved = "client_removed",
    /// A metadata document's redirects, keys or name changed.
    ClientChanged = "client_changed",
    /// An administrator cut all agents of a client, or of a host's clients, off.
    ClientCutOff = "client_cut_off",
    /// A client was switched off.
    ClientDisabled = "client_disabled",
    /// A client was switched on again.
    ClientEnabled = "client_enabled",
    /// A code was redeemed.
    TokenIssued = "token_issued",
    /// A token was refreshed.
    TokenRefreshed = "token_refreshed",
    /// A refresh was answered again, within its grace.
    RefreshRetried = "refresh_retried",
    /// A machine got a token.
    MachineTokenIssued = "machine_token_issued",
    /// A grant ended, for the reason given.
    GrantEnded = "grant_ended",
    /// A machine agent was switched off.
    AgentSuspended = "agent_suspended",
    /// A machine agent was switched on again.
    AgentRestored = "agent_restored",
    /// An account was made.
    UserAdded = "user_added",
    /// An account was switched off.
    UserDisabled = "user_disabled",
    /// An account was switched on.
    UserEnabled = "user_enabled",
    /// An account was removed.
    UserRemoved = "user_removed",
    /// A password was set.
    PasswordChanged = "password_changed",
    /// A set-up link was made.
    SetupLinkMade = "setup_link_made",
    /// The signing key was rotated.
    KeyRotated = "key_rotated",
    /// A signing key was cut off, and all tokens with it.
    KeyRevoked = "key_revoked",
    /// A label was changed.
    AgentRenamed = "agent_renamed",
    /// A person's groups were changed.
    GroupsChanged = "groups_changed",
    /// A registration was changed by whoever holds its token (RFC 7592).
    ClientUpdated = "client_updated",
    /// A personal token was made.
    PersonalTokenMade = "personal_token_made",
    /// An agent was refused for lack of scopes.
    ScopeWanted = "scope_wanted",
    /// A person allowed an agent a scope it wanted.
    ScopeAllowed = "scope_allowed",
    /// A person denied it.
    ScopeDenied = "scope_denied",
    /// A call was put before its person.
    ApprovalAsked = "approval_asked",
    /// The person approved it.
    ApprovalGiven = "approval_given",
    /// The person denied it.
    ApprovalDenied = "approval_denied",
    /// The approved call came.
    ApprovalSpent = "approval_spent",
    /// Tools that are new or changed are hidden.
    ToolHeld = "tool_held",
    /// Tools were accepted.
    ToolAccepted = "tool_accepted",
    /// A tool was called; in a row written before the call, how it ended stands in a later `tool_answered`.
    ToolCalled = "tool_called",
    /// How a call ended whose row had to be written before it.
    ToolAnswered = "tool_answered",
    /// A resource was read.
    ResourceRead = "resource_read",
    /// A prompt was got.
    PromptGot = "prompt_got",
    /// Any other request of an agent.
    RequestMade = "request_made",
    /// A request of a proven agent was refused for another cause than a decision on its call.
    RequestRefused = "request_refused",
    /// Requests that nobody proven stood behind were refused: how many in one minute, for one reason.
    RefusedUnproven = "refused_unproven",
    /// A provider was switched off, or is configured no longer: its people are cut off.
    ProviderSwitchedOff = "provider_switched_off",
    /// A provider's people may act.
    ProviderSwitchedOn = "provider_switched_on",
    /// An account was tied to somebody at a provider.
    AccountLinked = "account_linked",
    /// It was untied.
    AccountUnlinked = "account_unlinked",
    /// An administrator gave an account an e-mail address, or took it.
    AddressSet = "address_set",
    /// What the trail knows of a person was erased.
    UserErased = "user_erased",
}

impl EventKind {
    /// Reads a word of a row.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// The kind of a request, by its JSON-RPC method.
    pub fn of_method(method: &str) -> Self {
        match method {
            "tools/call" => Self::ToolCalled,
            "resources/read" => Self::ResourceRead,
            "prompts/get" => Self::PromptGot,
            _ => Self::RequestMade,
        }
    }
}

/// What is known of one request of an agent. Texts of strangers are kept, never trusted: a row holds as much of each as
/// its named limit in [`audit`](crate::audit) lets through, with control characters replaced. The scopes the operation
/// used are the event's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFacts {
    /// What stands for this very request in the log.
    pub request: Option<String>,
    /// The trace it belongs to (W3C Trace Context).
    pub trace: Option<String>,
    /// The JSON-RPC method.
    pub method: String,
    /// The tool, prompt or resource URI.
    pub name: Option<String>,
    /// The word for what was decided, such as `allowed` or `hidden`.
    pub decision: Cow<'static, str>,
    /// The rule behind the decision.
    pub rule: Option<String>,
    /// How long it took, in whole microseconds in the row; none while it is not over.
    pub latency: Option<Duration>,
    /// The word for how it ended; none while it is not over, and for a call that was not forwarded.
    pub ending: Option<Cow<'static, str>>,
}

/// What of an event tells about a person. It stands beside the chain, so that it can be erased and the chain still
/// verifies; see [`audit`](crate::audit).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Personal {
    /// The name of the account at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What stands for the arguments of the call, unsalted: whoever can guess them can check the guess.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::audit::hex::maybe")]
    pub arguments: Option<Digest>,
    /// The arguments themselves, where the owner wants them kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
}

impl Personal {
    /// Whether there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.name.is_none() && self.arguments.is_none() && self.values.is_none()
    }
}

impl fmt::Debug for Personal {
    /// Says what is there, and not what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |there: bool| if there { "Some(…)" } else { "None" };
        f.debug_struct("Personal")
            .field("name", &format_args!("{}", told(self.name.is_some())))
            .field("arguments", &format_args!("{}", told(self.arguments.is_some())))
            .field("values", &format_args!("{}", told(self.values.is_some())))
            .finish()
    }
}

/// One event of the audit trail, as it is asked to be written. It names no secret; what a stranger chose stands in
/// [`CallFacts`] and [`Personal`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was over: events are written in about this order.
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
    /// How many times, where one event stands for many.
    pub count: Option<u32>,
    /// The request of an agent, if it is about one.
    pub call: Option<Box<CallFacts>>,
    /// What it tells about a person.
    pub person: Option<Box<Personal>>,
}

impl Event {
    /// An event with nothing but its kind and time.
    pub fn new(kind: EventKind, at: UnixTime) -> Self {
        Self {
            at,
            kind,
            user: None,
            client: None,
            grant: None,
            resource: None,
            scopes: None,
            reason: None,
            count: None,
            call: None,
            person: None,
        }
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
    /// Says how many times.
    #[must_use]
    pub const fn count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }
    /// Says what was asked, and what was decided.
    #[must_use]
    pub fn call(mut self, call: CallFacts) -> Self {
        self.call = Some(Box::new(call));
        self
    }
    /// Tells about the person; nothing, if there is nothing to tell.
    #[must_use]
    pub fn person(mut self, person: Personal) -> Self {
        self.person = (!person.is_empty()).then(|| Box::new(person));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_and_no_two_share_a_word() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(EventKind::parse("no_such_thing"), None);
        assert_eq!(EventKind::of_method("tools/call"), EventKind::ToolCalled);
        assert_eq!(EventKind::of_method("tools/list"), EventKind::RequestMade);
    }

    #[test]
    fn t_canary_what_is_personal_is_not_in_debug_output() {
        let person = Personal { name: Some("canary".into()), arguments: None, values: Some("canary".into()) };
        assert_eq!(format!("{person:?}"), "Personal { name: Some(…), arguments: None, values: Some(…) }");
    }
}
