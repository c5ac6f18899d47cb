//! Calls that wait for a word: of the person, on a page of ours, or of the client. One word is good for one call, with
//! these very arguments. Never used to ask for scopes.

use std::sync::Arc;

use axum_core::body::Body;
use http::Response;
use portcullis_mcp::elicit::{Ask, Declared, is_accepted};
use portcullis_mcp::{Era, Message};
use serde_json::{Map, Value};

use super::bounds::APPROVAL_PATIENCE;
use super::core::Core;
use super::handles::{State, Whose};
use super::questions::{Open, RESERVED};
use super::refusal;
use super::who::Who;
use crate::ports::{Approval, Decision};

/// Under this name the door asks in the stateless era.
const KEY: &str = "portcullis/confirm";
/// The first revision of the stateful era that knows pages elsewhere.
const KNOWS_PAGES: &str = "2025-11-25";
/// Most digits after which two numbers may be told apart by some readers and not by others.
const EXACT_DIGITS: usize = 15;

/// A call that waits.
pub(crate) struct Waiting<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) who: &'a Who,
    pub(crate) message: &'a Message,
    pub(crate) era: Era,
    /// What the client can show, and the revision it speaks, if that is known.
    pub(crate) declared: Declared,
    pub(crate) version: Option<&'a str>,
    /// Whether the client reads a stream as an answer.
    pub(crate) reads_streams: bool,
    pub(crate) state: Option<&'a State>,
    /// What stands for the call with its arguments.
    pub(crate) bound: &'a str,
    /// The arguments as they came.
    pub(crate) arguments: Option<&'a str>,
}

/// What becomes of it.
pub(crate) enum Verdict {
    /// It goes.
    Go(Decision),
    /// It is answered.
    Say(Box<Response<Body>>, Decision),
    /// The client is asked on the stream that answers the call.
    Stream(Value, Open),
    /// One of our own parts does not answer.
    Unavailable,
}

impl Waiting<'_> {
    fn tool(&self) -> &str {
        self.message.name().unwrap_or_default()
    }

    fn id(&self) -> &Value {
        self.message.id().unwrap_or(&Value::Null)
    }

    fn is_stateless(&self) -> bool {
        self.era == Era::Stateless
    }

    /// A tool result that says why not.
    fn say(&self, text: &str, decision: Decision) -> Verdict {
        let result = refusal::tool_error(text, self.is_stateless());
        Verdict::Say(Box::new(refusal::result(self.id(), &result)), decision)
    }

    fn unknown(&self) -> Verdict {
        let response = refusal::unknown_handle(Some(self.id()), "this requestState");
        Verdict::Say(Box::new(response), Decision::Denied)
    }

    /// What the client answered to our question.
    fn said(&self) -> Option<&Value> {
        self.message.param("inputResponses")?.get(KEY)
    }

    /// What can be said before anybody is asked; and the name of our question, if the call comes back with one.
    fn begin(&self, go: Decision) -> Result<Option<&str>, Verdict> {
        if self.arguments.is_some_and(has_blurred_number) {
            let text =
                "a number in the arguments has more digits than can be shown faithfully; nobody was asked";
            return Err(self.say(text, Decision::Denied));
        }
        match self.state.map(|state| (&state.whose, state)) {
            None => Ok(None),
            Some((Whose::Theirs(_, Some(round)), _)) => {
                match self.core.questions.spend(&self.who.holder, round, self.bound, self.core.now()) {
                    true => Err(Verdict::Go(go)),
                    false => Err(self.unknown()),
                }
            }
            Some((Whose::Theirs(_, None), _)) => Err(self.unknown()),
            Some((Whose::Ours(name), state)) if state.bound == self.bound => Ok(Some(name)),
            Some((Whose::Ours(_), _)) => Err(self.unknown()),
        }
    }

    /// Asks the person the agent acts for.
    pub(crate) async fn person(&self) -> Verdict {
        let returning = match self.begin(Decision::AllowedByPerson) {
            Ok(returning) => returning,
            Err(verdict) => return verdict,
        };
        let approvals = &self.core.ports.approvals;
        if let Some(question) = returning {
            if !is_accepted(self.said()) {
                return self.say("the page was not opened; nothing was approved", Decision::Denied);
            }
            approvals.answered(question, APPROVAL_PATIENCE).await;
            // Meanwhile the agent may have been cut off.
            if let Err(denied) = self.core.guard.recheck(&self.who.agent, self.core.now()) {
                let refused = self.core.guard.refuse(&denied, &self.core.required);
                return Verdict::Say(Box::new(refused), Decision::Denied);
            }
        }
        let nothing = Map::new();
        let arguments = self.message.arguments().unwrap_or(&nothing);
        match approvals.ask(&self.who.agent, self.tool(), arguments).await {
            Err(_) => Verdict::Unavailable,
            Ok(Approval::Given) => Verdict::Go(Decision::AllowedByPerson),
            Ok(Approval::Denied) => {
                self.say("the person this agent acts for denied this call", Decision::Denied)
            }
            Ok(Approval::NoPerson) => self.say(
                "this tool needs the approval of a person, and this agent acts for nobody",
                Decision::Denied,
            ),
            Ok(Approval::TooMany) => self.say(
                "as many calls of this agent wait for approval as may; let its person answer those first",
                Decision::AwaitsApproval,
            ),
            Ok(Approval::Open { id, url }) => self.point(&id, &url),
        }
    }

    /// Shows where the person answers, in the way the client can show it.
    fn point(&self, question: &str, url: &str) -> Verdict {
        let message = format!("Approve the call of {} on this page.", shown(self.tool()));
        let ask = Ask::Url { message: &message, url, id: question };
        let knows = self.version.is_none_or(|version| version >= KNOWS_PAGES);
        let response = match self.era {
            Era::Stateless if self.declared.url => {
                let whose = Whose::Ours(question.to_owned());
                let state = self.core.seal_state(self.who, self.bound.to_owned(), whose);
                refusal::result(self.id(), &ask.input_required(KEY, &state))
            }
            Era::Stateful if self.declared.url && knows => {
                refusal::message(&ask.error("This call needs the approval of its person.", self.id()))
            }
            _ => {
                let text = format!(
                    "This call needs the approval of the person this agent acts for. Show them this link, where they can \
                     approve it: {url} — the same call, repeated within ten minutes of the approval, then passes."
                );
                return self.say(&text, Decision::AwaitsApproval);
            }
        };
        Verdict::Say(Box::new(response), Decision::AwaitsApproval)
    }

    /// Asks the client.
    pub(crate) fn client(&self) -> Verdict {
        let (core, who) = (self.core, self.who);
        let returning = match self.begin(Decision::AllowedByClient) {
            Ok(returning) => returning,
            Err(verdict) => return verdict,
        };
        if let Some(name) = returning {
            // The question is used up whatever the answer.
            return match (
                core.questions.spend(&who.holder, name, self.bound, core.now()),
                is_accepted(self.said()),
            ) {
                (true, true) => Verdict::Go(Decision::AllowedByClient),
                (true, false) => {
                    self.say("the user of this client did not agree to the call", Decision::Denied)
                }
                (false, _) => self.unknown(),
            };
        }
        let message = format!("Allow this agent to call {}?", shown(self.tool()));
        let (ask, name) = (Ask::Form { message: &message }, core.ports.seals.fresh());
        if !self.declared.form || (self.era == Era::Stateful && !self.reads_streams) {
            return self.say(
                "this tool needs its user's confirmation, and this client cannot ask for it (MCP elicitation)",
                Decision::Denied,
            );
        }
        if self.is_stateless() {
            if !core.questions.remember(&who.holder, name.clone(), self.bound.to_owned(), core.now()) {
                return Verdict::Unavailable;
            }
            let state = core.seal_state(who, self.bound.to_owned(), Whose::Ours(name));
            let response = refusal::result(self.id(), &ask.input_required(KEY, &state));
            return Verdict::Say(Box::new(response), Decision::AwaitsApproval);
        }
        let request = ask.request(&format!("{RESERVED}{}", core.seal_question(who, &name)));
        match core.questions.open(&who.key.0, name) {
            Some(open) => Verdict::Stream(request, open),
            None => Verdict::Unavailable,
        }
    }
}

