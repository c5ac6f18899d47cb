//! The records: what a store keeps, as the rules see it.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, CodeId, GrantId, SessionId, UserId};
use portcullis_wire::pkce::CodeChallenge;
use portcullis_wire::redirect::RedirectUri;
use portcullis_wire::register::ClientMetadata;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::federation::ProviderLink;
use crate::groups::Group;
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::want::Wanted;

/// How we came to know a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It registered itself (RFC 7591). Its name is its own claim.
    Registered,
    /// An administrator entered it.
    Preregistered,
    /// Its `client_id` is the URL of its metadata document.
    Document,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// How we know it.
    pub origin: Origin,
    /// What it says of itself, judged.
    pub metadata: ClientMetadata,
    /// The digest of its secret, if it has one.
    pub secret: Option<Digest>,
    /// The digest of its registration access token (RFC 7592), if its registration is its own to change.
    pub management: Option<Digest>,
    /// The most a pre-registered client may ever get; `None` sets no bound beyond the resource's own.
    pub ceiling: Option<Scopes>,
    /// The one resource whose tokens it may introspect (RFC 7662): set for resource servers only.
    pub introspects: Option<Resource>,
    /// Whether an administrator has left it switched on.
    pub enabled: bool,
    /// When we first saw it.
    pub created_at: UnixTime,
    /// When it may be forgotten, unless a grant of its lives.
    pub expires_at: Option<UnixTime>,
}

/// A stored password hash (argon2id, PHC string). Not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string.
    pub fn new(phc: String) -> Self {
        Self(phc)
    }
    /// The PHC string, for the row and for the check.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// What an expectation names: which hash was relied on.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Random; the `sub` of every token.
    pub id: UserId,
    /// The name they sign in with, as they spell it.
    pub name: String,
    /// Their password; none for whoever signs in through a provider alone.
    pub password: Option<PasswordHash>,
    /// Their e-mail address, verified by a provider or entered by an administrator, as
    /// [`address`](crate::federation::address) spells it.
    pub email: Option<String>,
    /// Whether they administer this installation.
    pub admin: bool,
    /// Whether they may act at all: not switched off, and neither is the provider they belong to, if they belong to one.
    pub enabled: bool,
    /// Whether an administrator switched this very account off.
    pub switched_off: bool,
    /// To whom at which provider the account belongs.
    pub provider: Option<ProviderLink>,
    /// Until when their last sign-in at that provider counts; says nothing without one.
    pub proven_until: Option<UnixTime>,
    /// The groups they are in, by which resources admit them.
    pub groups: BTreeSet<Group>,
    /// When the account was made.
    pub created_at: UnixTime,
}

impl User {
    /// A new account: switched on, no administrator, in no group, of no provider.
    pub fn new(id: UserId, name: String, password: Option<PasswordHash>, now: UnixTime) -> Self {
        Self {
            id,
            name,
            password,
            email: None,
            admin: false,
            enabled: true,
            switched_off: false,
            provider: None,
            proven_until: None,
            groups: BTreeSet::new(),
            created_at: now,
        }
    }

    /// Whether they may act now. Without a provider's proof nobody who belongs to one does.
    ///
    /// # Errors
    /// [`Refusal::PersonDisabled`]; [`Refusal::ProofOver`] for whoever has to sign in at their provider again.
    pub fn may_act(&self, now: UnixTime) -> Result<(), Refusal> {
        match (self.enabled && !self.switched_off, &self.provider) {
            (false, _) => Err(Refusal::PersonDisabled),
            (true, Some(_)) if self.proven_until.is_none_or(|until| until <= now) => Err(Refusal::ProofOver),
            (true, _) => Ok(()),
        }
    }

    /// When their proof at a provider will be too old; none if they belong to no provider.
    pub fn proof_ends(&self) -> Option<UnixTime> {
        self.provider.as_ref().and(self.proven_until)
    }

