//! A word of the agent's person about one call, for handlers that ask by themselves.

use portcullis_gateway::ports::{Approval, Approvals};
use portcullis_guard::Agent;
use portcullis_mcp::elicit::Ask;
use serde_json::{Map, Value, json};

/// Under this name a handler's question stands among the requests for input (MCP 2026-07-28).
const KEY: &str = "portcullis/confirm";
/// Most characters of a tool's name in a sentence.
const SHOWN: usize = 100;

/// Where a call stands that needs the word of its agent's person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a call whose confirmation is not looked at is not confirmed"]
pub enum Confirmation {
    /// The person approved this very call, and that is now used up: let it go, once.
    Given,
    /// The person said no, or the agent acts for nobody who could be asked.
    Denied,
    /// The person has to answer first: hand the question to the client.
    Needed(Question),
    /// Nobody can be asked now: the store does not answer, or as many questions of this agent are open as may be.
    Unavailable,
}

impl Confirmation {
    /// The result of a tool that says where the call stands, with `isError`; the question's link with it. That of
    /// [`Confirmation::Given`] says so too: a tool that ran has a better one.
    pub fn result(&self) -> Value {
        let say = |text: &str, is_error: bool| json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
        match self {
            Self::Given => say("The call was approved.", false),
            Self::Denied => say("The call was not approved by the person this agent acts for.", true),
            Self::Needed(question) => question.result(),
            Self::Unavailable => {
                say("Nobody can be asked for approval at the moment. Try again later.", true)
            }
        }
    }
}

/// A question that waits for a person, in the forms in which a client can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What names it; it proves nothing.
    pub id: String,
    /// The page where the person answers.
    pub url: String,
    tool: String,
}

impl Question {
    /// A tool result with `isError` and the link, for any client: the same call, repeated within ten minutes of the
    /// approval, passes.
    pub fn result(&self) -> Value {
        let text = format!(
            "This call needs the approval of the person this agent acts for. Show them this link, where they can \
             approve it: {} — the same call, repeated within ten minutes of the approval, then passes.",
            self.url
        );
        json!({ "content": [{ "type": "text", "text": text }], "isError": true })
    }

    /// A result that asks for the page to be opened, for clients of MCP 2026-07-28 that declare `elicitation.url`. The
    /// request state is the question's id; the call that comes back with it has to be confirmed like any other.
    pub fn input_required(&self) -> Value {
        self.ask(&self.message()).input_required(KEY, &self.id)
    }

    /// The JSON-RPC error −32042 that answers the request `id`, for clients of MCP 2025-11-25 that declare
    /// `elicitation.url`.
    pub fn url_elicitation_error(&self, id: &Value) -> Value {
        self.ask(&self.message()).error("This call needs the approval of its person.", id)
    }

    const fn ask<'a>(&'a self, message: &'a str) -> Ask<'a> {
        Ask::Url { message, url: self.url.as_str(), id: self.id.as_str() }
    }

    fn message(&self) -> String {
        let plain: String = self.tool.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        format!("Approve the call of “{plain}” on this page.")
    }
}

pub(crate) async fn ask(
    approvals: &dyn Approvals,
    agent: &Agent,
    tool: &str,
    arguments: &Map<String, Value>,
) -> Confirmation {
    match approvals.ask(agent, tool, arguments).await {
        Ok(Approval::Given) => Confirmation::Given,
        Ok(Approval::Denied | Approval::NoPerson) => Confirmation::Denied,
        Ok(Approval::Open { id, url }) => Confirmation::Needed(Question { id, url, tool: tool.to_owned() }),
        Ok(Approval::TooMany) | Err(_) => Confirmation::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_told_in_its_form() {
        let url = "https://a.example/approve?id=apr_1".to_owned();
        let question =
            Question { id: "apr_1".to_owned(), url: url.clone(), tool: "delete\n_note".to_owned() };
        let result = Confirmation::Needed(question.clone()).result();
        assert_eq!(result["isError"], true);
        assert!(result["content"][0]["text"].as_str().unwrap().contains(&url));
        let asked = question.input_required();
        assert_eq!(
            (&asked["resultType"], &asked["requestState"]),
            (&json!("input_required"), &json!("apr_1"))
        );
        assert_eq!(asked["inputRequests"][KEY]["params"]["url"], json!(url));
        let told = question.url_elicitation_error(&json!(7));
        assert_eq!((&told["id"], &told["error"]["code"]), (&json!(7), &json!(-32042)));
        assert!(told.to_string().contains("“delete_note”"));
        for (given, is_error) in
            [(Confirmation::Given, false), (Confirmation::Denied, true), (Confirmation::Unavailable, true)]
        {
            assert_eq!(given.result()["isError"], is_error, "{given:?}");
        }
    }
}
