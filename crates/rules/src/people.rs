//! People: signing in and out, the first account, and what administrators do. Passwords were checked, and new
//! ones hashed, before any of these decisions; they enter as values.

use portcullis_wire::digest::Digest;
use portcullis_wire::id::{SessionId, UserId};
use portcullis_wire::limit;
use portcullis_wire::text::displayable;
use portcullis_wire::time::UnixTime;

use crate::event::{Event, EventKind};
use crate::facts::{SetupFacts, SignInFacts};
use crate::model::{CutTarget, EndReason, PasswordHash, Session, SetupLink, User};
use crate::refusal::Refusal;
use crate::settings::Lifetimes;
use crate::verdict::{Expect, Verdict, Write};

/// A form's one-time ticket.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// What stands for it.
    pub digest: Digest,
    /// Until when it is good.
    pub until: UnixTime,
}

impl Ticket {
    fn spend(self) -> Write {
        Write::Spend { digest: self.digest, until: self.until }
    }
}

/// Freshly made, for one try.
#[derive(Clone, Copy, Debug)]
pub struct FreshSession {
    /// Its row.
    pub id: SessionId,
    /// The digest of its cookie.
    pub digest: Digest,
}

pub(crate) fn open(user: UserId, fresh: FreshSession, lifetimes: &Lifetimes, now: UnixTime) -> Write {
    open_since(user, fresh, lifetimes, now, now)
}

/// Opens a session of somebody who proved at `proven_at` who they are.
pub(crate) fn open_since(
    user: UserId,
    fresh: FreshSession,
    lifetimes: &Lifetimes,
    proven_at: UnixTime,
    now: UnixTime,
) -> Write {
    Write::OpenSession(Session {
        id: fresh.id,
        digest: fresh.digest,
        user,
        created_at: proven_at.min(now),
        expires_at: now + lifetimes.session,
    })
}

/// A name fit for an account, as it will be shown.
///
/// # Errors
/// [`Refusal::NameUnfit`].
pub fn account_name(text: &str) -> Result<String, Refusal> {
    let name = displayable(text, limit::ACCOUNT_NAME + 1);
    if name.is_empty() || name.chars().count() > limit::ACCOUNT_NAME || name.ends_with('…') {
        return Err(Refusal::NameUnfit);
    }
    Ok(name)
}

/// Whether a password has a fit length.
///
/// # Errors
/// [`Refusal::PasswordUnfit`].
pub fn password_fits(password: &str) -> Result<(), Refusal> {
    match (limit::PASSWORD_MIN..=limit::PASSWORD_MAX).contains(&password.chars().count()) {
        true => Ok(()),
        false => Err(Refusal::PasswordUnfit),
    }
}

/// An attempt to sign in, its password looked at.
#[derive(Clone, Copy, Debug)]
pub struct SigningIn<'a> {
    /// The digest of the hash the password was found to match; none if it matched none.
    pub proven: Option<Digest>,
    /// The form's ticket.
    pub ticket: Ticket,
    /// The session the browser held before.
    pub held: Option<&'a Session>,
    /// The session to open.
    pub fresh: FreshSession,
    /// Whether a refusal belongs in the audit trail. Few do: each is a row that stays, and anybody can fail.
    pub tell: bool,
}

