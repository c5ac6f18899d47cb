use portcullis_mcp::ToolTable;
use portcullis_wire::id::ClientId;
use portcullis_wire::resource::Resource;
use portcullis_wire::scope::Scope;
use portcullis_wire::time::UnixTime;
use proptest::prelude::*;

use super::*;
use crate::policy::tests::message;
use crate::{Caller, Confirm, KnownTools, NewTools, Policy, Standing, definition_digest};

const NO_PROD: &str = r#"
@id("no-prod-deletes")
forbid (principal, action == Action::"call", resource)
when { resource.name like "delete_*" && context.args has path && context.args.path like "/prod/*" };
"#;

#[test]
fn w15_a_rule_looks_at_arguments_and_is_named() {
    let rules = rules(NO_PROD);
    for (tool, arguments, expected) in [
        ("delete_it", r#"{"path":"/prod/a"}"#, Some("policy `no-prod-deletes`")),
        ("delete_it", r#"{"path":"/test/a"}"#, None),
        ("delete_it", r#"{"path":null}"#, None),
        ("delete_it", "{}", None),
        ("read_it", r#"{"path":"/prod/a"}"#, None),
        ("delete_it", r#"{"path":3}"#, Some("policy `no-prod-deletes` cannot be evaluated")),
        ("delete_it", r#"{"path":["/prod/a"]}"#, Some("policy `no-prod-deletes` cannot be evaluated")),
        ("read_it", r#"{"path":3}"#, None),
        (
            "delete_it",
            r#"{"n":18446744073709551615}"#,
            Some("arguments not representable: a whole number beyond 64 bits"),
        ),
        (
            "read_it",
            r#"{"n":[0.123456]}"#,
            Some("arguments not representable: a number that four decimals cannot say exactly"),
        ),
    ] {
        assert_eq!(forbids_call(&rules, tool, arguments).as_deref(), expected, "{tool} {arguments}");
    }
    assert_eq!(hides(&rules, "delete_it"), None);
}

#[test]
fn arguments_nobody_looks_at_are_not_converted() {
    let rules = rules("forbid (principal, action, resource == Tool::\"drop\");");
    assert_eq!(forbids_call(&rules, "read", r#"{"n":18446744073709551615}"#), None);
}

#[test]
fn whom_what_and_when_rules_are_asked() {
    for (condition, expected) in [
        ("principal == Agent::\"agt_0000000000007\"", true),
        ("principal.client == \"https://claude.example/client.json\"", true),
        ("principal has client_domain && principal.client_domain == \"claude.example\"", true),
        ("principal has person && principal.person == \"usr_ada\"", true),
        ("principal.groups.contains(\"staff\")", true),
        ("principal.groups.contains(\"admins\")", false),
        ("principal.scopes.contains(\"notes:write\")", true),
        ("resource == Tool::\"t\"", true),
        ("resource is Tool", true),
        ("resource.server == \"https://notes.example/mcp\"", true),
        // 1 800 000 000 is 2027-01-15 08:00:00 UTC, a Friday.
        ("context.now == datetime(\"2027-01-15T08:00:00Z\")", true),
        ("context.hour == 8", true),
        ("context.weekday == 5", true),
    ] {
        let rules =
            rules(&format!("@id(\"x\") forbid (principal, action, resource) when {{ {condition} }};"));
        assert_eq!(forbids_call(&rules, "t", "{}").is_some(), expected, "{condition}");
        assert_eq!(hides(&rules, "t").is_some(), expected, "{condition}");
    }
}

#[test]
fn x02_a_machine_has_no_person_and_a_client_without_url_no_domain() {
    let rules = rules(
        "@id(\"p\") forbid (principal, action, resource) when { principal has person };\n\
         @id(\"d\") forbid (principal, action, resource) when { principal has client_domain };",
    );
    for (client, expected) in [
        ("cli_1", None),
        ("https://a.example/c", Some("policy `d`")),
        ("https://a.example:8443/c", Some("policy `d`")),
        ("https://good.example@evil.example/c", None),
        ("http://a.example/c", None),
        ("https:///c", None),
        ("https://a.example", None),
    ] {
        let caller = Caller {
            scopes: &scopes("mcp"),
            client: &ClientId::parse(client).unwrap(),
            subject: "usr_ada",
            agent: None,
            groups: &[],
            resource: &Resource::parse("https://notes.example/mcp").unwrap(),
            acts_for_person: false,
        };
        let said = rules.forbid(&caller, &scopes("mcp"), &Operation::listed("t"), NOW);
        assert_eq!(said.as_deref(), expected, "{client}");
    }
}

#[test]
fn each_kind_of_operation_has_its_action() {
    let rules = rules(
        "@id(\"call\") forbid (principal, action == Action::\"call\", resource == Tool::\"x\");\n\
         @id(\"read\") forbid (principal, action == Action::\"read\", resource) when { resource.name like \"file:///etc/*\" };\n\
         @id(\"prompt\") forbid (principal, action == Action::\"prompt\", resource) when { context.args has who };\n\
         @id(\"method\") forbid (principal, action == Action::\"method\", resource == Method::\"logging/setLevel\");",
    );
    let policy = Policy::new(ToolTable::default()).rules(rules);
    let known = KnownTools::new(NewTools::Allow);
    for (method, params, expected) in [
        ("tools/call", r#"{"name":"x"}"#, "hidden: policy `call`"),
        ("tools/call", r#"{"name":"y","arguments":{"who":1}}"#, "allowed"),
        ("resources/read", r#"{"uri":"file:///etc/passwd"}"#, "hidden: policy `read`"),
        ("resources/subscribe", r#"{"uri":"file:///etc/passwd"}"#, "hidden: policy `read`"),
        ("resources/read", r#"{"uri":"file:///home"}"#, "allowed"),
        ("prompts/get", r#"{"name":"x","arguments":{"who":"me"}}"#, "hidden: policy `prompt`"),
        ("prompts/get", r#"{"name":"x"}"#, "allowed"),
        ("logging/setLevel", r#"{"level":"debug"}"#, "hidden: policy `method`"),
        ("tools/list", "{}", "allowed"),
    ] {
        let standing = with_caller("", |caller| policy.judge(caller, &known, &message(method, params), NOW));
        let shown = match &standing {
            Standing::Hidden(why) => format!("hidden: {why}"),
            _ => "allowed".to_owned(),
        };
        assert_eq!(shown, expected, "{method} {params}");
    }
}

#[test]
fn t_hidden_tool_what_is_held_comes_before_rules_and_rules_before_scopes_and_confirmation() {
    let definition = definition_digest(&serde_json::json!({"name": "t"}));
    let known = KnownTools::new(NewTools::Hold).accepted("t", definition).accepted("u", definition);
    let policy =
        Policy::new(ToolTable::default().tool("t", &scopes("lacking")).tool("u", &scopes("lacking")))
            .confirm("*", Confirm::Person)
            .rules(rules(
                "@id(\"x\") forbid (principal, action, resource) when { resource.name like \"*t*\" };",
            ));
    for (tool, expected) in [("t", "policy `x`"), ("tt", "tool not accepted"), ("u", "scope lacking")] {
        with_caller("mcp", |caller| {
            let call = message("tools/call", &serde_json::json!({ "name": tool }).to_string());
            let called = policy.judge(caller, &known, &call, NOW);
            let listed = policy.judge_tool(caller, &known, tool, Some(&definition), NOW);
            assert_eq!(called.why().to_string(), expected, "{tool}");
            assert_eq!(called, listed, "{tool}");
        });
    }
    let standing = with_caller("lacking", |caller| policy.judge_tool(caller, &known, "u", None, NOW));
    assert_eq!(standing.why().to_string(), "confirm");
}

#[test]
fn t_versions_scopes_that_are_implied_count_in_rules_too() {
    let rules = rules(
        "@id(\"x\") forbid (principal, action, resource) unless { principal.scopes.contains(\"read\") };",
    );
    let broad = Scope::parse("admin").unwrap();
    let policy = Policy::new(ToolTable::default().implies(&broad, &scopes("read"))).rules(rules);
    let known = KnownTools::new(NewTools::Allow);
    for (held, is_listed) in [("admin", true), ("read", true), ("other", false)] {
        let standing = with_caller(held, |caller| policy.judge_tool(caller, &known, "t", None, NOW));
        assert_eq!(standing.is_listed(), is_listed, "{held}");
    }
}

#[test]
fn t_hidden_tool_a_list_hides_what_is_forbidden_with_all_arguments_and_nothing_else() {
    for (condition, hidden) in [
        ("when { resource.name == \"t\" }", true),
        ("when { context.args has a }", false),
        ("unless { context.args has a }", false),
        ("when { resource.name == \"t\" || context.args has a }", true),
        ("when { context.args has a || resource.name == \"t\" }", true),
        ("when { resource.name == \"u\" || context.args has a }", false),
        ("when { resource.name == \"t\" && context.args has a }", false),
        ("when { resource.name == \"t\" } unless { context.args has a }", false),
        ("when { !(context.args has a) }", false),
        ("unless { resource.name == \"u\" && context.args has a }", true),
        ("unless { resource.name == \"t\" && context.args has a }", false),
        ("when { if resource.name == \"t\" then context.hour == 8 else context.args has a }", true),
        ("when { if context.args has a then resource.name == \"t\" else context.hour == 8 }", true),
        ("when { if context.args has a then resource.name == \"t\" else context.hour == 9 }", false),
        ("when { resource.name == \"t\" } when { context.args has a || context.hour == 8 }", true),
        ("unless { context.args has a && context.args.a == \"safe\" }", false),
    ] {
        let rules = rules(&format!("@id(\"x\") forbid (principal, action, resource) {condition};"));
        assert_eq!(hides(&rules, "t").is_some(), hidden, "{condition}");
        if hidden {
            for arguments in ["{}", r#"{"a":"x"}"#, r#"{"a":"safe"}"#] {
                assert!(forbids_call(&rules, "t", arguments).is_some(), "{condition} {arguments}");
            }
        }
    }
}

#[test]
fn the_first_policy_of_the_file_is_named_and_a_failure_before_all() {
    let rules = rules(
        "@id(\"z\") forbid (principal, action, resource) when { context.args has n && context.args.n * 2 > 5 };\n\
         @id(\"a\") forbid (principal, action, resource) when { context.args has n };",
    );
    for (arguments, expected) in [
        (r#"{"n":3}"#, "policy `z`"),
        (r#"{"n":1}"#, "policy `a`"),
        (r#"{"n":9223372036854775807}"#, "policy `z` cannot be evaluated"),
        (r#"{"n":"3"}"#, "policy `z` cannot be evaluated"),
    ] {
        assert_eq!(forbids_call(&rules, "t", arguments).as_deref(), Some(expected), "{arguments}");
    }
}

#[test]
fn t_policy_sandbox_a_time_no_calendar_holds_denies() {
    let rules = rules("@id(\"x\") forbid (principal, action, resource) when { context.hour == 25 };");
    let ask =
        |now| with_caller("mcp", |caller| rules.forbid(caller, &scopes(""), &Operation::listed("t"), now));
    assert_eq!(ask(NOW), None);
    assert_eq!(ask(UnixTime::from_millis(-1)), None);
    for far in [i64::MIN, i64::MAX, -100_000_000_000_000] {
        assert!(ask(UnixTime::from_millis(far)).is_some(), "{far}");
    }
}

fn a_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ab/]{0,4}".prop_map(Value::from),
        prop::collection::vec("[ab]", 0..3).prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a list hides, no arguments open; and the same question has the same answer.
    #[test]
    fn t_hidden_tool_no_arguments_open_what_a_list_hides(
        condition in "(resource\\.name == \"t\"|context\\.hour == 9|context\\.args has a|!\\(context\\.args has b\\))( (&&|\\|\\|) (resource\\.name == \"t\"|context\\.hour == 9|context\\.args has a|\\(context\\.args has a && context\\.args\\.a > 3\\))){0,3}",
        kind in "when|unless",
        arguments in prop::collection::hash_map("[abc]", a_value(), 0..3),
    ) {
        let text = format!("@id(\"x\") forbid (principal, action, resource) {kind} {{ {condition} }};");
        // Some of these can never be true, and are refused.
        if let Ok(rules) = Rules::load(&text, "rules.cedar") {
            let arguments: Map<String, Value> = arguments.into_iter().collect();
            let called = forbids(&rules, "t", &arguments);
            prop_assert_eq!(&called, &forbids(&rules, "t", &arguments));
            if hides(&rules, "t").is_some() {
                prop_assert!(called.is_some(), "{}", text);
            }
        }
    }

    #[test]
    fn t_policy_sandbox_no_text_makes_the_reader_panic(text in "(forbid|permit|\\(|\\)|principal|action|resource|when|\\{|\\}|;|\"|\\.|context|args|has|//|\n|@id|\\PC| ){0,24}") {
        let _ = Rules::load(&text, "rules.cedar");
    }
}
