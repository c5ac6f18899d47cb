//! Somebody comes back from a provider: whose account that is, and whether they are let in.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_wire::digest::Digest;
use portcullis_wire::id::UserId;
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;

use super::provider::about;
use super::{PROOF_LASTS, Provider, ProviderLink, ProviderState, names};
use crate::event::{CallFacts, Event, EventKind};
use crate::groups::{self, Group};
use crate::model::{Session, User, account_key};
use crate::people::{FreshSession, open_since};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// What a provider says of somebody, proven, in our words. What it says of a person is theirs: not to be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// The provider.
    pub issuer: String,
    /// The person there, for good.
    pub subject: String,
    /// What they are called there.
    pub name: Option<String>,
    /// Their e-mail address, as [`address`](super::address) spells it; only if it counts as verified.
    pub email: Option<String>,
    /// Their groups here, by the mapping; none if groups are not taken from this provider.
    pub groups: Option<BTreeSet<Group>>,
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// By which rule somebody from a provider gets an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Whether somebody new gets one.
    pub create: bool,
    /// Only with a verified address in one of these domains, in small letters; empty: whatever the address.
    pub domains: BTreeSet<String>,
    /// Only in one of these groups; empty: whatever the groups.
    pub groups: BTreeSet<Group>,
    /// Whether a verified address leads to the account that has it.
    pub link_by_email: bool,
    /// For how long a sign-in there counts.
    pub lasts: Duration,
}

impl Default for Joining {
    /// Somebody new gets an account; an address leads to none.
    fn default() -> Self {
        Self {
            create: true,
            domains: BTreeSet::new(),
            groups: BTreeSet::new(),
            link_by_email: false,
            lasts: PROOF_LASTS,
        }
    }
}

/// Somebody who came back.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a> {
    /// What the provider says of them.
    pub presented: &'a Presented,
    /// The provider's rule.
    pub joining: &'a Joining,
    /// The provider's name.
    pub provider: &'a str,
    /// What was remembered of the way out: taken, whatever is decided.
    pub handoff: Digest,
    /// When the person proved there who they are, as far as it is known; the beginning of time if it is not. What asks
    /// for a fresh sign-in goes by this, and not by when they came back.
    pub proven_at: UnixTime,
    /// The session the browser held before.
    pub held: Option<&'a Session>,
    /// The session to open.
    pub fresh: FreshSession,
    /// The account to make, should one be made.
    pub new_user: UserId,
    /// Whether a refusal belongs in the audit trail. Few do: each is a row that stays.
    pub tell: bool,
}

/// What a decision on somebody who came back knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrivalFacts {
    /// The provider.
    pub provider: Option<Provider>,
    /// The account that belongs to exactly this person there.
    pub linked: Option<User>,
    /// Accounts that have the address, two at most.
    pub by_email: Vec<User>,
    /// Which of the names that were asked about are taken, by their keys.
    pub taken: BTreeSet<String>,
    /// Whether what was remembered of the way out is there still.
    pub handoff: bool,
}

/// How somebody came to their account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// They had it.
    Known,
    /// It was made for them.
    Created,
    /// Their verified address led to it.
    Linked,
}

impl How {
    /// The word in rows and in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Created => "created",
            Self::Linked => "linked",
        }
    }

    /// The same in a sentence, for whoever administers.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Known => "The account already belongs to this person at this provider.",
            Self::Created => "There is no account yet, and the provider's rule makes one.",
            Self::Linked => "The verified address is that of one account, and link_by_email is on.",
        }
    }
}

/// Somebody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// As whom.
    pub user: UserId,
    /// How they came to that account.
    pub how: How,
}

/// Why somebody whom a provider vouches for is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotLetIn {
    /// The provider is switched off, or not configured.
    ProviderOff,
    /// An administrator switched the account off.
    AccountDisabled,
    /// No account, and none is made.
    NotInvited,
    /// The address is in none of the domains.
    Domain,
    /// In none of the groups.
    Group,
    /// No verified address, where one is asked for.
    EmailUnverified,
    /// More than one account has the address.
    EmailAmbiguous,
    /// The account of that address belongs to somebody at a provider.
    LinkedElsewhere,
    /// The account of that address is an administrator's.
    Administrator,
    /// More groups than one person may be in.
    GroupsTooMany,
}

