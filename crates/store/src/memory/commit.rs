//! What each expectation and each write means, in the plainest code there is.

use portcullis_rules::budget::LONGEST_WINDOW;
use portcullis_rules::model::{
    Client, Cut, CutTarget, EndReason, Grant, GrantState, Origin, Previous, Subject, Tip, account_key,
};
use portcullis_rules::tools::GONE_FOR;
use portcullis_rules::verdict::{Expect, Write};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::time::UnixTime;

use super::State;
use crate::contract::{APPROVAL_MEMORY, CODE_MEMORY, SWEEP_BATCH, Swept};

/// What a write did: nothing to tell, or `None` for a conflict.
type Held = Option<()>;

impl State {
    /// Applies a whole verdict; `None` is a conflict, and what is left of `self` is of no use then.
    pub(super) fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> Option<Vec<Cut>> {
        expects.iter().all(|expect| self.holds(expect)).then_some(())?;
        let known = self.cuts.len();
        for write in writes {
            self.apply(write)?;
        }
        Some(self.cuts[known..].to_vec())
    }

    fn holds(&self, expect: &Expect) -> bool {
        match expect {
            Expect::GrantLive(id) => self.live(*id).is_some(),
            Expect::GrantScopes(id, scopes) => {
                self.grants.get(id).is_some_and(|grant| grant.scopes == *scopes)
            }
            Expect::ClientEnabled(id) => self.client(id).is_some_and(|client| client.enabled),
            Expect::UserEnabled(id) => self.person(*id).is_some_and(|user| user.enabled),
            Expect::ProviderOn(issuer) => self.is_on(issuer),
            Expect::PasswordIs(id, digest) => self
                .users
                .get(id)
                .and_then(|user| user.password.as_ref())
                .is_some_and(|password| password.digest().matches(digest)),
            Expect::SessionLive(id) => self.sessions.contains_key(id),
            Expect::NoLocalUsers => self.users.values().all(|user| user.password.is_none()),
            Expect::TipIs(id, digest) => self
                .grants
                .get(id)
                .and_then(|grant| grant.tip.as_ref())
                .is_some_and(|tip| tip.current.matches(digest)),
            Expect::UserInGroup(id, group) => {
                self.users.get(id).is_some_and(|user| user.groups.contains(group))
            }
            Expect::ManagedBy(id, digest) => self
                .client(id)
                .and_then(|client| client.management)
                .is_some_and(|management| management.matches(digest)),
            Expect::ApprovalsOpen { grant, below, at } => self.open_approvals(*grant, *at) < *below,
        }
    }

    fn live(&self, id: GrantId) -> Option<&Grant> {
        self.grants.get(&id).filter(|grant| grant.state == GrantState::Live)
    }

    fn live_mut(&mut self, id: GrantId) -> Option<&mut Grant> {
        self.grants.get_mut(&id).filter(|grant| grant.state == GrantState::Live)
    }

