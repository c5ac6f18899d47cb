use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(body: &str) -> Option<MessageError> {
    Message::parse(body.as_bytes()).err()
}

#[test]
fn jsonrpc_4_requests_notifications_and_responses() {
    for (name, given, expected) in [
        ("request", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Ok(Kind::Request)),
        ("string id", r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Ok(Kind::Request)),
        ("notification", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Ok(Kind::Notification)),
        ("result", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Ok(Kind::Response)),
        ("error", r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, Ok(Kind::Response)),
        ("error about nothing readable", r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, Ok(Kind::Response)),
        ("null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Err(MessageError::Shape)),
        ("fraction id", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Err(MessageError::Shape)),
        ("object id", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Err(MessageError::Shape)),
        (
            "huge id",
            r#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}"#,
            Err(MessageError::Shape),
        ),
        ("result and error", r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Err(MessageError::Shape)),
        (
            "method and result",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            Err(MessageError::Shape),
        ),
        ("neither", r#"{"jsonrpc":"2.0","id":1}"#, Err(MessageError::Shape)),
        ("result without id", r#"{"jsonrpc":"2.0","result":{}}"#, Err(MessageError::Shape)),
        (
            "params without method",
            r#"{"jsonrpc":"2.0","id":1,"params":{},"result":{}}"#,
            Err(MessageError::Shape),
        ),
        ("method is a number", r#"{"jsonrpc":"2.0","id":1,"method":1}"#, Err(MessageError::Shape)),
        ("method is empty", r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Err(MessageError::Shape)),
        ("version 1", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Err(MessageError::Shape)),
        ("version as number", r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Err(MessageError::Shape)),
        ("no version", r#"{"id":1,"method":"ping"}"#, Err(MessageError::Shape)),
        (
            "params by position",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
            Err(MessageError::Params),
        ),
        (
            "params null",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
            Err(MessageError::Params),
        ),
        ("string", r#""ping""#, Err(MessageError::Shape)),
        ("number", "1", Err(MessageError::Shape)),
        ("empty", "", Err(MessageError::Malformed)),
        (
            "two messages",
            r#"{"jsonrpc":"2.0","method":"a"}{"jsonrpc":"2.0","method":"b"}"#,
            Err(MessageError::Malformed),
        ),
    ] {
        assert_eq!(Message::parse(given.as_bytes()).map(|m| m.kind()), expected, "{name}");
    }
}

#[test]
fn w24_batches_are_refused() {
    for given in ["[]", " \n[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", "[", "[[[["] {
        assert_eq!(refused(given), Some(MessageError::Batch), "{given}");
    }
}

#[test]
fn t_json_diff_a_message_has_one_reading_or_none() {
    for (name, given, expected) in [
        (
            "name twice",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            MessageError::DuplicateMember,
        ),
        (
            "name twice, once escaped",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}"#,
            MessageError::DuplicateMember,
        ),
        (
            "Name beside name",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
            MessageError::Variant,
        ),
        (
            "NAME alone",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"NAME":"b"}}"#,
            MessageError::Variant,
        ),
        (
            "Method beside method",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            MessageError::Variant,
        ),
        (
            "Params beside params",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"Params":{"name":"b"}}"#,
            MessageError::Variant,
        ),
        (
            "params with a long s",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}"#,
            MessageError::Variant,
        ),
        (
            "nul after name",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name\u0000":"b"}}"#,
            MessageError::Variant,
        ),
        ("nul alone", r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u0000x":1}"#, MessageError::Variant),
        (
            "space before name",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"," name":"b"}}"#,
            MessageError::Variant,
        ),
        ("Tools/List", r#"{"jsonrpc":"2.0","id":1,"method":"Tools/List"}"#, MessageError::Variant),
        ("TASKS/GET", r#"{"jsonrpc":"2.0","id":1,"method":"TASKS/GET"}"#, MessageError::Variant),
        ("_META", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_META":{}}}"#, MessageError::Variant),
        (
            "Arguments",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Arguments":{}}}"#,
            MessageError::Variant,
        ),
        (
            "argument twice",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}"#,
            MessageError::DuplicateMember,
        ),
        (
            "byte order mark",
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
            MessageError::Malformed,
        ),
        ("comment", "{\"jsonrpc\":\"2.0\",/**/\"method\":\"ping\"}", MessageError::Malformed),
        ("lone surrogate", r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#, MessageError::Malformed),
    ] {
        assert_eq!(refused(given), Some(expected), "{name}");
    }
    let meta = json!({"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"IO.modelcontextprotocol/protocolVersion":"x"}}});
    assert_eq!(refused(&meta.to_string()), Some(MessageError::Variant));
}

#[test]
fn w12_members_nobody_knows_are_left_alone() {
    let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","x":1,
        "params":{"name":"a","task":{"ttl":1},"arguments":{"Name":"n","name":"m"},"_meta":{"example.com/trace":"t","progressToken":1}}});
    let message = Message::parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(message.tool(), Some("a"));
    assert_eq!(message.arguments().unwrap()["Name"], "n");
}

#[test]
fn t_hidden_tool_a_call_names_its_tool() {
    for params in [
        json!({}),
        json!({"name": null}),
        json!({"name": 1}),
        json!({"name": ["a"]}),
        json!({"name": "a", "arguments": []}),
        json!({"name": "a", "_meta": "x"}),
    ] {
        let body = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":params});
        assert_eq!(refused(&body.to_string()), Some(MessageError::Params), "{body}");
    }
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#), Some(MessageError::Params));
}

#[test]
fn t_hidden_tool_a_call_is_spelled_as_one() {
    for method in
        ["Tools/Call", "TOOLS/CALL", " tools/call", "tools/call\0", "Resources/Read", "tools/call\n"]
    {
        let body = json!({"jsonrpc":"2.0","id":1,"method":method,"params":{"name":"a"}});
        assert_eq!(refused(&body.to_string()), Some(MessageError::Variant), "{body}");
    }
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"example/Call"}"#), None);
}

#[test]
fn w10_the_name_comes_from_the_parameter_of_its_method() {
    for (method, params, name, tool) in [
        ("tools/call", json!({"name":"a","uri":"u"}), Some("a"), Some("a")),
        ("prompts/get", json!({"name":"p"}), Some("p"), None),
        ("resources/read", json!({"uri":"file:///x","name":"no"}), Some("file:///x"), None),
        ("tasks/get", json!({"taskId":"t"}), Some("t"), None),
        ("tools/list", json!({"name":"a"}), None, None),
    ] {
        let body = json!({"jsonrpc":"2.0","id":1,"method":method,"params":params});
        let message = Message::parse(body.to_string().as_bytes()).unwrap();
        assert_eq!((message.name(), message.tool()), (name, tool), "{method}");
    }
}

#[test]
fn w20_depth_is_bounded() {
    let nest = |depth: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}1{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(Message::parse(nest(limit::MESSAGE_DEPTH - 2).as_bytes()).is_ok());
    assert_eq!(refused(&nest(limit::MESSAGE_DEPTH - 1)), Some(MessageError::TooLarge));
    assert_eq!(refused(&nest(1_000_000)), Some(MessageError::TooLarge));
}

proptest! {
    #[test]
    fn w20_no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Message::parse(&body);
    }

    #[test]
    fn t_json_diff_what_is_read_is_what_a_plain_reader_reads(name in ".*", id in any::<i64>()) {
        let body = json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":name}}).to_string();
        let message = Message::parse(body.as_bytes()).unwrap();
        prop_assert_eq!(message.tool(), Some(name.as_str()));
        prop_assert_eq!(message.id(), Some(&json!(id)));
    }
}