impl NotLetIn {
    /// The word in the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderOff => "provider_off",
            Self::AccountDisabled => "account_disabled",
            Self::NotInvited => "not_invited",
            Self::Domain => "domain",
            Self::Group => "group",
            Self::EmailUnverified => "email_unverified",
            Self::EmailAmbiguous => "email_ambiguous",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::Administrator => "administrator",
            Self::GroupsTooMany => "groups_too_many",
        }
    }

    /// What to do about it, in ASCII, for whoever administers.
    pub const fn why(self) -> &'static str {
        match self {
            Self::ProviderOff => "The provider is switched off. Switch it on to let its people in.",
            Self::AccountDisabled => "The account was switched off by an administrator.",
            Self::NotInvited => {
                "There is no account for this person, and accounts = \"known\" makes none. Link one, or set accounts = \"create\"."
            }
            Self::Domain => "The verified address is in none of account_domains.",
            Self::Group => "The person is in none of account_groups, after the mapping of groups.",
            Self::EmailUnverified => {
                "account_domains asks for a verified address, and the provider sent none. Send the e-mail claim with email_verified, or vouch for it with trust_email."
            }
            Self::EmailAmbiguous => {
                "More than one account has this address. Link the right one by issuer and subject."
            }
            Self::LinkedElsewhere => {
                "The account of this address belongs to another person or provider. Unlink it first if that is wrong."
            }
            Self::Administrator => {
                "The account of this address is an administrator's, which no address leads to. Link it by issuer and subject."
            }
            Self::GroupsTooMany => {
                "The person is in more groups than one may be here. Map fewer of them, and do not keep the others."
            }
        }
    }
}

/// What is decided, before anything is written.
enum Decision<'a> {
    Known(&'a User),
    Linked(&'a User),
    Created(String),
}

fn decide<'a>(
    presented: &Presented,
    joining: &Joining,
    provider: &str,
    new: UserId,
    facts: &'a ArrivalFacts,
) -> Result<Decision<'a>, (NotLetIn, Option<UserId>)> {
    let linked = facts.linked.as_ref();
    let no = |why| Err((why, linked.map(|user| user.id)));
    let on =
        |provider: &&Provider| provider.state == ProviderState::On && provider.issuer == presented.issuer;
    if facts.provider.as_ref().filter(on).is_none() {
        return no(NotLetIn::ProviderOff);
    }
    if presented.groups.as_ref().is_some_and(|groups| groups.len() > limit::GROUPS) {
        return no(NotLetIn::GroupsTooMany);
    }
    if let Some(user) = linked {
        return if user.switched_off { no(NotLetIn::AccountDisabled) } else { Ok(Decision::Known(user)) };
    }
    if joining.link_by_email && presented.email.is_some() {
        let has = |user: &&User| user.email == presented.email;
        let mut found = facts.by_email.iter().filter(has);
        match (found.next(), found.next()) {
            (None, _) => {}
            (Some(_), Some(_)) => return Err((NotLetIn::EmailAmbiguous, None)),
            (Some(user), None) => {
                let why = match user {
                    User { admin: true, .. } => NotLetIn::Administrator,
                    User { provider: Some(_), .. } => NotLetIn::LinkedElsewhere,
                    User { switched_off: true, .. } => NotLetIn::AccountDisabled,
                    user => return Ok(Decision::Linked(user)),
                };
                return Err((why, Some(user.id)));
            }
        }
    }
    if !joining.create {
        return no(NotLetIn::NotInvited);
    }
    if !joining.domains.is_empty() {
        let domain = presented.email.as_deref().and_then(|email| email.split_once('@'));
        match domain {
            None => return no(NotLetIn::EmailUnverified),
            Some((_, domain)) if !joining.domains.contains(domain) => return no(NotLetIn::Domain),
            Some(_) => {}
        }
    }
    if !joining.groups.is_empty()
        && presented.groups.as_ref().is_none_or(|groups| groups.is_disjoint(&joining.groups))
    {
        return no(NotLetIn::Group);
    }
    let free = |name: &String| !facts.taken.contains(&account_key(name));
    let name = names(presented, provider, new).into_iter().find(free);
    // The last of the names holds a part of the new account's random id: one that is taken is as good as impossible, and
    // what is then written is a conflict and decided anew.
    Ok(Decision::Created(name.unwrap_or_else(|| new.to_string())))
}

