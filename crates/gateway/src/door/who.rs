//! Who is behind a request, as the rest of the door needs to know it.

use std::sync::Arc;

use portcullis_guard::Agent;
use portcullis_policy::Caller;
use portcullis_wire::base64url;
use portcullis_wire::digest::Digest;

/// One agent among all: the grant behind it, or, for a token whose issuer names no grant, client and subject together.
/// The door puts it among the extensions of what it forwards; a runner keeps one process for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentKey(pub Arc<str>);

/// Among the extensions of a request that the door makes for itself, to learn the server's tools. Such a request
/// bears no `Agent` and no [`AgentKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Internal;

/// The key of an agent.
pub fn agent_key(agent: &Agent) -> AgentKey {
    key_of(agent.grant.map(|grant| grant.to_string()), agent.client.as_str(), &agent.subject)
}

fn key_of(grant: Option<String>, client: &str, subject: &str) -> AgentKey {
    let key = grant.unwrap_or_else(|| {
        // The length in front keeps one from running into the other.
        let both = format!("{}:{client}{subject}", client.len());
        format!("pair_{}", base64url::encode(Digest::of(both.as_bytes()).as_bytes()))
    });
    AgentKey(key.into())
}

/// The agent of one request.
pub(crate) struct Who {
    pub(crate) agent: Agent,
    pub(crate) key: AgentKey,
    /// To whom seals are bound: client and subject together, at this resource (protocol R19). Not the grant: a client that
    /// is allowed more gets a new one, and goes on with what it had begun.
    pub(crate) holder: Box<[u8]>,
    groups: Arc<[String]>,
}

impl Who {
    pub(crate) fn new(agent: Agent, groups: Arc<[String]>) -> Self {
        let key = agent_key(&agent);
        let resource = agent.resource.as_str();
        let pair = key_of(None, agent.client.as_str(), &agent.subject);
        let holder = format!("{}:{resource}{}", resource.len(), pair.0).into_bytes().into();
        Self { agent, key, holder, groups }
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            scopes: &self.agent.scopes,
            client: &self.agent.client,
            subject: &self.agent.subject,
            agent: self.agent.grant,
            groups: &self.groups,
            resource: &self.agent.resource,
            acts_for_person: self.agent.subject != self.agent.client.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_install_an_agent_is_its_grant_and_else_client_and_subject_together() {
        let key = |grant: Option<&str>, client, subject| key_of(grant.map(str::to_owned), client, subject);
        assert_eq!(&*key(Some("agt_1"), "c", "s").0, "agt_1");
        assert_eq!(key(Some("agt_1"), "c", "s"), key(Some("agt_1"), "d", "t"));
        assert_eq!(key(None, "c", "s"), key(None, "c", "s"));
        for (client, subject) in [("c", "t"), ("d", "s"), ("cs", ""), ("", "cs"), ("s", "c")] {
            assert_ne!(key(None, "c", "s"), key(None, client, subject), "{client} {subject}");
        }
    }
}
