//! The account: every connected agent, and how to stop it.

use super::{Claim, ClientFace, ClientKind, ScopeLine, Site, Template, counted, hostile, initial_of};

/// `/account`. Forms post to `/account/revoke` (`ticket`, `agent`), `/account/rename` (`ticket`, `agent`, `label`),
/// `/account/wanted` (`ticket`, `agent`, `scope`, `answer`: `allow` or `deny`), `/account/stop` (`ticket`),
/// `/account/password` (`ticket`, `current`, `new`) and `/sign-out` (`ticket`).
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct Account {
    /// This host, in ASCII.
    pub host: Site,
    /// The name of the account.
    pub name: String,
    /// The provider through which the person signs in, by the label its owner gave it.
    pub through: Option<Claim>,
    /// Whether there is a password to change.
    pub has_password: bool,
    /// The connected agents, by client.
    pub clients: Vec<AccountClient>,
    /// Calls that wait for this person's answer, oldest first.
    pub questions: Vec<Question>,
    /// The guarded servers, shown while nothing is connected.
    pub resources: Vec<ResourceLine>,
    /// What the person just did, or why it did not work.
    pub notice: Option<Notice>,
    /// Whether the password form stands open, as after a wrong password.
    pub password_open: bool,
    /// The ticket of the forms that concern the whole account.
    pub ticket: String,
}

/// A call that waits for an answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// The `id` of `/approve`.
    pub id: String,
    /// The tool.
    pub tool: Claim,
    /// The agent's label.
    pub agent: Claim,
    /// The resource, by the name its owner gave it.
    pub resource_name: String,
    /// Until when an answer counts, such as `14:10 UTC`.
    pub until_text: String,
}

/// A scope that an agent was refused lately.
#[derive(Clone, Debug)]
pub struct WantedLine {
    /// The scope in words.
    pub line: ScopeLine,
    /// When it was refused last, such as `5 minutes ago`.
    pub when_text: String,
    /// The ticket of its form.
    pub ticket: String,
}

/// The agents of one client.
#[derive(Clone, Debug)]
pub struct AccountClient {
    /// Whether these are personal tokens, which no client stands behind.
    pub is_personal: bool,
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
    /// What it was refused lately, and may be given.
    pub wanted: Vec<WantedLine>,
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

    fn questions_text(&self) -> String {
        match self.questions.len() {
            1 => "A call waits for your answer".to_owned(),
            n => format!("{n} calls wait for your answer"),
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
            wanted: Vec::new(),
            connected_text: "12 April 2026".into(),
            last_used_text: "Last call 2 minutes ago".into(),
            ends_text: "11 June 2026, or after 30 days without a call".into(),
            ticket: format!("t-{id}"),
        };
        let rights = |n: usize| ScopeLine::samples().into_iter().take(n).collect::<Vec<_>>();
        let full = || Self {
            host: "auth.acme.example".into(),
            name: "alex".into(),
            through: None,
            has_password: true,
            clients: vec![
                AccountClient {
                    is_personal: false,
                    face: ClientFace::sample_verified(),
                    agents: vec![agent("g1", "Work laptop", rights(3)), agent("g2", "Phone", rights(1))],
                },
                AccountClient {
                    is_personal: false,
                    face: ClientFace::sample_local(),
                    agents: vec![agent("g3", "Claude Code", rights(4))],
                },
            ],
            questions: Vec::new(),
            resources: vec![ResourceLine {
                name: "Acme Notes".into(),
                url: "https://notes.acme.example/mcp".into(),
            }],
            notice: None,
            password_open: false,
            ticket: "t1".into(),
        };
        let want = |agent: &str, line: ScopeLine| WantedLine {
            line: ScopeLine { ticked: false, ..line },
            when_text: "5 minutes ago".into(),
            ticket: format!("t-{agent}"),
        };
        let question = |tool: &str| Question {
            id: "apr_0000000000007".into(),
            tool: Claim::name(tool),
            agent: Claim::name("Work laptop"),
            resource_name: "Acme CRM".into(),
            until_text: "14:10 UTC".into(),
        };
        let busy = || {
            let mut page = full();
            page.questions = vec![question("contacts.delete"), question("contacts.merge")];
            page.clients[0].agents[1].wanted =
                rights(4)[2..].iter().map(|line| want("g2", line.clone())).collect();
            page.clients.push(AccountClient {
                is_personal: true,
                face: ClientFace::new("personal", None, ClientKind::Personal),
                agents: vec![agent("g4", "Backup script", rights(2))],
            });
            page
        };
        let wild = |name: &str, kind| AccountClient {
            is_personal: false,
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
            ("account-busy", busy()),
            ("account-none", Self { clients: Vec::new(), ..full() }),
            ("account-company", Self { through: Some(Claim::name("Acme")), has_password: false, ..full() }),
            (
                "account-hostile",
                Self {
                    name: hostile::long(),
                    questions: vec![
                        question(hostile::MARKUP),
                        question(hostile::BIDI),
                        question(&hostile::long()),
                    ],
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
    fn who_came_through_a_company_is_told_so_and_is_offered_no_password() {
        let html = html("account-company");
        assert!(html.contains(r#"through <bdi class="untrusted">Acme</bdi>"#));
        assert!(!html.contains("/account/password"));
    }

    #[test]
    fn what_waits_for_the_person_is_listed_first_and_each_refused_scope_has_two_answers() {
        let html = html("account-busy");
        let (questions, agents) =
            (html.find("/approve?id=apr_").unwrap(), html.find("/account/revoke").unwrap());
        assert!(questions < agents);
        assert!(html.contains("2 calls wait for your answer"));
        assert_eq!(html.matches(r#"action="/account/wanted""#).count(), 2);
        for scope in ["notes:write", "notes:delete"] {
            assert!(html.contains(&format!(r#"name="scope" value="{scope}">"#)), "{scope}");
        }
        let deny = html.find(r#"value="deny""#).unwrap();
        assert!(deny < html.find(r#"class="btn arm" name="answer" value="allow""#).unwrap());
        assert!(html.contains("Personal tokens") && html.contains("Backup script"));
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
