use portcullis_wire::id::GrantId;
use portcullis_wire::resource::Resource;

use super::*;
use crate::sqlite::{Options, open};

/// What SQLite would do for a question.
fn plan(query: &AuditQuery, bounds: (u64, Option<u64>)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new(Salts::new(|| [7; 32]));
    let c = open::writer(&directory.path().join("portcullis.db"), &options).unwrap();
    let (sql, given) = statement(query, bounds);
    explained(&c, &sql, given)
}

fn explained(c: &Connection, sql: &str, given: Vec<Value>) -> String {
    c.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap()
        .query_map(params_from_iter(given), |row| row.get::<_, String>(3))
        .unwrap()
        .collect::<Result<Vec<_>>>()
        .unwrap()
        .join("; ")
}

/// No question sorts, and none looks at a row it could have skipped by an index.
#[test]
fn w19_questions_are_answered_by_index_and_in_order() {
    let agent = Some(GrantId::from_number(1));
    let user = Some(UserId::from_number(1));
    let client = ClientId::parse("client-1");
    let resource = Resource::parse("https://host.example/mcp").ok();
    let q = AuditQuery::default;
    for (name, query, by) in [
        ("nothing", q(), "SEARCH audit USING INTEGER PRIMARY KEY"),
        (
            "an agent",
            AuditQuery { agent, ..q() },
            "block USING PRIMARY KEY (what=? AND key=? AND block>? AND block<?); SEARCH audit USING INTEGER PRIMARY KEY",
        ),
        (
            "a person",
            AuditQuery { user, ..q() },
            "block USING PRIMARY KEY (what=? AND key=? AND block>? AND block<?); SEARCH audit USING INTEGER PRIMARY KEY",
        ),
        (
            "a client",
            AuditQuery { client, ..q() },
            "block USING PRIMARY KEY (what=? AND key=? AND block>? AND block<?); SEARCH audit USING INTEGER PRIMARY KEY",
        ),
        (
            "a time",
            AuditQuery { since: Some(UnixTime::from_millis(0)), ..q() },
            "SEARCH audit USING INTEGER PRIMARY KEY",
        ),
        (
            "an agent and a time",
            AuditQuery { agent, until: Some(UnixTime::from_millis(0)), ..q() },
            "block USING PRIMARY KEY (what=? AND key=? AND block>? AND block<?); SEARCH audit USING INTEGER PRIMARY KEY",
        ),
        ("a resource", AuditQuery { resource, ..q() }, "SEARCH audit USING INTEGER PRIMARY KEY"),
    ] {
        for newest_first in [true, false] {
            let plan = plan(&AuditQuery { newest_first, ..query.clone() }, (1, Some(9)));
            assert!(plan.contains(by), "{name}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{name}: {plan}");
            assert!(!plan.contains("SCAN"), "{name}: {plan}");
        }
    }
}

#[test]
fn w19_times_become_numbers_by_an_index_alone() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new(Salts::new(|| [7; 32]));
    let c = open::writer(&directory.path().join("portcullis.db"), &options).unwrap();
    let plan = explained(&c, BETWEEN, vec![Value::Integer(1), Value::Integer(2)]);
    assert!(plan.contains("COVERING INDEX audit_by_time"), "{plan}");
    let plan = explained(&c, ERASE, vec![Value::Integer(2), Value::Integer(1)]);
    assert!(plan.contains("SEARCH block USING PRIMARY KEY (what=? AND key=?)"), "{plan}");
    assert!(!plan.contains("SCAN"), "{plan}");
}