/// A stranger's name, as text on one line.
fn shown(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    format!("“{plain}”")
}

/// Whether a number has more digits than every reader keeps: two such numbers could be one to us, who bind the word to
/// the arguments, and two to the server.
fn has_blurred_number(json: &str) -> bool {
    let (mut digits, mut is_text, mut is_escaped, mut is_plain) = (0_usize, false, false, true);
    let mut number = String::new();
    for c in json.chars().chain(std::iter::once(' ')) {
        if is_text {
            (is_text, is_escaped) = (c != '"' || is_escaped, c == '\\' && !is_escaped);
            continue;
        }
        match c {
            '"' => is_text = true,
            '0'..='9' => {
                digits += 1;
                number.push(c);
            }
            '.' | 'e' | 'E' | '+' if digits > 0 => is_plain = false,
            '-' if digits > 0 => is_plain = false,
            _ => {
                let is_kept = is_plain && (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok());
                if digits > EXACT_DIGITS && !is_kept {
                    return true;
                }
                (digits, is_plain) = (0, true);
                number.clear();
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_json_diff_numbers_that_two_readers_may_tell_apart_are_not_confirmed() {
        for (given, expected) in [
            (r#"{"a":1,"b":-2.5,"c":[1e10,0.1]}"#, false),
            (r#"{"a":9223372036854775807,"b":18446744073709551615}"#, false),
            (r#"{"a":18446744073709551616}"#, true),
            (r#"{"a":123456789012345678901234567890}"#, true),
            (r#"{"a":0.1000000000000000055}"#, true),
            (r#"{"a":9007199254740993.0}"#, true),
            (r#"{"a":"123456789012345678901234567890"}"#, false),
            (r#"{"a":"\"","b":123456789012345678901234567890}"#, true),
            (r#"{"a":"\\","b":123456789012345678901234567890}"#, true),
            ("1234567890.123456789", true),
            ("{}", false),
        ] {
            assert_eq!(has_blurred_number(given), expected, "{given}");
        }
    }
}
