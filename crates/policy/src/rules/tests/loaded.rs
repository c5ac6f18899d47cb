use super::*;
use crate::rules::load::SCHEMA;

/// A whole policy around a condition.
fn when(condition: &str) -> String {
    format!("forbid (principal, action, resource)\nwhen {{ {condition} }};")
}

#[test]
fn sound_conditions_are_read() {
    for condition in [
        "principal.client == \"c\"",
        "principal has client_domain && principal.client_domain == \"claude.example\"",
        "principal has person && principal.person == \"usr_ada\"",
        "!principal.groups.contains(\"admins\")",
        "principal.scopes.containsAny([\"a\", \"b\"])",
        "resource.name like \"*_prod\" && resource.server == \"https://notes.example/mcp\"",
        "resource == Tool::\"drop\"",
        "resource is Document && resource.name like \"file:///etc/*\"",
        "context.now > datetime(\"2026-01-01T00:00:00Z\")",
        "context.now.toDate() == datetime(\"2026-12-24\")",
        "context.hour < 8 || context.hour >= 18 || context.weekday > 5",
        "context.args has path && context.args.path like \"/etc/*\"",
        "context.args has n && context.args.n > 3",
        "context.args has n && 3 < context.args.n + 1",
        "context.args has n && -context.args.n < 0",
        "context.args has price && context.args.price.greaterThan(decimal(\"9.99\"))",
        "context.args has force && context.args.force",
        "context.args has force && !context.args.force",
        "context.args has force && context.args.force == true",
        "context.args has to && context.args.to.contains(\"all\")",
        "context.args has to && context.args.to.contains(principal.client)",
        "context.args has to && context.args.to.isEmpty()",
        "context.args has to && [\"a\", \"b\"].containsAll(context.args.to)",
        "context.args has team && !principal.groups.contains(context.args.team)",
        "context.args has team && [\"a\", \"b\"].contains(context.args.team)",
        "context.args has a && context.args has b && context.args.a == context.args.b",
        "context.args has a && context.args has b && context.args.a == context.args.b && context.args.b > 1",
        "context.args has options.depth && context.args.options.depth > 3",
        "context.args has options && context.args.options has depth && context.args.options.depth > 3",
        "context has args.options.depth && context.args.options.depth > 3",
        "context.args has \"x-y\" && context.args[\"x-y\"] == \"z\"",
        "context.args has hours && context.args.hours == context.hour",
        "context.args has a && (if context.args.a == \"x\" then context.args has b else context.hour > 3)",
        "context.args has \"\\\"\\\\\\n\"",
        "context.args has dry_run",
    ] {
        if let Err(faults) = Rules::load(&when(condition), "rules.cedar") {
            panic!("{condition}: {}", said(&faults));
        }
    }
    assert_eq!(rules("// nothing yet\n").names().count(), 0);
}

#[test]
fn each_fault_is_told_with_its_line_and_reason() {
    for (name, condition, column, reason) in [
        ("no such attribute", "principal.email == \"a\"", 8, "attribute `email`"),
        ("no such attribute of a tool", "resource.owner == \"a\"", 8, "attribute `owner`"),
        ("no such context", "context.ip == \"a\"", 8, "attribute `ip`"),
        ("without `has`", "context.args.path == \"x\"", 8, "path"),
        ("`has` behind", "context.args.path == \"x\" && context.args has path", 8, "path"),
        ("`has` of another", "context.args has other && context.args.path == \"x\"", 34, "path"),
        ("`has` in an or", "context.args has path || context.args.path == \"x\"", 33, "path"),
        ("`has` of half the way", "context.args has a && context.args.a.b == 1", 30, "args.a.b"),
        ("optional attribute", "principal.person == \"a\"", 8, "person"),
        (
            "two types at once",
            "context.args has n && context.args.n > 3 && context.args.n like \"x\"",
            52,
            "String",
        ),
        ("number like", "context.hour like \"1*\"", 8, "String"),
        ("types that never agree", "principal.client == 3", 8, "String"),
        ("whole set", "principal.groups == \"a\"", 8, "Set"),
        ("no such type", "principal is User", 21, "User"),
        ("no such action", "action == Action::\"delete\"", 18, "delete"),
        ("no such function", "ipp(\"1\")", 8, "ipp"),
        ("bad date", "context.now > datetime(\"soon\")", 22, "soon"),
        (
            "date from an argument",
            "context.args has d && context.now > datetime(context.args.d)",
            44,
            "literal",
        ),
        ("a name that turns text around", "context.args has \"\\u{202e}\"", 8, "BIDI"),
        ("never true", "false && principal.client == \"a\"", 1, "impossible"),
        ("not a condition", "context.hour", 8, "Bool"),
        ("syntax", "context.hour === 3", 23, "token"),
        ("template", "principal == ?principal", 21, "?principal"),
    ] {
        let text = format!("// a comment\n@id(\"one\")\n{}", when(condition));
        let faults = Rules::load(&text, "rules.cedar").expect_err(name);
        let all = said(&faults);
        let fault = faults.iter().find(|fault| fault.to_string().contains(reason));
        let fault = fault.unwrap_or_else(|| panic!("{name}: {all}"));
        assert_eq!(fault.file, "rules.cedar");
        assert!((2..=4).contains(&fault.line), "{name}: {all}");
        if fault.line == 4 {
            assert_eq!(fault.column, column, "{name}: {all}");
        }
    }
}