    fn apply(&mut self, write: &Write) -> Held {
        match write {
            Write::Spend { digest, until } => self.spent.insert(*digest, *until).is_none().then_some(()),
            Write::PutClient(client) => self.put_client(client),
            Write::KeepClient { client, until } => {
                let row = self.clients.iter_mut().find(|row| row.id == *client)?;
                row.expires_at = later(row.expires_at, Some(*until));
                Some(())
            }
            Write::SetClientEnabled(id, enabled) => {
                self.clients.iter_mut().find(|row| row.id == *id)?.enabled = *enabled;
                Some(())
            }
            Write::RemoveClient(id) => {
                let before = self.clients.len();
                self.clients.retain(|client| client.id != *id);
                (self.clients.len() < before).then_some(())
            }
            Write::AddUser(user) => {
                self.user_by_key(&account_key(&user.name)).is_none().then_some(())?;
                self.is_free(user.provider.as_ref()).then_some(())?;
                self.users.insert(user.id, user.clone()).is_none().then_some(())
            }
            Write::SetPassword(id, password) => {
                self.users.get_mut(id)?.password = Some(password.clone());
                Some(())
            }
            Write::SetUserEnabled(id, enabled) => {
                self.users.get_mut(id)?.switched_off = !*enabled;
                Some(())
            }
            Write::SetEmail { user, from, to } => {
                let user = self.users.get_mut(user).filter(|user| user.email == *from)?;
                user.email.clone_from(to);
                Some(())
            }
            Write::SetLink { user, from, to } => self.set_link(*user, from.as_ref(), to.as_ref()),
            Write::SetProven(id, until) => {
                self.users.get_mut(id)?.proven_until = *until;
                Some(())
            }
            Write::PutProvider { provider, was } => self.put_provider(provider, *was),
            Write::CutPeopleOf(issuer, at) => {
                self.cut_people_of(issuer, *at);
                Some(())
            }
            Write::PutHandoff(handoff) => self.put_handoff(handoff),
            Write::TakeHandoff(digest) => {
                let at = self.handoffs.iter().position(|row| row.digest == *digest)?;
                self.handoffs.remove(at);
                Some(())
            }
            Write::RemoveUser(id) => {
                self.users.remove(id)?;
                self.sessions.retain(|_, session| session.user != *id);
                self.approvals.retain(|_, approval| approval.user != *id);
                Some(())
            }
            Write::OpenSession(session) => {
                self.sessions.insert(session.id, session.clone()).is_none().then_some(())
            }
            Write::EndSession(id) => {
                self.sessions.remove(id);
                Some(())
            }
            Write::EndSessionsOf(user, but) => {
                self.sessions.retain(|id, session| session.user != *user || Some(*id) == *but);
                Some(())
            }
            Write::AddCode(code) => self.codes.insert(code.id, code.clone()).is_none().then_some(()),
            Write::SpendCode(id, grant) => {
                let code = self.codes.get_mut(id).filter(|code| code.spent.is_none())?;
                code.spent = Some(*grant);
                Some(())
            }
            Write::PutSetupLink(link) => {
                self.link = Some(link.clone());
                Some(())
            }
            Write::SpendSetupLink(number) => {
                self.link.take_if(|link| link.number == *number)?;
                Some(())
            }
            Write::AddKey(key) => self.keys.insert(key.kid.clone(), key.clone()).is_none().then_some(()),
            Write::MoveKey { kid, from, to, at } => {
                let key = self.keys.get_mut(kid).filter(|key| key.state == *from)?;
                key.state = *to;
                key.changed_at = *at;
                Some(())
            }
            Write::SetGroups { user, from, to } => {
                let user = self.users.get_mut(user).filter(|user| user.groups == *from)?;
                user.groups.clone_from(to);
                Some(())
            }
            Write::SetWanted { grant, from, to } => {
                let grant = self.grants.get_mut(grant).filter(|grant| grant.wanted == *from)?;
                grant.wanted.clone_from(to);
                Some(())
            }
            Write::UpdateClient(id, metadata) => {
                self.clients.iter_mut().find(|row| row.id == *id)?.metadata = metadata.clone();
                Some(())
            }
            Write::AddApproval(approval) => self.add_approval(approval),
            Write::DecideApproval { id, to, at, expires_at } => {
                self.decide_approval(*id, *to, *at, *expires_at)
            }
            Write::SpendApproval(id) => self.spend_approval(*id),
            Write::BeginBook(resource, at) => {
                self.books.insert(resource.as_str().to_owned(), *at).is_none().then_some(())
            }
            Write::SeeTool { resource, tool, accept, at } => self.see_tool(resource, tool, *accept, *at),
            Write::AcceptTool { resource, name, digest, at } => self.accept_tool(resource, name, digest, *at),
            Write::LoseTool(resource, name, at) => {
                if let Some(tool) = self.tool(resource, name) {
                    tool.gone_at = tool.gone_at.or(Some(*at));
                }
                Some(())
            }
            Write::ForgetTool(resource, name) => {
                self.tools.remove(&(resource.as_str().to_owned(), name.clone()));
                Some(())
            }
            Write::AddUses(uses) => {
                self.add_uses(uses);
                Some(())
            }
            Write::Audit(event) => {
                self.trail.append(event);
                Some(())
            }
            Write::Checkpoint(checkpoint) => self.trail.checkpoint(checkpoint),
            Write::ErasePerson(user) => {
                self.trail.erase(*user);
                Some(())
            }
            Write::Cut(target, at) => {
                self.cut(target.clone(), *at);
                Some(())
            }
            Write::AddGrant(grant) => self.add_grant(grant),
            Write::Advance { grant, from, to, previous, at } => {
                self.advance(*grant, from, *to, previous.clone(), *at)
            }
            Write::EndGrant { grant, reason, at } => {
                if self.end(*reason, |row| row.id == *grant) {
                    self.cut(CutTarget::Grant(*grant), *at);
                }
                Some(())
            }
            Write::EndGrantsOfClient(client, reason, at) => {
                let ended = self.end(*reason, |row| row.client == *client);
                let before = self.codes.len();
                self.codes.retain(|_, code| {
                    code.client != *client || code.spent.is_some() || code.expires_at <= *at
                });
                if ended || self.codes.len() < before {
                    self.cut(CutTarget::Client(client.clone()), *at);
                }
                Some(())
            }
            Write::CutOffClients(clients, reason, at) => {
                self.end(*reason, |row| {
                    matches!(row.subject, Subject::Person(_)) && clients.holds(&row.client)
                });
                for grant in self.grants.values_mut() {
                    if grant.state == GrantState::Live && clients.holds(&grant.client) {
                        grant.state = GrantState::Suspended;
                    }
                }
                self.codes.retain(|_, code| {
                    !clients.holds(&code.client) || code.spent.is_some() || code.expires_at <= *at
                });
                self.cut(clients.target(), *at);
                Some(())
            }
            Write::EndGrantsOfPerson(user, reason, at) => {
                self.end(*reason, |row| row.subject == Subject::Person(*user));
                self.codes
                    .retain(|_, code| code.user != *user || code.spent.is_some() || code.expires_at <= *at);
                self.cut(CutTarget::Person(*user), *at);
                Some(())
            }
            Write::SuspendGrant(id, at) => self.suspend(*id, *at),
            Write::RestoreGrant(id) => {
                let grant = self.grants.get_mut(id).filter(|grant| grant.state == GrantState::Suspended)?;
                grant.state = GrantState::Live;
                Some(())
            }
            Write::SetGrantScopes(id, scopes) => {
                self.live_mut(*id)?.scopes = scopes.clone();
                Some(())
            }
            Write::LabelGrant(id, label) => {
                self.grants.get_mut(id)?.label = label.clone();
                Some(())
            }
            Write::TouchGrant(id, at) => {
                if let Some(grant) = self.grants.get_mut(id) {
                    grant.last_used_at = grant.last_used_at.max(*at);
                    grant.replaces = None;
                }
                Some(())
            }
            Write::Replaced(id) => {
                if let Some(grant) = self.grants.get_mut(id) {
                    grant.replaces = None;
                }
                Some(())
            }
        }
    }

