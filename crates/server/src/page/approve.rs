//! A call that waits for its person: who wants to run what, with which arguments, and until when.

use serde_json::Value;

use super::{Claim, ClientFace, ClientKind, Exact, RightKind, Site, Template, hostile, initial_of};

/// `/approve`. The form posts to the same path: `ticket` and `answer` (`deny` or `approve`). "Not you?" posts `ticket`
/// and `again=1` to `/sign-out`.
#[derive(Debug, Template)]
#[template(path = "approve.html")]
pub struct Approve {
    /// This host, in ASCII.
    pub host: Site,
    /// The account that is signed in.
    pub account: String,
    /// The client, as its grant knows it.
    pub client: ClientFace,
    /// The label of the agent that waits.
    pub agent: Claim,
    /// The resource, by the name its owner gave it.
    pub resource_name: String,
    /// The tool, by the name it is called with.
    pub tool: Claim,
    /// What the tool does at worst, where its scopes say so.
    pub kind: Option<RightKind>,
    /// What it is called with.
    pub call: ShownCall,
    /// Until when an answer counts, such as `14:10 UTC`.
    pub until_text: String,
    /// The form's ticket against forgery.
    pub ticket: String,
}

/// The arguments of a call as a page shows them.
#[derive(Clone, Debug)]
pub struct ShownCall {
    lines: Vec<ArgumentLine>,
    more: usize,
    exact: Exact,
    is_cut: bool,
    digest: String,
}

/// One argument.
#[derive(Clone, Debug)]
pub struct ArgumentLine {
    name: Claim,
    value: ShownValue,
}

/// The value of an argument.
#[derive(Clone, Debug)]
pub enum ShownValue {
    /// Text.
    Text(Claim),
    /// Anything else, as JSON.
    Json(Exact),
}

impl ShownCall {
    /// Arguments shown one by one; the rest is counted, and stands in full below.
    pub const LINES: usize = 40;

    /// A call of `tool` with arguments as they will be sent: `arguments` is JSON. `is_cut` says that this is only the
    /// beginning of them; `digest` stands for the very bytes.
    #[must_use]
    pub fn new(tool: &str, arguments: &str, is_cut: bool, digest: &[u8]) -> Self {
        let parsed = serde_json::from_str::<Value>(arguments).ok();
        let members = parsed.as_ref().and_then(Value::as_object);
        let all = members.map_or(0, serde_json::Map::len);
        let lines: Vec<_> = members
            .into_iter()
            .flatten()
            .take(Self::LINES)
            .map(|(name, value)| ArgumentLine {
                name: Claim::name(name),
                value: match value {
                    Value::String(text) if !text.trim().is_empty() => ShownValue::Text(Claim::long(text)),
                    value => ShownValue::Json(Exact::cut(&value.to_string(), Claim::LONG)),
                },
            })
            .collect();
        let exact = match &parsed {
            Some(value) => {
                let arguments = serde_json::to_string_pretty(value).unwrap_or_default().replace('\n', "\n  ");
                let name = Value::from(tool);
                Exact::json(&format!("{{\n  \"name\": {name},\n  \"arguments\": {arguments}\n}}"))
            }
            None => Exact::json(arguments),
        };
        let digest = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        let digest = digest.chunks(2).map(<[String]>::concat).collect::<Vec<_>>().join(" ");
        Self { more: all - lines.len(), lines, exact, is_cut, digest }
    }
}

impl Approve {
    fn account_initial(&self) -> char {
        initial_of(&self.account)
    }

