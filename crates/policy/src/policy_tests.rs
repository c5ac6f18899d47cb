use portcullis_wire::id::{ClientId, GrantId};
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scope;
use proptest::prelude::*;

use super::*;
use crate::{NewTools, definition_digest};

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

pub(crate) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

/// Asks as an agent of ada's that holds `held`.
pub(crate) fn with_caller<T>(held: &str, ask: impl FnOnce(&Caller<'_>) -> T) -> T {
    let groups = ["writers".to_owned(), "staff".to_owned()];
    ask(&Caller {
        scopes: &scopes(held),
        client: &ClientId::parse("https://claude.example/client.json").unwrap(),
        subject: "usr_ada",
        agent: Some(GrantId::from_number(7)),
        groups: &groups,
        resource: &Resource::parse("https://notes.example/mcp").unwrap(),
        acts_for_person: true,
    })
}

pub(crate) fn message(method: &str, params: &str) -> Message {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    Message::parse(body.as_bytes()).unwrap()
}

pub(crate) fn call(tool: &str) -> Message {
    message("tools/call", &serde_json::json!({ "name": tool }).to_string())
}

fn unheld() -> KnownTools {
    KnownTools::new(NewTools::Allow)
}

fn table() -> ToolTable {
    ToolTable::new(scopes("mcp"))
        .tool("get_*", &scopes("read"))
        .tool("*_secret", &scopes("secret"))
        .tool("drop", &scopes("delete"))
        .method("resources/*", &scopes("read"))
        .implies(&Scope::parse("admin").unwrap(), &scopes("mcp read"))
}

fn show(standing: &Standing) -> String {
    match standing {
        Standing::Allowed(why) => format!("allowed: {why}"),
        Standing::Obtainable(Cure::Scopes(all), why) => format!("needs {all}: {why}"),
        Standing::Obtainable(cure, why) => format!("needs {cure:?}: {why}"),
        Standing::Hidden(why) => format!("hidden: {why}"),
    }
}

#[test]
fn each_standing_names_the_rule_behind_it() {
    let policy = Policy::new(table()).confirm("drop", Confirm::Person).confirm("get_*", Confirm::Client);
    for (held, tool, expected) in [
        ("mcp", "plain", "allowed: scope mcp"),
        ("mcp", "drop", "needs delete mcp: scope delete"),
        ("mcp delete", "drop", "needs Person: confirm"),
        ("mcp delete", "DROP", "needs Person: confirm"),
        ("mcp read", "get_x", "needs Client: confirm"),
        ("admin", "get_x", "needs Client: confirm"),
        ("admin", "drop", "needs admin delete: scope delete"),
        ("", "plain", "needs mcp: scope mcp"),
    ] {
        let standing = with_caller(held, |caller| policy.judge(caller, &unheld(), &call(tool), NOW));
        assert_eq!(show(&standing), expected, "{held} {tool}");
    }
    let open = Policy::new(ToolTable::default());
    let standing = with_caller("", |caller| open.judge(caller, &unheld(), &call("x"), NOW));
    assert_eq!(show(&standing), "allowed: no scope needed");
}

#[test]
fn t_versions_every_method_is_judged_and_a_response_needs_the_base() {
    let policy = Policy::new(table()).confirm("*", Confirm::Person);
    for (method, params, expected) in [
        ("initialize", "{}", "allowed: scope mcp"),
        ("server/discover", "{}", "allowed: scope mcp"),
        ("tools/list", "{}", "allowed: scope mcp"),
        ("resources/read", r#"{"uri":"a:b"}"#, "needs mcp read: scope read"),
        ("resources/list", "{}", "needs mcp read: scope read"),
        ("prompts/get", r#"{"name":"drop"}"#, "allowed: scope mcp"),
        ("tools/call", r#"{"name":"x"}"#, "needs Person: confirm"),
    ] {
        let standing =
            with_caller("mcp", |caller| policy.judge(caller, &unheld(), &message(method, params), NOW));
        assert_eq!(show(&standing), expected, "{method}");
    }
    let response = Message::parse(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap();
    let standing = with_caller("", |caller| policy.judge(caller, &unheld(), &response, NOW));
    assert_eq!(show(&standing), "needs mcp: scope mcp");
    let more = policy.require(&scopes("more"));
    let standing = with_caller("mcp", |caller| more.judge(caller, &unheld(), &response, NOW));
    assert_eq!(show(&standing), "needs mcp more: scope more");
}

#[test]
fn the_most_specific_confirmation_counts_and_the_stricter_of_equals() {
    let policy = Policy::new(ToolTable::default())
        .confirm("*", Confirm::Person)
        .confirm("get_*", Confirm::Client)
        .confirm("*_key", Confirm::Client)
        .confirm("aaa_*", Confirm::Person)
        .confirm("get_key", Confirm::Client)
        .confirm("get_key", Confirm::Person);
    for (tool, cure) in [
        ("drop", Cure::Person),
        ("get_x", Cure::Client),
        ("aaa_key", Cure::Person),
        ("get_key", Cure::Person),
        ("b_key", Cure::Client),
    ] {
        let standing = with_caller("", |caller| policy.judge(caller, &unheld(), &call(tool), NOW));
        assert!(matches!(&standing, Standing::Obtainable(one, _) if *one == cure), "{tool} {standing:?}");
    }
}

#[test]
fn t_tool_drift_what_is_held_is_hidden_before_scopes_are_looked_at() {
    let definition = definition_digest(&serde_json::json!({"name": "get_x"}));
    let changed = definition_digest(&serde_json::json!({"name": "get_x", "description": "new"}));
    let known = KnownTools::new(NewTools::Hold).accepted("get_x", definition).complete(true);
    let policy = Policy::new(table());
    with_caller("", |caller| {
        let call = |tool| show(&policy.judge(caller, &known, &call(tool), NOW));
        assert_eq!(call("get_x"), "needs mcp read: scope mcp read");
        assert_eq!(call("get_y"), "hidden: tool not accepted");
        assert_eq!(call("GET_X"), "hidden: tool not accepted");
        let entry = |digest| show(&policy.judge_tool(caller, &known, "get_x", Some(digest), NOW));
        assert_eq!(entry(&definition), "needs mcp read: scope mcp read");
        assert_eq!(entry(&changed), "hidden: tool definition changed");
    });
}

#[test]
fn a_policy_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Policy>();
    shared::<KnownTools>();
}

proptest! {
    /// A list and a call are one question.
    #[test]
    fn t_hidden_tool_what_is_listed_is_what_can_be_called(
        held in prop::sample::subsequence(vec!["mcp", "read", "secret", "delete", "admin"], 0..=5),
        tool in "(get_|put_|GET_|)[a-c]?(_secret|_Secret|)|drop|DROP|[\\PC]{0,6}",
        hold in any::<bool>(),
        accepted in any::<bool>(),
        confirm in prop::option::of("(get_|)\\*|drop|\\*_secret"),
    ) {
        let mut policy = Policy::new(table());
        if let Some(pattern) = confirm {
            policy = policy.confirm(&pattern, Confirm::Person);
        }
        let digest = Digest::of(tool.as_bytes());
        let mut known = KnownTools::new(if hold { NewTools::Hold } else { NewTools::Allow });
        if accepted {
            known = known.accepted(&tool, digest).listed(&tool, digest);
        }
        with_caller(&held.join(" "), |caller| {
            let entry = policy.judge_tool(caller, &known, &tool, Some(&digest), NOW);
            let called = policy.judge(caller, &known, &call(&tool), NOW);
            prop_assert_eq!(&entry, &called);
            prop_assert_eq!(entry.is_listed(), accepted || !hold);
            Ok(())
        })?;
    }
}
