//! Identity providers, who belongs to them, and who is on the way to one.

use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider, ProviderLink, ProviderState};
use portcullis_rules::model::{CutTarget, User, account_key};
use portcullis_wire::id::UserId;
use portcullis_wire::limit;
use portcullis_wire::time::UnixTime;

use super::State;
use crate::contract::ArrivalAsk;

type Held = Option<()>;

impl State {
    pub(super) fn is_on(&self, issuer: &str) -> bool {
        self.providers.get(issuer).is_some_and(|row| row.state == ProviderState::On)
    }

    /// As it is read: what is kept says whether it was switched off, and nothing of its provider.
    pub(super) fn seen(&self, user: &User) -> User {
        let vouched = user.provider.as_ref().is_none_or(|link| self.is_on(&link.issuer));
        User { enabled: !user.switched_off && vouched, ..user.clone() }
    }

    pub(super) fn person(&self, id: UserId) -> Option<User> {
        self.users.get(&id).map(|user| self.seen(user))
    }

    fn linked(&self, issuer: &str, subject: &str) -> Option<User> {
        let is = |link: &ProviderLink| link.issuer == issuer && link.subject == subject;
        self.users.values().find(|user| user.provider.as_ref().is_some_and(is)).map(|user| self.seen(user))
    }

    pub(super) fn is_free(&self, link: Option<&ProviderLink>) -> bool {
        link.is_none_or(|link| self.linked(&link.issuer, &link.subject).is_none())
    }

    pub(super) fn link_facts(&self, user: UserId, to: &ProviderLink) -> LinkFacts {
        LinkFacts {
            user: self.person(user),
            linked: self.linked(&to.issuer, &to.subject),
            provider: self.providers.get(&to.issuer).cloned(),
        }
    }

    pub(super) fn arrival_facts(&self, ask: &ArrivalAsk) -> ArrivalFacts {
        let mut by_email = Vec::new();
        if ask.email.is_some() {
            let same = self.users.values().filter(|user| user.email == ask.email);
            by_email = same.take(2).map(|user| self.seen(user)).collect();
        }
        let taken = |key: &&String| self.users.values().any(|user| account_key(&user.name) == **key);
        let there =
            |row: &Handoff| ask.handoff.is_some_and(|digest| row.digest == digest) && row.until > ask.at;
        ArrivalFacts {
            provider: self.providers.get(&ask.issuer).cloned(),
            linked: self.linked(&ask.issuer, &ask.subject),
            by_email,
            taken: ask.names.iter().filter(taken).cloned().collect(),
            handoff: self.handoffs.iter().any(there),
        }
    }

    pub(super) fn set_link(
        &mut self,
        user: UserId,
        from: Option<&ProviderLink>,
        to: Option<&ProviderLink>,
    ) -> Held {
        (from == to || self.is_free(to)).then_some(())?;
        let user = self.users.get_mut(&user).filter(|user| user.provider.as_ref() == from)?;
        user.provider = to.cloned();
        Some(())
    }

    pub(super) fn put_provider(&mut self, provider: &Provider, was: Option<ProviderState>) -> Held {
        (self.providers.get(&provider.issuer).map(|row| row.state) == was).then_some(())?;
        self.providers.insert(provider.issuer.clone(), provider.clone());
        Some(())
    }

    pub(super) fn cut_people_of(&mut self, issuer: &str, at: UnixTime) {
        let of = |user: &&User| user.provider.as_ref().is_some_and(|link| link.issuer == issuer);
        let people: Vec<UserId> = self.users.values().filter(of).map(|user| user.id).collect();
        self.sessions.retain(|_, session| !people.contains(&session.user));
        for id in people {
            self.cut(CutTarget::Person(id), at);
        }
    }

    pub(super) fn put_handoff(&mut self, handoff: &Handoff) -> Held {
        self.handoffs.iter().all(|row| row.digest != handoff.digest).then_some(())?;
        self.handoffs.push(handoff.clone());
        if self.handoffs.len() > limit::HANDOFFS {
            let first = self.handoffs.iter().enumerate().min_by_key(|(index, row)| (row.until, *index))?.0;
            self.handoffs.remove(first);
        }
        Some(())
    }
}