/// Signs in. Every attempt spends its ticket, for a name that nobody has as for one that somebody has: a form is
/// good for one password, and both answers cost one commit.
pub fn sign_in(
    ask: &SigningIn<'_>,
    facts: &SignInFacts,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<UserId> {
    if facts.spent || ask.ticket.until <= now {
        return Verdict::refuse(Refusal::FormSpent);
    }
    let proven = facts.user.as_ref().filter(|user| user.stands(now)).zip(ask.proven);
    let is = |user: &User, hash| user.password.as_ref().is_some_and(|password| password.digest() == hash);
    let Some((user, hash)) = proven.filter(|(user, hash)| is(user, *hash)) else {
        // An account that may not act, by itself or by its provider, answers like a wrong password, and so does one without
        // a password: who may act here is nobody else's business.
        let no = Verdict::refuse(Refusal::WrongPassword).writing(ask.ticket.spend());
        return match facts.user.as_ref().filter(|_| ask.tell) {
            Some(user) => no.writing(Write::Audit(Event::new(EventKind::SignInRefused, now).user(user.id))),
            None => no,
        };
    };
    let yes = Verdict::yes(user.id)
        .expecting(Expect::UserEnabled(user.id))
        .expecting(Expect::PasswordIs(user.id, hash))
        .writing(ask.ticket.spend());
    // The browser forgets the session it held; nobody else may go on with it.
    let yes = match ask.held {
        Some(held) => yes
            .writing(Write::EndSession(held.id))
            .writing(Write::Audit(Event::new(EventKind::SignedOut, now).user(held.user))),
        None => yes,
    };
    yes.writing(open(user.id, ask.fresh, lifetimes, now))
        .writing(Write::Audit(Event::new(EventKind::SignedIn, now).user(user.id)))
}

/// Signs out this browser.
pub fn sign_out(session: &Session, now: UnixTime) -> Verdict<()> {
    Verdict::yes(())
        .writing(Write::EndSession(session.id))
        .writing(Write::Audit(Event::new(EventKind::SignedOut, now).user(session.user)))
}

/// Ends every agent and every session of a person, at their own wish.
pub fn stop_everything(user: UserId, now: UnixTime) -> Verdict<()> {
    Verdict::yes(())
        .writing(Write::EndGrantsOfPerson(user, EndReason::RevokedByPerson, now))
        .writing(Write::EndSessionsOf(user, None))
        .writing(Write::Audit(
            Event::new(EventKind::GrantEnded, now).user(user).reason(EndReason::RevokedByPerson.as_str()),
        ))
}

/// Makes a set-up link. With an account that has a password it must name whose password it resets.
pub fn make_setup_link(
    number: u64,
    digest: Digest,
    reset: Option<&User>,
    has_local_users: bool,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<()> {
    if has_local_users && reset.is_none() {
        return Verdict::refuse(Refusal::NotFirst);
    }
    let link = SetupLink {
        number,
        digest,
        reset: reset.map(|user| user.id),
        expires_at: now + lifetimes.setup_link,
    };
    Verdict::yes(())
        .writing(Write::PutSetupLink(link))
        .writing(Write::Audit(Event::new(EventKind::SetupLinkMade, now)))
}

/// Whether a presented set-up link is good now.
///
/// # Errors
/// [`Refusal::LinkDead`].
pub fn setup_link<'a>(
    presented: &Digest,
    facts: &'a SetupFacts,
    now: UnixTime,
) -> Result<&'a SetupLink, Refusal> {
    let link = facts
        .link
        .as_ref()
        .filter(|link| link.digest.matches(presented) && link.expires_at > now)
        .ok_or(Refusal::LinkDead)?;
    if link.reset.is_none() && facts.has_local_users {
        return Err(Refusal::LinkDead);
    }
    Ok(link)
}