    fn put_client(&mut self, client: &Client) -> Held {
        match self.clients.iter_mut().find(|row| row.id == client.id) {
            None => self.clients.push(client.clone()),
            Some(row) => {
                row.metadata = client.metadata.clone();
                row.secret = client.secret;
                row.ceiling = client.ceiling.clone();
                row.introspects = client.introspects.clone();
                row.expires_at = later(row.expires_at, client.expires_at);
            }
        }
        Some(())
    }

    fn add_grant(&mut self, grant: &Grant) -> Held {
        let second = grant.subject == Subject::Machine
            && !matches!(grant.state, GrantState::Ended(_))
            && self.machine_grant(&grant.client, &grant.resource).is_some();
        (!second).then_some(())?;
        self.grants.insert(grant.id, grant.clone()).is_none().then_some(())
    }

    fn advance(
        &mut self,
        id: GrantId,
        from: &Digest,
        to: Digest,
        previous: Option<Previous>,
        at: UnixTime,
    ) -> Held {
        let grant = self.live_mut(id)?;
        grant.tip.as_ref().filter(|tip| tip.current.matches(from))?;
        grant.tip = Some(Tip { current: to, previous });
        grant.last_used_at = grant.last_used_at.max(at);
        Some(())
    }

    /// Ends what is meant and has not ended; whether there was any.
    fn end(&mut self, reason: EndReason, meant: impl Fn(&Grant) -> bool) -> bool {
        let mut any = false;
        for grant in self.grants.values_mut() {
            if meant(grant) && !matches!(grant.state, GrantState::Ended(_)) {
                grant.state = GrantState::Ended(reason);
                if let Some(tip) = &mut grant.tip {
                    tip.previous = None;
                }
                any = true;
            }
        }
        any
    }