    fn title(&self) -> String {
        format!("{} wants to run {} now", self.client.in_words(), self.tool)
    }

    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let call = |arguments: &str| ShownCall::new("contacts.delete", arguments, false, &[0x71; 32]);
        let plain = || Self {
            host: "auth.acme.example".into(),
            account: "alex".into(),
            client: ClientFace::sample_verified(),
            agent: Claim::name("Work laptop"),
            resource_name: "Acme CRM".into(),
            tool: Claim::name("contacts.delete"),
            kind: Some(RightKind::Deletes),
            call: call(
                r#"{"id":"c_20418","with_history":true,"reason":"Duplicate of c_20417","tags":["old",7]}"#,
            ),
            until_text: "14:10 UTC".into(),
            ticket: "t1".into(),
        };
        let wild = serde_json::json!({
            hostile::MARKUP: hostile::MARKUP, hostile::BIDI: hostile::BIDI, hostile::long(): hostile::long().repeat(4),
            "rtl": hostile::RTL, "deep": { "a": [[[hostile::MARKUP, null]]] }, "empty": "", "lines": "one\ntwo\r\nthree",
        });
        let many = (0..60).map(|n| (format!("field_{n}"), Value::from(n)));
        vec![
            ("approve", plain()),
            (
                "approve-local",
                Self {
                    client: ClientFace::sample_local(),
                    kind: None,
                    call: ShownCall::new("sync", "{}", false, &[9; 32]),
                    tool: Claim::name("sync"),
                    ..plain()
                },
            ),
            (
                "approve-personal",
                Self {
                    client: ClientFace::new("Backup script", None, ClientKind::Personal),
                    agent: Claim::name("Backup script"),
                    ..plain()
                },
            ),
            (
                "approve-cut",
                Self {
                    kind: Some(RightKind::Changes),
                    call: ShownCall::new("import", &Value::from_iter(many).to_string(), true, &[3; 32]),
                    tool: Claim::name("import"),
                    ..plain()
                },
            ),
            (
                "approve-hostile",
                Self {
                    account: hostile::long(),
                    client: ClientFace::new(hostile::BIDI, None, ClientKind::Website),
                    agent: Claim::name(hostile::MARKUP),
                    resource_name: hostile::long(),
                    tool: Claim::name(&hostile::long()),
                    call: ShownCall::new(hostile::MARKUP, &wild.to_string(), false, &[5; 32]),
                    ..plain()
                },
            ),
        ]
    }
}

/// `/approve` once there is nothing to answer any more: what became of the call.
#[derive(Debug, Template)]
#[template(path = "answered.html")]
pub struct Answered {
    /// This host, in ASCII.
    pub host: Site,
    /// What became of it.
    pub outcome: Outcome,
    /// The label of the agent.
    pub agent: Claim,
    /// The tool.
    pub tool: Claim,
    /// Until when the call passes, such as `14:10 UTC`, where it was approved.
    pub until_text: String,
    /// Other calls that wait for this person.
    pub others: usize,
}

/// What became of a call that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person allowed it, and it was not made yet.
    Approved,
    /// The person allowed it, and it was made.
    Used,
    /// The person denied it.
    Denied,
    /// Nobody answered in time, or it was not made in time.
    Expired,
    /// The agent was stopped.
    Ended,
}

impl Outcome {
    fn is_good(self) -> bool {
        matches!(self, Self::Approved | Self::Used)
    }

    fn badge(self) -> &'static str {
        match self {
            Self::Approved => "Approved, once",
            Self::Used => "Used",
            Self::Denied => "Denied",
            Self::Expired => "Too late",
            Self::Ended => "Stopped",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Approved => "Approved: go back to your app",
            Self::Used => "This approval was used",
            Self::Denied => "Denied: nothing was done",
            Self::Expired => "This question is too old",
            Self::Ended => "This agent was stopped",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Approved => {
                "Some apps go on by themselves. If yours does not, tell it to try again within ten minutes: the very same call passes, once."
            }
            Self::Used => "The call was made, once. Another one would ask you again.",
            Self::Denied => "The agent is told so. It can ask you again later.",
            Self::Expired => {
                "It waited ten minutes. Nothing further will happen; when the agent tries again, you are asked anew."
            }
            Self::Ended => "Whatever it asked before it was stopped counts for nothing.",
        }
    }
}

impl Answered {
    fn passes(&self) -> bool {
        self.outcome == Outcome::Approved
    }

