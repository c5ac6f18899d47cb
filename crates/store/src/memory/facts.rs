//! Facts and lists, read from the model.

use portcullis_rules::facts::{
    AgentQuery, AgentRow, BrowserFacts, CodeFacts, GrantFacts, MachineFacts, SetupFacts,
};
use portcullis_rules::model::{Client, Grant, GrantState, Subject, User, account_key};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ClientId, CodeId, GrantId};
use portcullis_wire::resource::Resource;

use super::State;
use crate::contract::BrowserAsk;

impl State {
    pub(super) fn client(&self, id: &ClientId) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == *id)
    }

    pub(super) fn user_by_key(&self, key: &str) -> Option<User> {
        self.users.values().find(|user| account_key(&user.name) == key).map(|user| self.seen(user))
    }

    fn was_spent(&self, digest: Option<Digest>) -> bool {
        digest.is_some_and(|digest| self.spent.contains_key(&digest))
    }

    fn person_of(&self, grant: &Grant) -> Option<User> {
        match grant.subject {
            Subject::Person(id) => self.person(id),
            Subject::Machine => None,
        }
    }

    pub(super) fn browser_facts(&self, ask: &BrowserAsk) -> BrowserFacts {
        let session = ask.session.as_ref().and_then(|(id, digest)| {
            let session = self.sessions.get(id).filter(|session| session.digest.matches(digest))?;
            Some((session.clone(), self.person(session.user)?))
        });
        let grants = match (&ask.client, &session) {
            (Some(client), Some((_, user))) => self
                .grants
                .values()
                .filter(|grant| grant.client == *client && grant.subject == Subject::Person(user.id))
                .filter(|grant| grant.state == GrantState::Live)
                .cloned()
                .collect(),
            _ => Vec::new(),
        };
        BrowserFacts {
            client: ask.client.as_ref().and_then(|id| self.client(id)).cloned(),
            session,
            grants,
            spent: self.was_spent(ask.ticket),
            has_users: !self.users.is_empty(),
        }
    }

    pub(super) fn code_facts(&self, code: CodeId, client: &ClientId, assertion: Option<Digest>) -> CodeFacts {
        let code = self.codes.get(&code).cloned();
        CodeFacts {
            user: code.as_ref().and_then(|code| self.person(code.user)),
            is_alive: code
                .as_ref()
                .and_then(|code| self.grants.get(&code.spent?))
                .is_some_and(|grant| grant.state == GrantState::Live),
            code,
            client: self.client(client).cloned(),
            spent: self.was_spent(assertion),
            rev: self.counter,
        }
    }

    pub(super) fn grant_facts(
        &self,
        grant: GrantId,
        client: Option<&ClientId>,
        assertion: Option<Digest>,
    ) -> GrantFacts {
        let grant = self.grants.get(&grant).cloned();
        GrantFacts {
            user: grant.as_ref().and_then(|grant| self.person_of(grant)),
            grant,
            client: client.and_then(|id| self.client(id)).cloned(),
            spent: self.was_spent(assertion),
            rev: self.counter,
        }
    }

    pub(super) fn machine_grant(&self, client: &ClientId, resource: &Resource) -> Option<&Grant> {
        self.grants.values().find(|grant| {
            grant.subject == Subject::Machine
                && grant.client == *client
                && grant.resource == *resource
                && !matches!(grant.state, GrantState::Ended(_))
        })
    }

    pub(super) fn machine_facts(
        &self,
        client: &ClientId,
        resource: &Resource,
        assertion: Option<Digest>,
    ) -> MachineFacts {
        MachineFacts {
            client: self.client(client).cloned(),
            grant: self.machine_grant(client, resource).cloned(),
            spent: self.was_spent(assertion),
            rev: self.counter,
        }
    }

    pub(super) fn setup_facts(&self, number: Option<u64>) -> SetupFacts {
        let link = self.link.clone().filter(|link| Some(link.number) == number);
        SetupFacts {
            user: link.as_ref().and_then(|link| self.person(link.reset?)),
            link,
            has_local_users: self.users.values().any(|user| user.password.is_some()),
        }
    }

    pub(super) fn agents(&self, query: &AgentQuery) -> Vec<AgentRow> {
        let asked = |grant: &&Grant| {
            query.user.is_none_or(|user| grant.subject == Subject::Person(user))
                && (query.ended || !matches!(grant.state, GrantState::Ended(_)))
                && query.client.as_ref().is_none_or(|client| grant.client == *client)
                && query.resource.as_ref().is_none_or(|resource| grant.resource == *resource)
                && query.id.is_none_or(|id| grant.id == id)
        };
        self.grants
            .values()
            .rev()
            .filter(asked)
            .take(query.most)
            .map(|grant| AgentRow {
                grant: grant.clone(),
                client: self.client(&grant.client).cloned(),
                user_name: self.person_of(grant).map(|user| user.name),
            })
            .collect()
    }
}