    /// Whether they may act now.
    pub fn stands(&self, now: UnixTime) -> bool {
        self.may_act(now).is_ok()
    }
}

/// The one spelling under which an account is counted, throttled and found.
pub fn account_key(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its row.
    pub id: SessionId,
    /// The digest of the cookie.
    pub digest: Digest,
    /// Whose it is.
    pub user: UserId,
    /// When the person proved who they are: here, or at their provider, where it may have been earlier.
    pub created_at: UnixTime,
    /// When it ends by itself.
    pub expires_at: UnixTime,
}

/// An authorization code, from consent to redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its row.
    pub id: CodeId,
    /// The digest of the code.
    pub digest: Digest,
    /// For whom it was made.
    pub client: ClientId,
    /// Who allowed it.
    pub user: UserId,
    /// Where it was sent, exactly.
    pub redirect_uri: RedirectUri,
    /// What the verifier must answer to.
    pub challenge: CodeChallenge,
    /// The resource it is good for.
    pub resource: Resource,
    /// What was approved.
    pub scopes: Scopes,
    /// The grant that ends when the new one is first used.
    pub replaces: Option<GrantId>,
    /// When it dies.
    pub expires_at: UnixTime,
    /// The grant it was redeemed for.
    pub spent: Option<GrantId>,
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person took it back.
    RevokedByPerson,
    /// An administrator did.
    RevokedByAdmin,
    /// The client did (RFC 7009).
    RevokedByClient,
    /// Its code was redeemed a second time, with proof.
    CodeReplayed,
    /// A superseded refresh token came back.
    RefreshReplayed,
    /// A newer grant took its place.
    Replaced,
    /// Not used for too long.
    Idle,
    /// Its longest life is over.
    Expired,
    /// Its client was removed.
    ClientRemoved,
    /// Its person was removed.
    PersonRemoved,
    /// The person's password changed and they chose to end everything.
    PasswordChanged,
}

impl EndReason {
    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RevokedByPerson => "revoked_by_person",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::RevokedByClient => "revoked_by_client",
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReplayed => "refresh_replayed",
            Self::Replaced => "replaced",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::ClientRemoved => "client_removed",
            Self::PersonRemoved => "person_removed",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::RevokedByPerson,
            Self::RevokedByAdmin,
            Self::RevokedByClient,
            Self::CodeReplayed,
            Self::RefreshReplayed,
            Self::Replaced,
            Self::Idle,
            Self::Expired,
            Self::ClientRemoved,
            Self::PersonRemoved,
            Self::PasswordChanged,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == text)
    }
}

/// Whether a grant may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// It may.
    Live,
    /// A machine's, switched off until an administrator restores it.
    Suspended,
    /// Never again.
    Ended(EndReason),
}

/// The refresh token just superseded, which may be retried for a short while.
#[derive(Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its digest.
    pub digest: Digest,
    /// Its successor, sealed under a key derived from the old token itself: a dump of the rows opens nothing.
    pub sealed: Vec<u8>,
    /// Until when it may be retried.
    pub until: UnixTime,
}
impl fmt::Debug for Previous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Previous(until {})", self.until.millis())
    }
}

/// The living end of a family of refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The digest of the one that may be redeemed.
    pub current: Digest,
    /// The one before it.
    pub previous: Option<Previous>,
}

/// For whom an agent acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person.
    Person(UserId),
    /// The client itself.
    Machine,
}