    pub(crate) fn samples() -> Vec<(&'static str, Self)> {
        let with = |outcome, others| Self {
            host: "auth.acme.example".into(),
            outcome,
            agent: Claim::name("Work laptop"),
            tool: Claim::name("contacts.delete"),
            until_text: "14:10 UTC".into(),
            others,
        };
        vec![
            ("approved", with(Outcome::Approved, 2)),
            ("approved-used", with(Outcome::Used, 0)),
            ("approved-denied", with(Outcome::Denied, 1)),
            ("approved-expired", with(Outcome::Expired, 0)),
            (
                "approved-ended",
                Self {
                    agent: Claim::name(hostile::BIDI),
                    tool: Claim::name(hostile::MARKUP),
                    ..with(Outcome::Ended, 0)
                },
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(name: &str) -> String {
        let page = Approve::samples().into_iter().find(|(n, _)| *n == name).unwrap().1;
        page.render().unwrap()
    }

    #[test]
    fn r20_it_shows_agent_tool_resource_arguments_and_until_when() {
        let html = html("approve");
        for part in [
            "Claude",
            "Work laptop",
            "contacts.delete",
            "Acme CRM",
            "c_20418",
            "Duplicate of c_20417",
            "14:10 UTC",
            "Deletes or spends",
            "7171 7171",
            "Exactly what is sent",
        ] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn deny_comes_first_and_approve_is_out_of_reach_at_first() {
        let html = html("approve");
        let deny = html.find(r#"name="answer" value="deny""#).unwrap();
        let approve = html.find(r#"class="btn arm" name="answer" value="approve""#).unwrap();
        assert!(deny < approve);
        assert!(html.contains(r#"class="guarded""#));
    }

    #[test]
    fn a_token_made_by_hand_is_called_one() {
        let html = html("approve-personal");
        assert!(html.contains("Personal token, made by hand") && !html.contains("Unverified name"));
    }

    #[test]
    fn many_arguments_are_counted_and_a_cut_is_said() {
        let html = html("approve-cut");
        assert!(html.contains("20 more"));
        assert!(html.contains("only their beginning"));
        assert!(self::html("approve-local").contains("Without arguments"));
    }

    #[test]
    fn t_client_text_an_argument_that_calls_itself_a_tool_stands_apart_from_what_we_say() {
        let page = Approve {
            call: ShownCall::new("drop_all", r#"{"Tool":"read_one"}"#, false, &[1; 32]),
            tool: Claim::name("drop_all"),
            ..Approve::samples().remove(0).1
        };
        let html = page.render().unwrap();
        let ours = html.split("<dl").nth(1).unwrap();
        assert!(ours.contains("drop_all") && !ours.contains("read_one"));
        assert!(html.find("With these arguments") < html.find("read_one"));
    }

    #[test]
    fn a_beginning_that_is_no_whole_json_is_shown_as_it_is() {
        let call = ShownCall::new("import", r#"{"a":"bc"#, true, &[1; 32]);
        let html = Approve { call, ..Approve::samples().remove(0).1 }.render().unwrap();
        assert!(html.contains(r#"<details class="more" open>"#) && html.contains("{&#34;a&#34;:&#34;bc"));
    }

    #[test]
    fn t_client_text_arguments_stay_text() {
        let html = html("approve-hostile");
        for raw in ["<script", "<img", "\u{202e}", "\u{2066}", "\u{200b}"] {
            assert!(!html.contains(raw), "{raw}");
        }
        assert!(html.contains("&#60;script&#62;") && html.contains(r"\u202e"));
    }

    #[test]
    fn what_became_of_it_is_said_in_plain_words() {
        for (name, page) in Answered::samples() {
            let html = page.render().unwrap();
            assert!(html.contains(page.outcome.text()), "{name}");
            assert!(!html.contains("<form"), "{name}");
            assert_eq!(html.contains("14:10 UTC"), page.outcome == Outcome::Approved, "{name}");
        }
    }
}
