use portcullis_wire::time::UnixTime;
use serde_json::json;

use super::*;

fn identity(claims: Value) -> Identity {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    Identity {
        issuer: "https://idp.example".to_owned(),
        subject: "1".to_owned(),
        authenticated_at: Some(UnixTime::from_seconds(1)),
        claims,
    }
}

fn mapped(names: &[(&str, &str)], keep: bool) -> Mapping {
    let group_names = names.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect();
    Mapping { group_names, keep_other_groups: keep, ..Mapping::oidc() }
}

fn set(names: &[&str]) -> Option<BTreeSet<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn t_link_only_the_boolean_true_verifies_an_address() {
    for (given, expected) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), false),
        (json!(1), false),
        (json!(null), false),
        (json!([true]), false),
        (json!({"true": true}), false),
    ] {
        let it = Mapping::oidc().apply(&identity(json!({"email": "a@b.example", "email_verified": given})));
        assert_eq!(it.email.unwrap().verified, expected, "{given}");
    }
    let absent = Mapping::oidc().apply(&identity(json!({"email": "a@b.example"})));
    assert!(!absent.email.unwrap().verified);
}

#[test]
fn t_link_an_ill_typed_address_is_none() {
    for given in [
        json!(null),
        json!(["a@b.example"]),
        json!(["a@b.example", "c@d.example"]),
        json!({"address": "a@b.example"}),
        json!(""),
        json!("a"),
        json!("@b.example"),
        json!("a@"),
        json!("a@b"),
        json!("a@b..example"),
        json!("a@evil.example@b.example"),
        json!("a@b.example "),
        json!("a@b.example\n"),
        json!("a@b.example,c@d.example"),
        json!("a@\u{432}.example"),
        json!(format!("{}@b.example", "a".repeat(260))),
    ] {
        let it = Mapping::oidc().apply(&identity(json!({"email": given, "email_verified": true})));
        assert_eq!(it.email, None, "{given}");
    }
}

#[test]
fn t_link_who_vouches_decides_and_domains_have_one_spelling() {
    let claims = json!({"email": ["Ada@ACME.Example"]});
    let saml = Mapping::saml().apply(&identity(claims.clone()));
    assert_eq!(saml.email, Some(Email { address: "Ada@acme.example".to_owned(), verified: false }));
    let vouched = Mapping { email_trust: EmailTrust::Administrator, ..Mapping::saml() };
    assert!(vouched.apply(&identity(claims)).email.unwrap().verified);
    let two = json!({"email": ["a@b.example", "c@d.example"]});
    assert_eq!(vouched.apply(&identity(two)).email, None, "two addresses are none");
}

#[test]
fn a_path_finds_the_exact_member_first_then_goes_into_objects() {
    let claims = json!({
        "a.b": 1, "a": {"b": 2, "c.d": 3, "e": {"f": 4}},
        "https://acme.example/roles": ["x"],
        "list": [{"x": 1}],
    });
    let Value::Object(claims) = claims else { panic!() };
    for (path, expected) in [
        ("a.b", Some(json!(1))),
        ("a.c.d", Some(json!(3))),
        ("a.e.f", Some(json!(4))),
        ("https://acme.example/roles", Some(json!(["x"]))),
        ("a.x", None),
        ("list.x", None),
        ("", None),
        (".", None),
        ("a..e", None),
    ] {
        assert_eq!(ClaimPath::new(path).find(&claims).cloned(), expected, "{path}");
    }
}

#[test]
fn groups_come_by_their_mapping_and_an_absent_claim_means_none() {
    let admins = mapped(&[("mcp-admins", "ops"), ("Staff", "staff")], false);
    for (name, given, expected) in [
        ("mapped", json!({"groups": ["mcp-admins", "Other", "Staff"]}), set(&["ops", "staff"])),
        ("one text", json!({"groups": "Staff"}), set(&["staff"])),
        ("another case", json!({"groups": ["staff"]}), set(&[])),
        ("absent", json!({}), set(&[])),
        ("null", json!({"groups": null}), set(&[])),
        ("numbers and objects", json!({"groups": [1, null, {"Staff": true}, ["Staff"]]}), set(&[])),
    ] {
        assert_eq!(admins.apply(&identity(given)).groups, expected, "{name}");
    }
    let silent = Mapping::oidc().apply(&identity(json!({"groups": ["Staff"]})));
    assert_eq!(silent.groups, None, "without a mapping, groups are not the provider's");
}

