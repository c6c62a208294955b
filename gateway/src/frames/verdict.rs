//! What becomes of a message that cannot be read as it came. Pure.

use rmcp::model::{ClientJsonRpcMessage, ErrorCode};
use serde_json::{Value, json};
use shim_runtime::json_text;

use super::envelope::{Envelope, EnvelopeScan};
use super::faults::{shape_fault, syntax_fault};
use super::names::has_shared_name;

/// A batch is answered for so many of its requests.
const MAX_BATCH: usize = 100;

/// What becomes of it.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The message with U+FFFD for each half character.
    Repaired(String),
    /// Nobody waits for an answer to it; why it cannot be read.
    Ignored(String),
    /// It is answered with this error.
    Refused(Refusal),
}

/// The error that answers a message.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: ErrorCode,
    /// What is wrong, where, and the remedy.
    pub(crate) message: String,
    /// The ids of the requests, as JSON.
    ids: Vec<String>,
}

impl Refusal {
    /// The answers, each a JSON text: one for each request, or one for nobody in particular.
    pub(crate) fn answers(&self) -> Vec<String> {
        if self.ids.is_empty() {
            return vec![self.answer("null")];
        }
        self.ids.iter().map(|id| self.answer(id)).collect()
    }

    fn answer(&self, id: &str) -> String {
        let error = json!({"code": self.code.0, "message": self.message});
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
    }
}

/// Judges a message that could not be read because of `error`.
pub(crate) fn judge(message: &[u8], error: &serde_json::Error) -> Verdict {
    let Some(repaired) = json_text::repair(message) else {
        return judge_whole(message, error);
    };
    match serde_json::from_str::<ClientJsonRpcMessage>(&repaired) {
        Ok(_) if has_shared_name(&repaired) => {
            let fault = "two fields have the same name once their half characters (parts of surrogate pairs) are \
                         replaced; send whole characters";
            refuse(
                &EnvelopeScan::of(message),
                ErrorCode::PARSE_ERROR,
                fault.to_owned(),
            )
        }
        Ok(_) => Verdict::Repaired(repaired),
        Err(error) => judge_whole(repaired.as_bytes(), &error),
    }
}

/// Judges a message of more than `limit` bytes.
pub(crate) fn judge_too_large(envelope: &Envelope, limit: usize) -> Verdict {
    let mebibytes = limit >> 20;
    let message = format!(
        "the message is larger than {limit} bytes ({mebibytes} MiB); send less in one call, and large texts as files"
    );
    refuse(envelope, ErrorCode::INVALID_REQUEST, message)
}

fn judge_whole(message: &[u8], error: &serde_json::Error) -> Verdict {
    let envelope = EnvelopeScan::of(message);
    if error.is_data() {
        let fault = shape_fault(&envelope);
        if envelope.is_list
            && let Some(refusal) = refuse_batch(message, &fault)
        {
            return Verdict::Refused(refusal);
        }
        return refuse(&envelope, ErrorCode::INVALID_REQUEST, fault);
    }
    refuse(
        &envelope,
        ErrorCode::PARSE_ERROR,
        syntax_fault(message, error),
    )
}

fn refuse(envelope: &Envelope, code: ErrorCode, fault: String) -> Verdict {
    if envelope.wants_no_answer() {
        return Verdict::Ignored(fault);
    }
    Verdict::Refused(Refusal {
        code,
        message: format!("{fault}. Nothing was done."),
        ids: envelope.id().into_iter().collect(),
    })
}

/// Every request of a batch is answered.
fn refuse_batch(message: &[u8], fault: &str) -> Option<Refusal> {
    let batch: Vec<Value> = serde_json::from_slice(message).ok()?;
    let requests = batch
        .iter()
        .filter(|message| message.get("method").is_some());
    let ids = requests.filter_map(|request| request.get("id"));
    let ids = ids.filter(|id| id.is_string() || id.is_number());
    Some(Refusal {
        code: ErrorCode::INVALID_REQUEST,
        message: format!("{fault}. Nothing was done."),
        ids: ids.take(MAX_BATCH).map(Value::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

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

    proptest! {
        /// Any damage to a call: it is read, mended, or answered under its id or under none.
        #[test]
        fn every_damaged_call_has_a_verdict(at in 0usize..200, bytes in prop::collection::vec(any::<u8>(), 0..6)) {
            let mut message = call("77", r#"{"current_task":"a \ud83d\ude00","progress":0.5,"steps":["x"]}"#).into_bytes();
            let at = at.min(message.len());
            let end = (at + bytes.len()).min(message.len());
            message.splice(at..end, bytes);
            if let Err(error) = serde_json::from_slice::<ClientJsonRpcMessage>(&message)
                && let Verdict::Refused(refusal) = judge(&message, &error)
            {
                for answer in refusal.answers() {
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    prop_assert!(answer["error"]["message"].is_string());
                    prop_assert!(answer["id"].is_null() || answer["id"].is_number() || answer["id"].is_string());
                }
            }
        }
    }
}