    /// A person's grant is ended, never suspended; to be asked for it is a conflict rather than a silent nothing.
    fn suspend(&mut self, id: GrantId, at: UnixTime) -> Held {
        let Some(grant) = self.grants.get_mut(&id) else { return Some(()) };
        (grant.subject == Subject::Machine).then_some(())?;
        if grant.state == GrantState::Live {
            grant.state = GrantState::Suspended;
            self.cut(CutTarget::Grant(id), at);
        }
        Some(())
    }

    pub(super) fn cut(&mut self, target: CutTarget, at: UnixTime) {
        self.counter += 1;
        self.cuts.push(Cut { number: self.counter, target, at });
    }

    pub(super) fn sweep(&mut self, now: UnixTime, oldest_cut: UnixTime, most_unused: u64) -> Swept {
        let mut swept = Swept::default();
        self.spent.retain(|_, until| !forget(*until < now, &mut swept.spent));
        self.codes.retain(|_, code| !forget(code.expires_at < now - CODE_MEMORY, &mut swept.codes));
        self.sessions.retain(|_, session| !forget(session.expires_at < now, &mut swept.sessions));
        self.cuts.retain(|cut| !forget(cut.at < oldest_cut, &mut swept.cuts));
        for tip in self.grants.values_mut().filter_map(|grant| grant.tip.as_mut()) {
            let over = tip.previous.as_ref().is_some_and(|previous| previous.until < now);
            if forget(over, &mut swept.sealed) {
                tip.previous = None;
            }
        }
        self.approvals.retain(|_, row| !forget(row.expires_at < now - APPROVAL_MEMORY, &mut swept.approvals));
        self.tools
            .retain(|_, tool| !forget(tool.gone_at.is_some_and(|at| at < now - GONE_FOR), &mut swept.tools));
        self.uses.retain(|(start, _), _| !forget(*start < now - LONGEST_WINDOW, &mut swept.uses));
        self.handoffs.retain(|row| !forget(row.until < now, &mut swept.handoffs));
        let used: Vec<ClientId> = self
            .grants
            .values()
            .filter(|grant| !matches!(grant.state, GrantState::Ended(_)))
            .map(|grant| grant.client.clone())
            .collect();
        let unused = |client: &Client| client.origin != Origin::Preregistered && !used.contains(&client.id);
        self.clients.retain(|client| {
            let expired = client.expires_at.is_some_and(|at| at < now);
            !forget(unused(client) && expired, &mut swept.clients)
        });
        let count = self.clients.iter().filter(|client| unused(client)).count() as u64;
        let mut excess = count.saturating_sub(most_unused);
        self.clients.retain(|client| {
            let goes = forget(excess > 0 && unused(client), &mut swept.clients);
            excess -= u64::from(goes);
            !goes
        });
        swept
    }
}

/// Whether a row goes: one whose time is over, as long as the batch has room.
fn forget(over: bool, count: &mut u64) -> bool {
    let goes = over && *count < SWEEP_BATCH;
    *count += u64::from(goes);
    goes
}

/// Never shorter than it was; `None` is for ever.
fn later(now: Option<UnixTime>, asked: Option<UnixTime>) -> Option<UnixTime> {
    Some(now?.max(asked?))
}
