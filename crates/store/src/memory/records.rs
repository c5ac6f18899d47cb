//! Questions to people, the tool book, and what was used of durable windows.

use portcullis_rules::approve::{Approval, ApprovalState};
use portcullis_rules::budget::Used;
use portcullis_rules::facts::{ApprovalQuery, ApprovalRow, AskFacts, PersonalFacts, ToolBook};
use portcullis_rules::model::{GrantState, Subject};
use portcullis_rules::tools::{Accepted, Listed, Tool};
use portcullis_wire::digest::Digest;
use portcullis_wire::id::{ApprovalId, ClientId, GrantId, UserId};
use portcullis_wire::resource::Resource;
use portcullis_wire::time::UnixTime;

use super::State;

/// What a write did: nothing to tell, or `None` for a conflict.
type Held = Option<()>;

impl State {
    pub(super) fn add_approval(&mut self, approval: &Approval) -> Held {
        let same = |row: &Approval| {
            row.grant == approval.grant && row.call == approval.call && row.state == ApprovalState::Open
        };
        self.approvals.retain(|_, row| !(same(row) && row.expires_at <= approval.created_at));
        (approval.state != ApprovalState::Open || !self.approvals.values().any(same)).then_some(())?;
        self.approvals.insert(approval.id, approval.clone()).is_none().then_some(())
    }

    pub(super) fn decide_approval(
        &mut self,
        id: ApprovalId,
        to: ApprovalState,
        at: UnixTime,
        expires_at: UnixTime,
    ) -> Held {
        let row = self
            .approvals
            .get_mut(&id)
            .filter(|row| row.state == ApprovalState::Open && row.expires_at > at)?;
        (row.state, row.decided_at, row.expires_at) = (to, Some(at), expires_at);
        Some(())
    }

    pub(super) fn spend_approval(&mut self, id: ApprovalId) -> Held {
        let row = self.approvals.get_mut(&id).filter(|row| row.state == ApprovalState::Approved)?;
        row.state = ApprovalState::Spent;
        Some(())
    }

    pub(super) fn open_approvals(&self, grant: GrantId, at: UnixTime) -> usize {
        let open =
            |row: &&Approval| row.grant == grant && row.state == ApprovalState::Open && row.expires_at > at;
        self.approvals.values().filter(open).count()
    }

    pub(super) fn ask_facts(&self, grant: GrantId, call: &Digest, at: UnixTime) -> AskFacts {
        let facts = self.grant_facts(grant, None, None);
        let asked =
            |row: &&Approval| row.grant == grant && row.call == *call && row.state != ApprovalState::Spent;
        AskFacts {
            grant: facts.grant,
            user: facts.user,
            approvals: self.approvals.values().rev().filter(asked).cloned().collect(),
            open: self.open_approvals(grant, at),
        }
    }

    fn with_others(&self, approval: &Approval) -> ApprovalRow {
        let grant = self.grants.get(&approval.grant).cloned();
        ApprovalRow {
            client: grant.as_ref().and_then(|grant| self.client(&grant.client)).cloned(),
            user: self.person(approval.user),
            approval: Some(approval.clone()),
            grant,
        }
    }

    pub(super) fn approval(&self, id: ApprovalId) -> ApprovalRow {
        self.approvals.get(&id).map(|row| self.with_others(row)).unwrap_or_default()
    }

    pub(super) fn approvals(&self, query: &ApprovalQuery) -> Vec<ApprovalRow> {
        let asked = |row: &&Approval| {
            query.user.is_none_or(|user| row.user == user)
                && query.grant.is_none_or(|grant| row.grant == grant)
                && query.open_at.is_none_or(|at| row.state == ApprovalState::Open && row.expires_at > at)
        };
        let rows = self.approvals.values().rev().filter(asked).take(query.most);
        rows.map(|row| self.with_others(row)).collect()
    }

    pub(super) fn personal_facts(&self, user: UserId, at: UnixTime) -> PersonalFacts {
        let living = self.grants.values().filter(|grant| {
            grant.subject == Subject::Person(user)
                && grant.personal.is_some()
                && !matches!(grant.state, GrantState::Ended(_))
                && grant.expires_at.is_some_and(|end| end > at)
        });
        PersonalFacts {
            user: self.person(user),
            client: ClientId::parse(portcullis_rules::personal::CLIENT)
                .and_then(|id| self.client(&id).cloned()),
            living: living.count(),
        }
    }

    pub(super) fn book(&self, of: &Resource) -> ToolBook {
        ToolBook {
            begun_at: self.books.get(of.as_str()).copied(),
            tools: self.tools.values().filter(|tool| tool.resource == *of).cloned().collect(),
        }
    }

    pub(super) fn see_tool(&mut self, of: &Resource, seen: &Listed, accept: bool, at: UnixTime) -> Held {
        let key = (of.as_str().to_owned(), seen.name.clone());
        let tool = self.tools.entry(key).or_insert_with(|| Tool {
            resource: of.clone(),
            name: seen.name.clone(),
            digest: seen.digest,
            definition: String::new(),
            accepted: None,
            seen_at: at,
            gone_at: None,
        });
        if tool.digest != seen.digest {
            tool.seen_at = at;
        }
        tool.digest = seen.digest;
        tool.definition.clone_from(&seen.definition);
        tool.gone_at = None;
        if accept {
            tool.accepted = Some(Accepted { digest: tool.digest, definition: tool.definition.clone(), at });
        }
        Some(())
    }

    pub(super) fn accept_tool(&mut self, of: &Resource, name: &str, digest: &Digest, at: UnixTime) -> Held {
        let tool = self.tool(of, name).filter(|tool| tool.digest == *digest)?;
        tool.accepted = Some(Accepted { digest: tool.digest, definition: tool.definition.clone(), at });
        Some(())
    }

    pub(super) fn tool(&mut self, of: &Resource, name: &str) -> Option<&mut Tool> {
        self.tools.get_mut(&(of.as_str().to_owned(), name.to_owned()))
    }

    pub(super) fn uses(&self, since: UnixTime) -> Vec<Used> {
        let late = self.uses.iter().filter(|((start, _), _)| *start >= since);
        late.map(|((window_start, key), used)| Used { key: *key, window_start: *window_start, used: *used })
            .collect()
    }

    pub(super) fn add_uses(&mut self, uses: &[Used]) {
        for one in uses {
            let used = self.uses.entry((one.window_start, one.key)).or_default();
            *used = used.saturating_add(one.used);
        }
    }
}
