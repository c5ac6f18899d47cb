//! Personal tokens, groups, the trail, and cutting off: by command.

use std::path::Path;

use serde_json::Value;

use crate::world::{Ended, Server, at};

const PASSWORD: &str = "correct horse battery staple\n";

fn tool_call(server: &Server, token: &str) -> String {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list"
    );
    let meta = "io.modelcontextprotocol";
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"{meta}/protocolVersion":"2026-07-28","{meta}/clientInfo":{{"name":"t","version":"1"}},"{meta}/clientCapabilities":{{}}}}}}}}"#
    );
    server.ask(&head, &body).0.split("\r\n").next().unwrap_or_default().to_owned()
}

fn made(ended: &Ended) -> (String, String) {
    let row = ended.row();
    (row["id"].as_str().unwrap().to_owned(), row["token"].as_str().unwrap().to_owned())
}

#[test]
fn a_personal_token_is_made_used_listed_and_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::guard(directory.path());
    let at = |words: &str| at(directory.path(), words, "");
    crate::world::at(directory.path(), "users add ann --password-stdin", PASSWORD);
    let create = "tokens create --for ann --name nightly --scope notes:read --expires 90d --json";
    let (id, token) = made(&at(create));
    let (_, other) = made(&at(create));
    assert!(token.starts_with("pc_pat_"), "scanners know what leaked");
    assert!(tool_call(&server, &token).contains("200"), "{}", tool_call(&server, &token));
    let listed = at("tokens list --json");
    assert_eq!(listed.rows().len(), 2);
    assert!(!listed.out.contains(&token), "a token is printed once");
    assert_eq!(at(&format!("agents show {id} --json")).row()["scopes"], serde_json::json!(["notes:read"]));
    assert_eq!(at(&format!("tokens revoke {id}")).code, 0);
    assert!(tool_call(&server, &token).contains("401"));
    assert!(tool_call(&server, &other).contains("200"), "and no other");
    assert_eq!(at("agents revoke --user ann").code, 0);
    assert!(tool_call(&server, &other).contains("401"));
    for (words, why) in [
        ("tokens create --for nobody --name n --scope notes:read", "`nobody`"),
        ("tokens create --for ann --name n --scope no:such", "scope"),
        ("tokens create --for ann --name n --scope notes:read --expires 400d", "365"),
        ("tokens create --for ann --name n --scope notes:read --expires soon", "soon"),
        ("agents revoke", "required"),
        ("agents revoke agt_1 --user ann", "cannot be used with"),
    ] {
        let refused = at(words);
        assert_eq!(refused.code, 1, "{words}: {}", refused.err);
        assert!(refused.err.contains(why), "{words}: {}", refused.err);
    }
}

#[test]
fn w19_the_trail_is_searched_exported_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let at = |words: &str, input: &str| at(directory.path(), words, input);
    at("users add ann --password-stdin --group staff", PASSWORD);
    at("users add bob --password-stdin", PASSWORD);
    at("users groups ann --set staff,ops", "");
    let rows = at("audit --json", "").rows();
    let kinds: Vec<&str> = rows.iter().map(|row| row["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["user_added", "groups_changed", "user_added", "groups_changed"], "the oldest first");
    for name in
        ["time", "event", "agent", "client_id", "subject", "resource", "tool", "scopes", "decision", "rule"]
    {
        assert!(rows.iter().all(|row| row.get(name).is_some()), "{name}");
    }
    assert_eq!(at("audit --user ann --json", "").rows().len(), 3);
    assert_eq!(at("audit --event user_added --limit 1 --json", "").rows().len(), 1);
    assert_eq!(at("audit --until 1h --json", "").rows(), Vec::<Value>::new());
    let csv = at("audit --format csv", "").out;
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.starts_with("time,event,agent,client_id,subject,resource,tool,scopes,decision,rule,"));
    let verified = at("audit verify --json", "").row();
    assert_eq!((verified["whole"].clone(), verified["rows"].clone()), (true.into(), 4.into()));
    let head = verified["head"].as_str().unwrap().to_owned();
    at("users erase ann", "");
    let later = at(&format!("audit verify --expect-head {head} --json"), "");
    assert_eq!((later.code, later.row()["whole"].clone()), (0, true.into()), "{}", later.out);
    let users = at("users list --json", "").out;
    assert!(!users.contains("ann") && users.contains("bob"));
}

/// The database, without what guards its rows.
fn unguarded(directory: &Path) -> rusqlite::Connection {
    let database = std::fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "db"))
        .unwrap();
    let tamper = rusqlite::Connection::open(database).unwrap();
    let triggers: Vec<String> = tamper
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .flatten()
        .collect();
    for trigger in triggers {
        tamper.execute_batch(&format!("DROP TRIGGER \"{trigger}\"")).unwrap();
    }
    tamper
}

#[test]
fn a_person_is_exported_whole_however_much_was_done_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let at = |words: &str, input: &str| at(directory.path(), words, input);
    at("users add ann --password-stdin", PASSWORD);
    at("users add bob --password-stdin", PASSWORD);
    let file = unguarded(directory.path());
    file.execute_batch(
        "BEGIN; CREATE TEMP TABLE one AS SELECT * FROM audit WHERE seq = 1;
         CREATE TEMP TABLE many AS WITH RECURSIVE n(seq) AS (SELECT 3 UNION ALL SELECT seq + 1 FROM n WHERE seq < 2500)
             SELECT n.seq AS number, one.* FROM n, one;
         UPDATE many SET seq = number; ALTER TABLE many DROP COLUMN number;
         INSERT INTO audit SELECT * FROM many; COMMIT;",
    )
    .unwrap();
    drop(file);
    let rows = at("users export ann", "").rows();
    let events: Vec<u64> = rows.iter().filter_map(|row| row["number"].as_u64()).collect();
    let expected: Vec<u64> = std::iter::once(1).chain(3..=2500).collect();
    assert_eq!(events, expected, "each once, the oldest first");
    assert!(rows.iter().skip(1).all(|row| row["about"] == "event"));
    assert_eq!((rows[0]["about"].as_str(), rows[0]["name"].as_str()), (Some("account"), Some("ann")));
    assert_eq!(at("users export nobody", "").code, 1);
}

#[test]
fn t_audit_a_row_that_was_changed_in_the_file_is_named_with_exit_code_3() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["ann", "bob", "eve"] {
        at(directory.path(), &format!("users add {name} --password-stdin"), PASSWORD);
    }
    let tamper = unguarded(directory.path());
    let changed = tamper.execute("UPDATE audit SET kind = 'user_enabled' WHERE seq = 2", []).unwrap();
    assert_eq!(changed, 1);
    drop(tamper);
    let verified = at(directory.path(), "audit verify --json", "");
    assert_eq!(verified.code, 3, "{}", verified.err);
    assert_eq!(verified.rows()[0]["number"], 2);
}