/// An agent: one install of a client, acting for one person or for itself, at one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Its client.
    pub client: ClientId,
    /// For whom it acts.
    pub subject: Subject,
    /// Where.
    pub resource: Resource,
    /// What was approved for this very grant.
    pub scopes: Scopes,
    /// Where its code was sent, without the port of a loopback address; none for a machine.
    pub redirect: Option<RedirectUri>,
    /// A name its person gave it.
    pub label: Option<String>,
    /// When it began.
    pub created_at: UnixTime,
    /// When it was last seen.
    pub last_used_at: UnixTime,
    /// When it ends whatever happens; none for a machine.
    pub expires_at: Option<UnixTime>,
    /// Whether it may be used.
    pub state: GrantState,
    /// The grant that ends when this one is first used.
    pub replaces: Option<GrantId>,
    /// Its refresh tokens, if it has any.
    pub tip: Option<Tip>,
    /// What it was refused for lack of, for its person to allow.
    pub wanted: Vec<Wanted>,
    /// The digest of its personal token, if it is one's.
    pub personal: Option<Digest>,
}

impl Grant {
    /// Where it stands at `now`: as its row says, or over by itself, which its row learns at its next use.
    pub fn state_at(&self, lifetimes: &Lifetimes, now: UnixTime) -> GrantState {
        match (self.state, self.subject) {
            (GrantState::Live, Subject::Person(_)) if self.expires_at.is_some_and(|end| end <= now) => {
                GrantState::Ended(EndReason::Expired)
            }
            // A personal token ends at the day it was made for, whether a script uses it or not.
            (GrantState::Live, Subject::Person(_))
                if self.personal.is_none() && self.last_used_at + lifetimes.grant_idle <= now =>
            {
                GrantState::Ended(EndReason::Idle)
            }
            (state, _) => state,
        }
    }
}

/// A one-time link for the first account, or to reset a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupLink {
    /// Its number.
    pub number: u64,
    /// The digest of the link's secret.
    pub digest: Digest,
    /// Whose password it resets; none makes the first account.
    pub reset: Option<UserId>,
    /// When it dies.
    pub expires_at: UnixTime,
}

/// Where a signing key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not yet signing.
    Next,
    /// Signing.
    Active,
    /// No longer signing; its tokens may still live.
    Retired,
    /// Cut off: its tokens are refused.
    Revoked,
}

impl KeyState {
    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Retired, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A signing key, sealed under the master key, which lies in no database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its thumbprint (RFC 7638).
    pub kid: String,
    /// Its algorithm's JWS name.
    pub alg: String,
    /// The sealed PKCS#8 document.
    pub sealed: Vec<u8>,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made.
    pub created_at: UnixTime,
    /// When its state last changed.
    pub changed_at: UnixTime,
}

/// What a cut cuts off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CutTarget {
    /// One agent.
    Grant(GrantId),
    /// Every agent of a client.
    Client(ClientId),
    /// Every agent of the clients whose ids lie on a host.
    Domain(String),
    /// Every agent of a person.
    Person(UserId),
    /// Every token signed with a key.
    Key(String),
}

/// A revocation, by number: tokens whose `rev` is smaller are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its number, from the one counter.
    pub number: u64,
    /// What it cuts off.
    pub target: CutTarget,
    /// When it was made, so that it can be forgotten once every token it touches has expired.
    pub at: UnixTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn t16_a_grant_is_over_by_itself_when_it_is_idle_or_old() {
        let lifetimes = Lifetimes::default();
        let grant = samples::grant();
        let moment = std::time::Duration::from_millis(1);
        assert_eq!(
            grant.state_at(&lifetimes, samples::NOW + lifetimes.grant_idle - moment),
            GrantState::Live
        );
        let idle = grant.state_at(&lifetimes, samples::NOW + lifetimes.grant_idle);
        assert_eq!(idle, GrantState::Ended(EndReason::Idle));
        let used = Grant { last_used_at: samples::NOW + lifetimes.grant, ..grant.clone() };
        let old = used.state_at(&lifetimes, samples::NOW + lifetimes.grant);
        assert_eq!(old, GrantState::Ended(EndReason::Expired));
        let machine = Grant { subject: Subject::Machine, expires_at: None, ..grant };
        assert_eq!(machine.state_at(&lifetimes, samples::NOW + lifetimes.grant), GrantState::Live);
    }
}