/// Decides on somebody who came back, and signs them in. What was remembered of their way out is taken whatever is
/// decided: nobody comes back twice.
pub fn arrive(
    ask: &Arriving<'_>,
    facts: &ArrivalFacts,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<Arrival> {
    if !facts.handoff {
        return Verdict::refuse(Refusal::FormSpent);
    }
    let Arriving { presented, joining, provider, .. } = *ask;
    let taken = Write::TakeHandoff(ask.handoff);
    let decision = match decide(presented, joining, provider, ask.new_user, facts) {
        Ok(decision) => decision,
        Err((why, user)) => {
            let event = Event::new(EventKind::SignInRefused, now).reason(why.as_str());
            let event = about(Event { user, ..event }, provider);
            let no = Verdict::refuse(Refusal::NotLetIn(why)).writing(taken);
            return if ask.tell { no.writing(Write::Audit(event)) } else { no };
        }
    };
    let until = now + joining.lasts;
    let to = ProviderLink { issuer: presented.issuer.clone(), subject: presented.subject.clone() };
    let arrived = |user, how| {
        Verdict::yes(Arrival { user, how })
            .expecting(Expect::ProviderOn(presented.issuer.clone()))
            .writing(taken.clone())
    };
    let told = |kind, user| about(Event::new(kind, now).user(user).reason("by_provider"), provider);
    let (verdict, user, how) = match decision {
        Decision::Known(user) => {
            let verdict = arrived(user.id, How::Known)
                .expecting(Expect::UserEnabled(user.id))
                // Nothing changes, and nothing may have: it is the link that is relied on.
                .writing(Write::SetLink { user: user.id, from: Some(to.clone()), to: Some(to) });
            // An address the provider has verified takes the place of an older one; one it does not speak of stays.
            let verdict = match &presented.email {
                Some(email) if user.email.as_ref() != Some(email) => verdict.writing(Write::SetEmail {
                    user: user.id,
                    from: user.email.clone(),
                    to: Some(email.clone()),
                }),
                _ => verdict,
            };
            let verdict = verdict.writing(Write::SetProven(user.id, Some(until)));
            (with_groups(verdict, user, presented, now), user.id, How::Known)
        }
        Decision::Linked(user) => {
            let verdict = arrived(user.id, How::Linked)
                .expecting(Expect::UserEnabled(user.id))
                // Nothing changes, and nothing may have: it is the address that is relied on.
                .writing(Write::SetEmail { user: user.id, from: user.email.clone(), to: user.email.clone() })
                .writing(Write::SetLink { user: user.id, from: None, to: Some(to) })
                .writing(Write::SetProven(user.id, Some(until)))
                .writing(Write::Audit(told(EventKind::AccountLinked, user.id).reason("by_email")));
            (with_groups(verdict, user, presented, now), user.id, How::Linked)
        }
        Decision::Created(name) => {
            let user = User {
                email: presented.email.clone(),
                groups: presented.groups.clone().unwrap_or_default(),
                provider: Some(to),
                proven_until: Some(until),
                ..User::new(ask.new_user, name, None, now)
            };
            let id = user.id;
            let verdict = arrived(id, How::Created)
                .writing(Write::AddUser(user))
                .writing(Write::Audit(told(EventKind::UserAdded, id)));
            (verdict, id, How::Created)
        }
    };
    // The browser forgets the session it held; nobody else may go on with it.
    let verdict = match ask.held {
        Some(held) => verdict
            .writing(Write::EndSession(held.id))
            .writing(Write::Audit(Event::new(EventKind::SignedOut, now).user(held.user))),
        None => verdict,
    };
    let signed_in = Event::new(EventKind::SignedIn, now).user(user).call(CallFacts {
        method: "sign_in".to_owned(),
        rule: Some(provider.to_owned()),
        decision: how.as_str().into(),
        ..CallFacts::default()
    });
    verdict
        .writing(open_since(user, ask.fresh, lifetimes, ask.proven_at, now))
        .writing(Write::Audit(signed_in))
}

/// What the provider says of somebody's groups takes the place of what was known.
fn with_groups(
    mut verdict: Verdict<Arrival>,
    user: &User,
    presented: &Presented,
    now: UnixTime,
) -> Verdict<Arrival> {
    if let Some(to) = &presented.groups {
        verdict.writes.extend(groups::change(user, to.clone(), now));
    }
    verdict
}

/// What would be decided on somebody, with nothing written: for an administrator's trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How they would come to an account, or why not.
    pub outcome: Result<How, NotLetIn>,
    /// The account, if there is one.
    pub user: Option<UserId>,
    /// What the account is or would be called.
    pub name: Option<String>,
    /// The groups they would be in.
    pub groups: BTreeSet<Group>,
}

impl Judged {
    /// The reason, in a sentence.
    pub const fn why(&self) -> &'static str {
        match self.outcome {
            Ok(how) => how.why(),
            Err(why) => why.why(),
        }
    }
}

/// Judges somebody as [`arrive`] does, and writes nothing.
pub fn judge(presented: &Presented, joining: &Joining, provider: &str, facts: &ArrivalFacts) -> Judged {
    let known = |user: &User| presented.groups.clone().unwrap_or_else(|| user.groups.clone());
    match decide(presented, joining, provider, UserId::from_number(0), facts) {
        Ok(Decision::Known(user)) => Judged {
            outcome: Ok(How::Known),
            user: Some(user.id),
            name: Some(user.name.clone()),
            groups: known(user),
        },
        Ok(Decision::Linked(user)) => Judged {
            outcome: Ok(How::Linked),
            user: Some(user.id),
            name: Some(user.name.clone()),
            groups: known(user),
        },
        Ok(Decision::Created(name)) => Judged {
            outcome: Ok(How::Created),
            user: None,
            name: Some(name),
            groups: presented.groups.clone().unwrap_or_default(),
        },
        Err((why, user)) => {
            let all = facts.linked.iter().chain(&facts.by_email);
            let found = user.and_then(|id| all.clone().find(|user| user.id == id));
            Judged {
                outcome: Err(why),
                user,
                name: found.map(|user| user.name.clone()),
                groups: found.map_or_else(|| presented.groups.clone().unwrap_or_default(), known),
            }
        }
    }
}
