//! Cedar, asked.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    Policy, PolicyId, PolicySet, Request, RestrictedExpression,
};
use jiff::Timestamp;
use jiff::tz::Offset;
use portcullis_wire::scope::Scopes;
use portcullis_wire::time::UnixTime;

use super::RuleFault;
use super::convert::arguments;
use super::load::load;
use crate::operation::{Arguments, Kind, Operation};
use crate::standing::Caller;

/// What stands behind all rules: scopes have permitted already.
const PERMIT: &str = "permit (principal, action, resource);";
/// Its id, which no policy of a file is given.
const PERMIT_ID: &str = "scopes permit";

/// The policies of one file, ready to be asked.
pub(super) struct Engine {
    authorizer: Authorizer,
    names: Vec<String>,
    calls: PolicySet,
    lists: PolicySet,
    /// Whether any policy looks at arguments.
    is_open: bool,
    agent: EntityTypeName,
    /// The action and the type of what is asked for, by kind.
    kinds: [(EntityUid, EntityTypeName); 4],
}

/// Something that Cedar does not take.
struct Unfit(String);

impl<E: std::error::Error> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl Engine {
    pub(super) fn load(text: &str, file: &str) -> Result<Self, Vec<RuleFault>> {
        let rules = load(text, file)?;
        let built =
            Self::build(rules.iter().map(|rule| (&rule.name, &rule.policy, &rule.for_lists, rule.is_open)));
        built.map_err(|Unfit(text)| {
            vec![RuleFault { file: file.to_owned(), line: 1, column: 1, policy: None, text, hint: None }]
        })
    }