#[test]
fn t_policy_sandbox_a_policy_that_permits_is_refused_and_told_how_to_say_it() {
    let faults = Rules::load("\n\npermit (principal, action, resource);", "r").unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{}", said(&faults)) };
    assert_eq!((fault.line, fault.column), (3, 1));
    assert!(fault.text.contains("scopes permit"), "{fault}");
    assert!(fault.hint.as_deref().unwrap_or_default().contains("unless"), "{fault}");
}

#[test]
fn names_differ_and_every_fault_of_a_file_is_told() {
    let text = "@id(\"a\")\nforbid (principal, action, resource);\n\
                @id(\"a\")\nforbid (principal, action, resource);\n\
                forbid (principal, action, resource) when { principal.x };\n\
                @id(\"b c\")\nforbid (principal, action, resource);\n\
                permit (principal, action, resource);\n\
                forbid (principal == ?principal, action, resource);\n";
    let faults = Rules::load(text, "rules.cedar").unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.line, fault.policy.as_deref())).collect();
    let unnamed = [Some("policy at line 5"), Some("policy at line 8")];
    assert_eq!(
        told,
        [(3, Some("a")), (5, unnamed[0]), (6, None), (8, unnamed[1]), (9, None)],
        "{}",
        said(&faults)
    );
    assert!(faults.first().is_some_and(|fault| fault.text.contains("line 1")), "{}", said(&faults));
    let names =
        rules("forbid (principal, action, resource);\n@id(\"x\") forbid (principal, action, resource);");
    assert_eq!(names.names().collect::<Vec<_>>(), ["policy at line 1", "x"]);
    assert_eq!(format!("{names:?}"), r#"["policy at line 1", "x"]"#);
}

#[test]
fn t_policy_sandbox_files_and_policies_are_bounded() {
    let one = "forbid (principal, action, resource);\n";
    let deep = |times: usize| when(&format!("{}true", "true && ".repeat(times)));
    let brackets = |times: usize| when(&format!("{}true{}", "(".repeat(times), ")".repeat(times)));
    for (name, text, is_fine) in [
        ("many policies", one.repeat(500), true),
        ("too many policies", one.repeat(501), false),
        ("long", format!("// {}\n{one}", "x".repeat(250 * 1024)), true),
        ("too long", format!("// {}\n{one}", "x".repeat(256 * 1024)), false),
        ("deep", deep(480), true),
        ("too deep", deep(600), false),
        ("brackets", brackets(400), true),
        ("too many brackets", brackets(100_000), false),
        ("an end that is missing", format!("{one}forbid (\"x"), false),
        ("no UTF-8 trouble", "forbid (ü".to_owned(), false),
    ] {
        assert_eq!(Rules::load(&text, "rules.cedar").is_ok(), is_fine, "{name}");
    }
}

#[test]
fn the_schema_is_sound_and_holds_the_place_of_arguments_once() {
    assert_eq!(SCHEMA.matches("args: {}").count(), 1);
    assert!(cedar_policy::Schema::from_cedarschema_str(SCHEMA).is_ok());
}

#[test]
fn the_examples_of_the_docs_are_sound_and_do_what_is_said() {
    let docs = include_str!("../../../../../docs/policy.md");
    let examples: Vec<_> =
        docs.split("```cedar\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 3);
    let rules = rules(&examples.join("\n"));
    for (tool, arguments, expected) in [
        ("read_file", r#"{"path":"/project/a"}"#, None),
        ("read_file", r#"{"path":"/etc/passwd"}"#, Some("policy `stay-in-the-project`")),
        ("read_file", "{}", Some("policy `stay-in-the-project`")),
        ("pay", r#"{"cents":5000}"#, None),
        ("pay", r#"{"cents":5001}"#, Some("policy `small-payments-only`")),
        ("pay", r#"{"cents":"1"}"#, Some("policy `small-payments-only` cannot be evaluated")),
        ("delete_it", "{}", None),
    ] {
        assert_eq!(forbids_call(&rules, tool, arguments).as_deref(), expected, "{tool} {arguments}");
        assert_eq!(hides(&rules, tool), None, "{tool}");
    }
}
