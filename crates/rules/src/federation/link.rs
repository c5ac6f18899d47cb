//! An administrator ties an account to somebody at a provider, or unties it.

use portcullis_wire::time::UnixTime;

use super::provider::about;
use super::{PROOF_LASTS, Provider, ProviderLink};
use crate::event::{Event, EventKind};
use crate::model::{CutTarget, User};
use crate::refusal::Refusal;
use crate::verdict::{Verdict, Write};

/// For tying an account to somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// The account.
    pub user: Option<User>,
    /// The account that person has already.
    pub linked: Option<User>,
    /// The provider.
    pub provider: Option<Provider>,
}

/// Ties an account to somebody at a provider, on an administrator's word, which counts as a proof for [`PROOF_LASTS`].
/// From then on the account obeys that provider; a password it has stays.
pub fn link(facts: &LinkFacts, to: &ProviderLink, now: UnixTime) -> Verdict<()> {
    let Some(user) = &facts.user else { return Verdict::refuse(Refusal::UserUnknown) };
    let Some(provider) = facts.provider.as_ref().filter(|provider| provider.issuer == to.issuer) else {
        return Verdict::refuse(Refusal::ProviderUnknown);
    };
    match &facts.linked {
        Some(other) if other.id == user.id => return Verdict::yes(()),
        Some(_) => return Verdict::refuse(Refusal::LinkTaken),
        None => {}
    }
    Verdict::yes(())
        .writing(Write::SetLink { user: user.id, from: user.provider.clone(), to: Some(to.clone()) })
        .writing(Write::SetProven(user.id, Some(now + PROOF_LASTS)))
        .writing(Write::Audit(about(
            Event::new(EventKind::AccountLinked, now).user(user.id).reason("by_admin"),
            &provider.name,
        )))
}

/// Unties an account: its provider has no say in it any more, and does not sign it in; nor does the address it was
/// given there, which would lead the same person back by `link_by_email`. What the person holds is cut off
/// and its browsers are signed out, so that all of it is decided anew. Without a password it is an account nobody can
/// sign in to, until an administrator makes a link that sets one.
pub fn unlink(user: Option<&User>, now: UnixTime) -> Verdict<()> {
    let Some(user) = user else { return Verdict::refuse(Refusal::UserUnknown) };
    if user.provider.is_none() {
        return Verdict::refuse(Refusal::NotLinked);
    }
    Verdict::yes(())
        .writing(Write::SetLink { user: user.id, from: user.provider.clone(), to: None })
        .writing(Write::SetProven(user.id, None))
        .writing(Write::SetEmail { user: user.id, from: user.email.clone(), to: None })
        .writing(Write::EndSessionsOf(user.id, None))
        .writing(Write::Cut(CutTarget::Person(user.id), now))
        .writing(Write::Audit(Event::new(EventKind::AccountUnlinked, now).user(user.id).reason("by_admin")))
}

/// Gives an account an e-mail address, spelled by [`address`](super::address), or takes it. Where a provider is trusted to
/// link by address, whoever proves to have it there comes into this account.
pub fn set_address(user: Option<&User>, to: Option<String>, now: UnixTime) -> Verdict<()> {
    let Some(user) = user else { return Verdict::refuse(Refusal::UserUnknown) };
    if user.email == to {
        return Verdict::yes(());
    }
    Verdict::yes(())
        .writing(Write::SetEmail { user: user.id, from: user.email.clone(), to })
        .writing(Write::Audit(Event::new(EventKind::AddressSet, now).user(user.id).reason("by_admin")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::ProviderState;
    use crate::federation::samples::{employee, link as to, provider};
    use crate::samples::{NOW, user};
    use portcullis_wire::id::UserId;

    #[test]
    fn t_link_one_person_there_has_one_account_here() {
        let facts =
            LinkFacts { user: Some(user()), linked: None, provider: Some(provider(ProviderState::On)) };
        let other = User { id: UserId::from_number(99), ..employee() };
        for (name, facts, expected) in [
            ("free", facts.clone(), Ok(())),
            ("no account", LinkFacts { user: None, ..facts.clone() }, Err(Refusal::UserUnknown)),
            ("no provider", LinkFacts { provider: None, ..facts.clone() }, Err(Refusal::ProviderUnknown)),
            ("another's", LinkFacts { linked: Some(other), ..facts.clone() }, Err(Refusal::LinkTaken)),
        ] {
            let verdict = link(&facts, &to("s-1"), NOW);
            assert_eq!(verdict.outcome, expected, "{name}");
            assert_eq!(verdict.is_silent(), expected.is_err(), "{name}");
        }
        let twice = LinkFacts { user: Some(employee()), linked: Some(employee()), ..facts };
        assert!(link(&twice, &to("s-1"), NOW).is_silent());
    }

    #[test]
    fn t_link_an_address_is_entered_by_an_administrator_and_told() {
        let (person, new) = (user(), Some("alex@acme.example".to_owned()));
        let given = set_address(Some(&person), new.clone(), NOW);
        let write = Write::SetEmail { user: person.id, from: None, to: new.clone() };
        assert!(given.writes.contains(&write) && given.writes.len() == 2);
        assert!(set_address(Some(&User { email: new.clone(), ..person }), new, NOW).is_silent());
        assert_eq!(set_address(None, None, NOW).outcome, Err(Refusal::UserUnknown));
    }

    #[test]
    fn t_link_who_was_untied_is_not_led_back_by_the_address() {
        let person = User { email: Some("alex@acme.example".to_owned()), ..employee() };
        let forgets = Write::SetEmail { user: person.id, from: person.email.clone(), to: None };
        assert!(unlink(Some(&person), NOW).writes.contains(&forgets));
    }

    #[test]
    fn t_disable_untying_decides_everything_anew() {
        let verdict = unlink(Some(&employee()), NOW);
        assert!(verdict.writes.contains(&Write::Cut(CutTarget::Person(employee().id), NOW)));
        assert!(verdict.writes.contains(&Write::EndSessionsOf(employee().id, None)));
        assert_eq!(unlink(Some(&user()), NOW).outcome, Err(Refusal::NotLinked));
        assert_eq!(unlink(None, NOW).outcome, Err(Refusal::UserUnknown));
    }
}
