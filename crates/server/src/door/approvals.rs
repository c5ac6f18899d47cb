//! Questions to people, put by agents on their way to a tool.

use std::sync::Arc;
use std::time::Duration;

use portcullis_gateway::ports::{Approval, Approvals, BoxFuture, Unavailable};
use portcullis_guard::Agent;
use portcullis_rules::approve::{self, ApprovalState, Asking, Shown};
use portcullis_rules::refusal::Refusal;
use portcullis_wire::id::ApprovalId;
use serde_json::{Map, Value};

use crate::app::App;
use crate::entropy::EntropyShapes as _;

/// Puts questions into the store, where the page finds them.
pub(crate) struct Questions(pub(crate) Arc<App>);

impl Questions {
    async fn put(
        &self,
        agent: &Agent,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Approval, Unavailable> {
        let app = &self.0;
        let Some(grant) = agent.grant else { return Ok(Approval::NoPerson) };
        let shown = Shown::of(arguments);
        let digest = approve::call(grant, tool, arguments);
        let call = approve::Call { tool, digest, shown: &shown };
        let fresh = ApprovalId::from_number(app.entropy.number(app.now()));
        let outcome = app
            .settle(
                |store| store.ask_facts(grant, digest, app.now()),
                |facts, now| approve::ask(call, facts, fresh, &app.settings.lifetimes, now),
            )
            .await
            .map_err(|_| Unavailable)?;
        Ok(match outcome {
            Ok(Asking::Given(_)) => Approval::Given,
            Ok(Asking::Open(id)) => Approval::Open {
                id: id.to_string(),
                url: format!("{}?id={id}", app.settings.url("/approve")),
            },
            Ok(Asking::TooMany) => Approval::TooMany,
            Ok(Asking::NoPerson) => Approval::NoPerson,
            // An agent that has just ended, or whose person may act no more, gets the answer of a person who said no.
            Ok(Asking::Denied)
            | Err(Refusal::GrantEnded | Refusal::AgentUnknown | Refusal::PersonDisabled) => Approval::Denied,
            Err(refusal) => {
                tracing::warn!(?refusal, "a question to a person was refused");
                Approval::Denied
            }
        })
    }

    async fn wait(&self, id: &str) {
        let Ok(id) = id.parse::<ApprovalId>() else { return };
        loop {
            // Listened for before the question is asked, so that no answer falls in between.
            let answered = Arc::clone(&self.0.answered).notified_owned();
            let row = self.0.store.approval(id).await;
            let is_open =
                row.is_ok_and(|row| row.approval.is_some_and(|row| row.state == ApprovalState::Open));
            if !is_open {
                return;
            }
            answered.await;
        }
    }
}

impl Approvals for Questions {
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        tool: &'a str,
        arguments: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Approval, Unavailable>> {
        Box::pin(self.put(agent, tool, arguments))
    }

    fn answered<'a>(&'a self, id: &'a str, patience: Duration) -> BoxFuture<'a, ()> {
        // Out of patience is an answer too: the caller asks anew either way.
        Box::pin(async move { drop(tokio::time::timeout(patience, self.wait(id)).await) })
    }
}