#[test]
fn other_groups_keep_fit_names_and_mapped_ones_come_first() {
    let keep = mapped(&[("zz", "ops")], true);
    let it = keep.apply(&identity(json!({"groups": ["zz", "Team-A", "ops/evil", "mit Leerzeichen", ""]})));
    assert_eq!(it.groups, set(&["ops", "team-a"]));
    let mut many = (0..100).map(|number| format!("g{number:03}")).collect::<Vec<_>>();
    many.push("zz".to_owned());
    let groups = keep.apply(&identity(json!({"groups": many}))).groups.unwrap();
    assert_eq!(groups.len(), limit::GROUPS);
    assert!(groups.contains("ops"));
}

#[test]
fn t_link_a_group_of_their_own_name_is_not_one_that_is_given_by_the_mapping() {
    let keep = mapped(&[("mcp-admins", "ops"), ("staff", "staff")], true);
    for (name, given, expected) in [
        ("the mapped one", json!(["mcp-admins"]), set(&["ops"])),
        ("one called as ours", json!(["ops"]), set(&[])),
        ("in capital letters", json!(["OPS", "Staff"]), set(&[])),
        ("mapped to its own name", json!(["staff", "team"]), set(&["staff", "team"])),
        ("both", json!(["ops", "mcp-admins"]), set(&["ops"])),
    ] {
        assert_eq!(keep.apply(&identity(json!({"groups": given}))).groups, expected, "{name}");
    }
}

#[test]
fn roles_inside_objects_count_with_groups() {
    let mut mapping = mapped(&[("admin", "ops"), ("g", "staff")], false);
    mapping.groups.push(ClaimPath::new("realm_access.roles"));
    let it = mapping.apply(&identity(json!({"groups": ["g"], "realm_access": {"roles": ["admin", "x"]}})));
    assert_eq!(it.groups, set(&["ops", "staff"]));
}

#[test]
fn the_trace_holds_every_claim_and_what_was_looked_for_in_vain() {
    let claims = json!({
        "iss": "https://idp.example", "sub": "1", "aud": "us", "name": "Ada\u{202e}", "preferred_username": "ada",
        "email": "ada@acme.example", "groups": ["a", "b"], "realm_access": {"roles": []}, "odd": {"x": [1]},
    });
    let it = mapped(&[("a", "ops")], false).apply(&identity(claims.clone()));
    let Value::Object(claims) = claims else { panic!() };
    for name in claims.keys() {
        assert!(it.trace.iter().any(|traced| traced.claim == *name), "{name}");
    }
    let became = |claim: &str, value: &str| {
        let found = it.trace.iter().find(|traced| traced.claim == claim && traced.value == value);
        found.map(|traced| traced.became.as_str()).unwrap_or("nothing").to_owned()
    };
    assert_eq!(became("groups", "a"), "the group ops");
    assert_eq!(became("groups", "b"), "not used: not mapped");
    assert_eq!(became("name", "Ada"), "the name");
    assert_eq!(became("email_verified", "(absent)"), "the e-mail address does not count");
    assert_eq!(became("odd", r#"{"x":[1]}"#), "not used");
    assert_eq!(became("aud", "us"), "checked");
}

#[test]
fn a_person_s_data_stays_out_of_debug() {
    let it = mapped(&[("a", "ops")], false)
        .apply(&identity(json!({"name": "Ada Canary", "email": "canary@acme.example", "groups": ["a"]})));
    let shown = format!("{it:?} {:?} {:?}", it.email, it.trace);
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
}
