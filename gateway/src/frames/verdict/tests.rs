//! What becomes of damaged messages.

#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn verdict(message: &[u8]) -> Verdict {
    let error = serde_json::from_slice::<ClientJsonRpcMessage>(message).unwrap_err();
    judge(message, &error)
}

fn answers(message: &[u8]) -> Vec<Value> {
    match verdict(message) {
        Verdict::Refused(refusal) => {
            let answers = refusal.answers();
            answers
                .iter()
                .map(|answer| serde_json::from_str(answer).unwrap())
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

fn call(id: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
    )
}

#[test]
fn half_characters_are_replaced_wherever_they_stand() {
    for arguments in [
        r#"{"a":"fix \ud82d"}"#,
        r#"{"\udc00":1}"#,
        r#"{"a":["\ud800\ud800",{"b":"\udfff"}]}"#,
    ] {
        match verdict(call("1", arguments).as_bytes()) {
            Verdict::Repaired(text) => assert!(text.contains("\\ufffd"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let mut cut = call("1", r#"{"a":"caf?"}"#).into_bytes();
    let at = cut.iter().position(|byte| *byte == b'?').unwrap();
    cut[at] = 0xC3;
    assert!(matches!(verdict(&cut), Verdict::Repaired(_)));
    let twins = answers(call("1", r#"{"\ud800":1,"\ud801":2}"#).as_bytes());
    assert!(
        twins[0]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("same name")
    );
}

#[test]
fn what_cannot_be_read_is_answered_with_its_id_its_place_and_the_remedy() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let cases = [
        (
            r#"{"progress":NaN}"#,
            "in params.arguments.progress: NaN is no JSON value",
            -32700,
        ),
        (
            r#"{"progress":-Infinity}"#,
            "-Infinity is no JSON value",
            -32700,
        ),
        (
            r#"{"a":[1,undefined]}"#,
            "in params.arguments.a[1]: undefined is no JSON value",
            -32700,
        ),
        (r#"{"a":1,}"#, "a comma stands before the end", -32700),
        (r#"{"a":[1,]}"#, "a comma stands before the end", -32700),
        (
            r#"{"a":1e400}"#,
            "1e400 is beyond what a number can hold",
            -32700,
        ),
        (
            "{\"a\":\"x\ty\"}",
            "a control character stands in a text",
            -32700,
        ),
        (r#"{"a":'x'}"#, "send JSON as RFC 8259 has it", -32700),
        (r#"{"a":"\x41"}"#, "invalid escape", -32700),
        (deep.as_str(), "nested deeper than 128 levels", -32700),
    ];
    for (arguments, says, code) in cases {
        for id in ["7", r#""a-1""#] {
            let answers = answers(call(id, arguments).as_bytes());
            let error = &answers[0]["error"];
            let said = error["message"].as_str().unwrap();
            assert!(
                said.contains(says) && error["code"] == code,
                "{arguments}: {said}"
            );
            assert_eq!(answers[0]["id"].to_string(), id, "{arguments}");
            assert!(
                said.contains(';') && said.ends_with("Nothing was done."),
                "{said}"
            );
        }
    }
}

#[test]
fn json_that_is_no_message_is_told_what_it_lacks() {
    let cases = [
        (r#"{"id":1,"method":"ping"}"#, "1", "jsonrpc: must be"),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            "1",
            "jsonrpc: must be",
        ),
        (r#"{"jsonrpc":"2.0","id":1}"#, "1", "method: is required"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            "1",
            "method: must be text",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            "1.5",
            "id: must be",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            "null",
            "id: must be",
        ),
        (
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            "null",
            "id: must be",
        ),
        (
            r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}"#,
            "18446744073709551615",
            "id: must be",
        ),
        (r#""text""#, "null", "a message is a JSON object"),
        ("not json", "null", "does not begin with {"),
        ("[]", "null", "batches are not served"),
        (r#"{"jsonrpc":"2.0""#, "null", "ends in the middle"),
    ];
    for (message, id, says) in cases {
        let answers = answers(message.as_bytes());
        let said = answers[0]["error"]["message"].as_str().unwrap();
        assert!(said.contains(says), "{message}: {said}");
        assert_eq!(answers[0]["id"].to_string(), id, "{message}");
    }
    let batch = format!(
        r#"[{},{{"jsonrpc":"2.0","method":"x"}},{}]"#,
        call("1", "{}"),
        call(r#""b""#, "{}")
    );
    let ids: Vec<_> = answers(batch.as_bytes())
        .iter()
        .map(|answer| answer["id"].clone())
        .collect();
    assert_eq!(ids, [json!(1), json!("b")]);
}

#[test]
fn whatever_is_damaged_around_it_the_id_comes_back() {
    let cases = [
        (r#"{"jsonrpc":"2.0" "id":8,"method":"ping"}"#, json!([8])),
        (
            r#"{"jsonrpc":"2.0","method":"x","params":{"a":{"b":[1,2}},"id":9}"#,
            json!([9]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":0016,"method":"ping"}"#,
            json!([16]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}"#,
            json!([1, 2]),
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":NaN}",
            json!([1, 2]),
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":NaN},{"jsonrpc":"2.0","id":3,"method":"ping"}]"#,
            json!([1, 2, 3]),
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[1}},{"jsonrpc":"2.0","id":2,"method":"ping"}"#,
            json!([1, 2]),
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}]"#,
            json!([18446744073709551616.0]),
        ),
        (
            r#"{'jsonrpc': '2.0', 'id': 7, 'method': 'ping'}"#,
            json!([7]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"pi{"jsonrpc":"2.0","id":8,"method":"ping"}"#,
            json!([7, 8]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":5,"meth{"jsonrpc":"2.0","id":6,"method":"ping"}"#,
            json!([5, 6]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"x","params":{"_meta":{"progressToken":1{"jsonrpc":"2.0","id":8,"method":"ping"}"#,
            json!([7, 8]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":11,"method":"ping"}{"jsonrpc":"2.0","id":12,"method":"pi{"jsonrpc":"2.0","id":13,"method":"ping"}"#,
            json!([11, 12, 13]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":9{"jsonrpc":"2.0","id":10,"method":"ping"}"#,
            json!([9, 10]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a{"jsonrpc":"2.0","id":2,"method":"b{"jsonrpc":"2.0","id":3,"method":"ping"}"#,
            json!([1, 2, 3]),
        ),
        (
            r#"[[{"jsonrpc":"2.0","id":18,"method":"ping"}],{"jsonrpc":"2.0","id":19,"method":"ping"}]"#,
            json!([18, 19]),
        ),
        (
            r#"[[{"jsonrpc":"2.0","id":18,"method":NaN}],{"jsonrpc":"2.0","id":19,"method":"ping"}]"#,
            json!([18, 19]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"params":{"text":"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"x\"}","x":NaN}}"#,
            json!([7]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"params":{"frame":{"jsonrpc":"2.0","id":8,"method":"x"},"x":NaN}}"#,
            json!([7]),
        ),
    ];
    for (message, ids) in cases {
        let answered: Vec<_> = answers(message.as_bytes())
            .iter()
            .map(|answer| answer["id"].clone())
            .collect();
        assert_eq!(Value::from(answered), ids, "{message}");
    }
}

#[test]
fn a_message_of_any_depth_is_answered() {
    for depth in [100, 120, 126, 127, 128, 129, 200, 201, 10_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let arguments = format!("{{\"x\":{deep}}}");
            let first = call("5", &arguments);
            let last = format!(
                r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"t","arguments":{arguments}}},"id":5}}"#
            );
            for message in [first, last] {
                if let Err(error) =
                    serde_json::from_slice::<ClientJsonRpcMessage>(message.as_bytes())
                {
                    let Verdict::Refused(refusal) = judge(message.as_bytes(), &error) else {
                        panic!("{depth}: it is answered");
                    };
                    assert_eq!(refusal.ids, ["5"], "{depth}");
                    assert!(
                        refusal.message.contains("nested deeper"),
                        "{}",
                        refusal.message
                    );
                }
            }
        }
    }
}

#[test]
fn what_wants_no_answer_gets_none() {
    for message in [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":NaN}}"#,
        r#"{"jsonrpc":"2.0","id":4,"result":{"x":Infinity}}"#,
    ] {
        assert!(
            matches!(verdict(message.as_bytes()), Verdict::Ignored(_)),
            "{message}"
        );
    }
}

/// On a line of its own transport, each message is judged by itself.
#[test]
fn each_message_of_a_line_is_answered_under_its_id() {
    let line = br#"{"jsonrpc":"2.0","id":9{"jsonrpc":"2.0","id":10,"method":"ping"}"#;
    let error = serde_json::from_slice::<ClientJsonRpcMessage>(line).unwrap_err();
    let ids: Vec<_> = judge_line(line, &error)
        .into_iter()
        .map(|judged| match judged {
            Err(Verdict::Refused(refusal)) => refusal.ids,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [["9"], ["10"]]);
}

proptest! {
    /// Any damage to a call: it is read, mended, or answered; under its id where that is whole.
    #[test]
    fn every_damaged_call_has_a_verdict(
        at in 0usize..200,
        removed in 0usize..6,
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"{}[],:\"\\\r"[..])], 0..6),
    ) {
        let mut message = call("77", r#"{"current_task":"a \ud83d\ude00","progress":0.5,"steps":["x"]}"#).into_bytes();
        let id = br#""id":77,"#;
        let whole = message.windows(id.len()).position(|part| part == id).unwrap();
        let at = at.min(message.len());
        let end = (at + removed).min(message.len());
        let is_id_whole = end <= whole || at >= whole + id.len();
        message.splice(at..end, bytes);
        if let Err(error) = serde_json::from_slice::<ClientJsonRpcMessage>(&message) {
            match judge(&message, &error) {
                Verdict::Refused(refusal) => {
                    for answer in refusal.answers() {
                        let answer: Value = serde_json::from_str(&answer).unwrap();
                        prop_assert!(answer["error"]["message"].is_string());
                        prop_assert!(answer["id"].is_null() || answer["id"].is_number() || answer["id"].is_string());
                    }
                    let text = String::from_utf8_lossy(&message);
                    prop_assert!(!is_id_whole || refusal.ids == ["77"], "{text}: {:?}", refusal.ids);
                }
                Verdict::Repaired(text) => prop_assert!(serde_json::from_str::<Value>(&text).is_ok()),
                Verdict::Ignored(fault) => prop_assert!(!is_id_whole, "{fault}"),
            }
        }
    }
}