    fn build<'a>(
        rules: impl Iterator<Item = (&'a String, &'a Policy, &'a Policy, bool)>,
    ) -> Result<Self, Unfit> {
        let permit = Policy::parse(Some(PolicyId::new(PERMIT_ID)), PERMIT)?;
        let (mut calls, mut lists) = (PolicySet::new(), PolicySet::new());
        calls.add(permit.clone())?;
        lists.add(permit)?;
        let (mut names, mut any_open) = (Vec::new(), false);
        for (name, policy, for_lists, is_open) in rules {
            calls.add(policy.clone())?;
            lists.add(for_lists.clone())?;
            names.push(name.clone());
            any_open |= is_open;
        }
        let action: EntityTypeName = "Action".parse()?;
        let kind = |name: &str, of: &str| -> Result<_, Unfit> {
            Ok((EntityUid::from_type_name_and_id(action.clone(), EntityId::new(name)), of.parse()?))
        };
        let kinds = [
            kind("call", "Tool")?,
            kind("read", "Document")?,
            kind("prompt", "Prompt")?,
            kind("method", "Method")?,
        ];
        let agent = "Agent".parse()?;
        Ok(Self { authorizer: Authorizer::new(), names, calls, lists, is_open: any_open, agent, kinds })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The rule that forbids an operation, if one does; the first of the file, if several do. What cannot be asked, or
    /// cannot be answered, is forbidden.
    pub(super) fn forbid(
        &self,
        caller: &Caller<'_>,
        held: &Scopes,
        operation: &Operation<'_>,
        now: UnixTime,
    ) -> Option<String> {
        let (set, given) = match operation.arguments {
            Arguments::Open => (&self.lists, None),
            Arguments::Given(given) => (&self.calls, given.filter(|_| self.is_open)),
        };
        let args = match arguments(given) {
            Ok(args) => args,
            Err(reason) => return Some(format!("arguments not representable: {reason}")),
        };
        let (request, entities) = match self.question(caller, held, operation, now, args) {
            Ok(question) => question,
            Err(Unfit(_)) => return Some("the question cannot be put to the policies".to_owned()),
        };
        let answer = self.authorizer.is_authorized(&request, set, &entities);
        let said = answer.diagnostics();
        let failed: HashSet<&str> = said.errors().map(failed_policy).collect();
        let of_rules = |name: &&String| failed.contains(name.as_str());
        if let Some(name) = self.names.iter().find(of_rules) {
            return Some(format!("policy `{name}` cannot be evaluated"));
        }
        if answer.decision() == Decision::Allow && said.errors().next().is_none() {
            return None;
        }
        let reasons: HashSet<&str> = said.reason().map(AsRef::as_ref).collect();
        let name = self.names.iter().find(|name| reasons.contains(name.as_str()));
        Some(name.map_or_else(|| "no policy could be asked".to_owned(), |name| format!("policy `{name}`")))
    }

    fn question(
        &self,
        caller: &Caller<'_>,
        held: &Scopes,
        operation: &Operation<'_>,
        now: UnixTime,
        args: RestrictedExpression,
    ) -> Result<(Request, Entities), Unfit> {
        let (action, of) = match (operation.kind, &self.kinds) {
            (Kind::Call, [call, _, _, _]) => call,
            (Kind::Read, [_, read, _, _]) => read,
            (Kind::Prompt, [_, _, prompt, _]) => prompt,
            (Kind::Method, [_, _, _, method]) => method,
        };
        let agent = self.agent(caller, held)?;
        let asked = EntityUid::from_type_name_and_id(of.clone(), EntityId::new(operation.name));
        let attributes = HashMap::from([
            ("name".to_owned(), text(operation.name)),
            ("server".to_owned(), text(caller.resource.as_str())),
        ]);
        let asked = Entity::new(asked, attributes, HashSet::new())?;
        let request = Request::new(agent.uid(), action.clone(), asked.uid(), context(now, args)?, None)?;
        Ok((request, Entities::from_entities([agent, asked], None)?))
    }

    fn agent(&self, caller: &Caller<'_>, held: &Scopes) -> Result<Entity, Unfit> {
        let id = caller.agent.map_or_else(|| caller.client.to_string(), |agent| agent.to_string());
        let mut attributes = HashMap::from([
            ("client".to_owned(), text(caller.client.as_str())),
            (
                "groups".to_owned(),
                RestrictedExpression::new_set(caller.groups.iter().map(|group| text(group))),
            ),
            (
                "scopes".to_owned(),
                RestrictedExpression::new_set(held.iter().map(|scope| text(scope.as_str()))),
            ),
        ]);
        if let Some(domain) = domain(caller.client.as_str()) {
            attributes.insert("client_domain".to_owned(), text(&domain));
        }
        if caller.acts_for_person {
            attributes.insert("person".to_owned(), text(caller.subject));
        }
        let uid = EntityUid::from_type_name_and_id(self.agent.clone(), EntityId::new(id));
        Ok(Entity::new(uid, attributes, HashSet::new())?)
    }
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// The host of a client's metadata document, which is the domain it has proven. Nothing for any other `client_id`.
fn domain(client: &str) -> Option<String> {
    let (host, _) = client.strip_prefix("https://")?.split_once('/')?;
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let is_name =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    is_name.then(|| host.to_ascii_lowercase())
}

fn context(now: UnixTime, args: RestrictedExpression) -> Result<Context, Unfit> {
    let at = Offset::UTC.to_datetime(Timestamp::from_millisecond(now.millis())?);
    let (date, time) = (at.date(), at.time());
    let millis = time.subsec_nanosecond() / 1_000_000;
    let written = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let long = |number: i8| RestrictedExpression::new_long(i64::from(number));
    Ok(Context::from_pairs([
        ("now".to_owned(), RestrictedExpression::new_datetime(written)),
        ("hour".to_owned(), long(time.hour())),
        ("weekday".to_owned(), long(date.weekday().to_monday_one_offset())),
        ("args".to_owned(), args),
    ])?)
}

/// The policy that could not be evaluated.
fn failed_policy(error: &AuthorizationError) -> &str {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id().as_ref(),
    }
}
