//! The account: every connected agent, and how to stop it.

use super::{Claim, ClientFace, ClientKind, ScopeLine, Site, Template, counted, hostile, initial_of};

/// `/account`. Forms post to `/account/revoke` (`ticket`, `agent`), `/account/rename` (`ticket`, `agent`, `label`),
/// `/account/stop` (`ticket`), `/account/password` (`ticket`, `current`, `new`) and `/sign-out` (`ticket`).
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct Account {
    /// This host, in ASCII.
    pub host: Site,
    /// The name of the account.
    pub name: String,
    /// The connected agents, by client.
    pub clients: Vec<AccountClient>,
    /// The guarded servers, shown while nothing is connected.
    pub resources: Vec<ResourceLine>,
    /// What the person just did, or why it did not work.
    pub notice: Option<Notice>,
    /// Whether the password form stands open, as after a wrong password.
    pub password_open: bool,
    /// The ticket of the forms that concern the whole account.
    pub ticket: String,
}

/// The agents of one client.
#[derive(Clone, Debug)]
pub struct AccountClient {
    /// The client.
    pub face: ClientFace,
    /// Its agents.
    pub agents: Vec<AgentLine>,
}

/// One agent: one install of a client, at one resource.
#[derive(Clone, Debug)]
pub struct AgentLine {
    /// What the forms post as `agent`.
    pub id: String,
    /// Its label, which the person may change.
    pub label: Claim,
    /// The resource, by the name its owner gave it.
    pub resource_name: String,
    /// What it may do.
    pub scopes: Vec<ScopeLine>,
    /// When it was connected.
    pub connected_text: String,
    /// When it was last used, such as `Last call 2 minutes ago`.
    pub last_used_text: String,
    /// When it ends by itself.
    pub ends_text: String,
    /// The ticket of this agent's forms.
    pub ticket: String,
}

/// A guarded server.
#[derive(Clone, Debug)]
pub struct ResourceLine {
    /// The name its owner gave it.
    pub name: String,
    /// Its canonical URI.
    pub url: String,
}

/// What became of the last form.
#[derive(Clone, Debug)]
pub enum Notice {
    /// It was done.
    Done(String),
    /// It was not, and why.
    Problem(String),
}

impl Account {
    fn initial(&self) -> char {
        initial_of(&self.name)
    }

    fn agent_count(&self) -> usize {
        self.clients.iter().map(|client| client.agents.len()).sum()
    }

    fn count_text(&self) -> String {
        match self.agent_count() {
            0 => "No agent may act for you yet.".to_owned(),
            1 => "One agent may act for you: one app on one device, at one server.".to_owned(),
            n => format!(
                "{n} agents may act for you. Each is one app on one device, at one server. Stop one and the others go on."
            ),
        }
    }

    fn stop_text(&self) -> String {
        match self.agent_count() {
            1 => "Your agent stops".to_owned(),
            n => format!("All {} stop", counted(n, "agent", "agents")),
        }
    }

    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let agent = |id: &str, label: &str, scopes: Vec<ScopeLine>| AgentLine {
            id: id.into(),
            label: Claim::name(label),
            resource_name: "Acme Notes".into(),
            scopes,
            connected_text: "12 April 2026".into(),
            last_used_text: "Last call 2 minutes ago".into(),
            ends_text: "11 June 2026, or after 30 days without a call".into(),
            ticket: format!("t-{id}"),
        };
        let rights = |n: usize| ScopeLine::samples().into_iter().take(n).collect::<Vec<_>>();
        let full = || Self {
            host: "auth.acme.example".into(),
            name: "alex".into(),
            clients: vec![
                AccountClient {
                    face: ClientFace::sample_verified(),
                    agents: vec![agent("g1", "Work laptop", rights(3)), agent("g2", "Phone", rights(1))],
                },
                AccountClient {
                    face: ClientFace::sample_local(),
                    agents: vec![agent("g3", "Claude Code", rights(4))],
                },
            ],
            resources: vec![ResourceLine {
                name: "Acme Notes".into(),
                url: "https://notes.acme.example/mcp".into(),
            }],
            notice: None,
            password_open: false,
            ticket: "t1".into(),
        };
        let wild = |name: &str, kind| AccountClient {
            face: ClientFace::new(name, None, kind),
            agents: vec![agent("\"><b>", name, vec![])],
        };
        vec![
            ("account", full()),
            (
                "account-revoked",
                Self {
                    notice: Some(Notice::Done("Phone is revoked. Its next call is refused.".into())),
                    ..full()
                },
            ),
            ("account-none", Self { clients: Vec::new(), ..full() }),
            (
                "account-hostile",
                Self {
                    name: hostile::long(),
                    clients: vec![
                        wild(hostile::MARKUP, ClientKind::Website),
                        wild(hostile::BIDI, ClientKind::App),
                        wild(hostile::RTL, ClientKind::Machine),
                        wild(&hostile::long(), ClientKind::ThisComputer),
                    ],
                    notice: Some(Notice::Problem(
                        "The password now was not right. Nothing was changed.".into(),
                    )),
                    password_open: true,
                    ..full()
                },
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(name: &str) -> String {
        let page = Account::samples().into_iter().find(|(n, _)| *n == name).unwrap().1;
        page.render().unwrap()
    }

    #[test]
    fn every_agent_can_be_revoked_and_renamed_with_its_own_ticket() {
        let html = html("account");
        for id in ["g1", "g2", "g3"] {
            let pair =
                format!(r#"name="ticket" value="t-{id}"><input type="hidden" name="agent" value="{id}">"#);
            assert_eq!(html.matches(&pair).count(), 2, "{id}");
        }
        assert_eq!(html.matches(r#"action="/account/revoke""#).count(), 3);
        assert_eq!(html.matches(r#"action="/account/rename""#).count(), 3);
        assert!(html.contains("3 agents may act for you."));
        assert!(html.contains("All 3 agents stop"));
    }

    #[test]
    fn without_agents_it_shows_what_to_connect_to_and_nothing_to_stop() {
        let html = html("account-none");
        assert!(html.contains("https://notes.acme.example/mcp"));
        assert!(!html.contains("/account/stop"));
    }

    #[test]
    fn what_was_done_is_said() {
        assert!(html("account-revoked").contains(r#"role="status""#));
        let problem = html("account-hostile");
        assert!(problem.contains(r#"role="alert""#));
        assert!(problem.contains(r#"<details class="more is-btn" open>"#));
        assert!(!html("account").contains(r#"role="status""#));
    }

    #[test]
    fn t_client_text_in_the_account_stays_text() {
        let html = html("account-hostile");
        assert!(html.contains("&#60;script&#62;"));
        for raw in ["<script", "<img", "<b>", "\u{202e}"] {
            assert!(!html.contains(raw), "{raw}");
        }
    }
}