/// Uses a set-up link: makes the first account with a password, an administrator's, or sets the password of the one named.
pub fn set_up(
    presented: &Digest,
    first: User,
    facts: &SetupFacts,
    fresh: FreshSession,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Verdict<UserId> {
    let link = match setup_link(presented, facts, now) {
        Ok(link) => link,
        Err(refusal) => return Verdict::refuse(refusal),
    };
    let spend = Write::SpendSetupLink(link.number);
    match (link.reset, &facts.user) {
        (None, _) => Verdict::yes(first.id)
            .expecting(Expect::NoLocalUsers)
            .writing(spend)
            .writing(Write::AddUser(first.clone()))
            .writing(open(first.id, fresh, lifetimes, now))
            .writing(Write::Audit(Event::new(EventKind::UserAdded, now).user(first.id))),
        (Some(id), Some(user)) if user.id == id => match first.password {
            Some(password) => Verdict::yes(id)
                .writing(spend)
                .writing(Write::SetPassword(id, password))
                .writing(Write::EndSessionsOf(id, None))
                .writing(Write::EndGrantsOfPerson(id, EndReason::PasswordChanged, now))
                .writing(open(id, fresh, lifetimes, now))
                .writing(Write::Audit(Event::new(EventKind::PasswordChanged, now).user(id))),
            None => Verdict::refuse(Refusal::PasswordUnfit),
        },
        (Some(_), _) => Verdict::refuse(Refusal::UserUnknown),
    }
}

/// Makes an account.
pub fn add(user: User, taken: bool, now: UnixTime) -> Verdict<UserId> {
    if taken {
        return Verdict::refuse(Refusal::NameTaken);
    }
    let id = user.id;
    Verdict::yes(id)
        .writing(Write::AddUser(user))
        .writing(Write::Audit(Event::new(EventKind::UserAdded, now).user(id)))
}

/// Changes a password by whoever knows the old one; other sessions of the account end, its agents go on.
pub fn change_password(
    user: UserId,
    hash: PasswordHash,
    keep: Option<SessionId>,
    now: UnixTime,
) -> Verdict<()> {
    Verdict::yes(())
        .writing(Write::SetPassword(user, hash))
        .writing(Write::EndSessionsOf(user, keep))
        .writing(Write::Audit(Event::new(EventKind::PasswordChanged, now).user(user)))
}

/// Gives an account a new password without the old one: whoever had it may have used it, so its sessions and its
/// agents end with it.
pub fn reset_password(user: UserId, hash: PasswordHash, now: UnixTime) -> Verdict<()> {
    change_password(user, hash, None, now).writing(Write::EndGrantsOfPerson(
        user,
        EndReason::PasswordChanged,
        now,
    ))
}

/// Switches an account off: its tokens are refused at their next use, its grants sleep.
pub fn disable(user: UserId, now: UnixTime) -> Verdict<()> {
    Verdict::yes(())
        .writing(Write::SetUserEnabled(user, false))
        .writing(Write::EndSessionsOf(user, None))
        .writing(Write::Cut(CutTarget::Person(user), now))
        .writing(Write::Audit(Event::new(EventKind::UserDisabled, now).user(user)))
}

/// Switches an account on again.
pub fn enable(user: UserId, now: UnixTime) -> Verdict<()> {
    Verdict::yes(())
        .writing(Write::SetUserEnabled(user, true))
        .writing(Write::Audit(Event::new(EventKind::UserEnabled, now).user(user)))
}

/// Removes an account; its agents end.
pub fn remove(user: UserId, now: UnixTime) -> Verdict<()> {
    Verdict::yes(())
        .writing(Write::EndGrantsOfPerson(user, EndReason::PersonRemoved, now))
        .writing(Write::RemoveUser(user))
        .writing(Write::Audit(Event::new(EventKind::UserRemoved, now).user(user)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::federation::samples::employee;
    use crate::model::account_key;
    use crate::samples;

    fn ticket() -> Ticket {
        Ticket { digest: Digest::of(b"t"), until: samples::NOW + Duration::from_secs(1) }
    }
    fn hash_of(user: &User) -> Digest {
        user.password.as_ref().unwrap().digest()
    }
    fn fresh() -> FreshSession {
        FreshSession { id: SessionId::from_number(1), digest: Digest::of(b"s") }
    }

    #[test]
    fn t_canon_one_spelling_for_one_account() {
        for (a, b) in [("Alex", " alex "), ("Alex Example", "ALEX   EXAMPLE"), ("Älex", "äLEX")] {
            assert_eq!(account_key(a), account_key(b));
        }
    }

    #[test]
    fn a31_signing_in_relies_on_the_hash_that_was_checked() {
        let user = samples::user();
        let facts = SignInFacts { user: Some(user.clone()), spent: false };
        let run = |proven, facts: &SignInFacts, tell| {
            let ask = SigningIn { proven, ticket: ticket(), held: None, fresh: fresh(), tell };
            sign_in(&ask, facts, &Lifetimes::default(), samples::NOW)
        };
        let yes = run(Some(hash_of(&user)), &facts, false);
        assert!(yes.outcome.is_ok() && yes.expects.contains(&Expect::PasswordIs(user.id, hash_of(&user))));
        let lapsed = User { proven_until: Some(samples::NOW), ..employee() };
        for (name, facts, proven, expected) in [
            (
                "unknown",
                SignInFacts { user: None, spent: false },
                Some(hash_of(&user)),
                Refusal::WrongPassword,
            ),
            ("wrong", facts.clone(), None, Refusal::WrongPassword),
            (
                "password changed meanwhile",
                facts.clone(),
                Some(Digest::of(b"older hash")),
                Refusal::WrongPassword,
            ),
            (
                "disabled",
                SignInFacts { user: Some(User { enabled: false, ..user.clone() }), spent: false },
                Some(hash_of(&user)),
                Refusal::WrongPassword,
            ),
            (
                "proof at the provider lapsed",
                SignInFacts { user: Some(User { password: user.password.clone(), ..lapsed }), spent: false },
                Some(hash_of(&user)),
                Refusal::WrongPassword,
            ),
            (
                "no password",
                SignInFacts { user: Some(employee()), spent: false },
                Some(hash_of(&user)),
                Refusal::WrongPassword,
            ),
            ("form used", SignInFacts { spent: true, ..facts }, Some(hash_of(&user)), Refusal::FormSpent),
        ] {
            let verdict = run(proven, &facts, false);
            assert_eq!(verdict.outcome.as_ref().err(), Some(&expected), "{name}");
            // A24, and T-enum: the ticket is spent, and nothing else is written, whoever the name is.
            let spends = if expected == Refusal::FormSpent { vec![] } else { vec![ticket().spend()] };
            assert_eq!(verdict.writes, spends, "{name}");
            let tells = facts.user.is_some() && expected != Refusal::FormSpent;
            let told = run(proven, &facts, true).writes;
            assert_eq!(told.iter().any(|write| matches!(write, Write::Audit(_))), tells, "{name}");
        }
    }

    #[test]
    fn t_fixation_signing_in_ends_the_session_the_browser_held() {
        let user = samples::user();
        let facts = SignInFacts { user: Some(user.clone()), spent: false };
        let held = Session {
            id: SessionId::from_number(9),
            digest: Digest::of(b"older"),
            user: user.id,
            created_at: samples::NOW,
            expires_at: samples::NOW,
        };
        for (proven, ends) in [(Some(hash_of(&user)), true), (None, false)] {
            let ask = SigningIn { proven, ticket: ticket(), held: Some(&held), fresh: fresh(), tell: false };
            let verdict = sign_in(&ask, &facts, &Lifetimes::default(), samples::NOW);
            assert_eq!(verdict.writes.contains(&Write::EndSession(held.id)), ends);
        }
    }

    #[test]
    fn t_no_default_secret_the_first_account_needs_the_link_and_no_other_account() {
        let link = SetupLink {
            number: 4,
            digest: Digest::of(b"link"),
            reset: None,
            expires_at: samples::NOW + Duration::from_secs(1),
        };
        let facts = SetupFacts { link: Some(link), user: None, has_local_users: false };
        let run = |shown: &[u8], facts: &SetupFacts, now| {
            set_up(&Digest::of(shown), samples::user(), facts, fresh(), &Lifetimes::default(), now).outcome
        };
        assert!(run(b"link", &facts, samples::NOW).is_ok());
        assert_eq!(run(b"guess", &facts, samples::NOW), Err(Refusal::LinkDead));
        assert_eq!(run(b"link", &facts, samples::NOW + Duration::from_secs(1)), Err(Refusal::LinkDead));
        assert_eq!(
            run(b"link", &SetupFacts { has_local_users: true, ..facts.clone() }, samples::NOW),
            Err(Refusal::LinkDead)
        );
        assert_eq!(run(b"link", &SetupFacts { link: None, ..facts }, samples::NOW), Err(Refusal::LinkDead));
        assert_eq!(
            make_setup_link(1, Digest::of(b"x"), None, true, &Lifetimes::default(), samples::NOW).outcome,
            Err(Refusal::NotFirst)
        );
    }

    #[test]
    fn names_and_passwords_are_bounded() {
        assert!(account_name("  Alex  Example ").is_ok_and(|name| name == "Alex Example"));
        assert_eq!(account_name("\u{200b}"), Err(Refusal::NameUnfit));
        assert_eq!(account_name(&"a".repeat(81)), Err(Refusal::NameUnfit));
        assert!(account_name(&"a".repeat(80)).is_ok());
        assert_eq!(password_fits("elevenchars"), Err(Refusal::PasswordUnfit));
        assert!(password_fits("twelve chars").is_ok());
    }
}
