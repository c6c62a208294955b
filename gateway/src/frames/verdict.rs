//! What becomes of a message that cannot be read as it came. Pure.

use rmcp::model::{ClientJsonRpcMessage, ErrorCode, RequestId};
use serde_json::{Value, json};
use shim_runtime::json_text;

use super::envelope::{Envelope, EnvelopeScan};
use super::names::has_shared_name;

/// A wrong value is shown up to so many characters.
const SHOWN_CHARACTERS: usize = 40;
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

/// Why valid JSON is no message.
fn shape_fault(envelope: &Envelope) -> String {
    let is_text = |value: &[u8]| value.starts_with(b"\"");
    let fault = match envelope {
        _ if envelope.is_list => "batches are not served: send each message by itself",
        _ if !envelope.is_object => {
            "a message is a JSON object: send one with jsonrpc, id, method and params"
        }
        _ if envelope.has_two_ids() => "id: is given twice; give each request one id",
        _ if envelope.jsonrpc.as_deref() != Some(b"\"2.0\"") => "jsonrpc: must be \"2.0\"",
        _ if envelope.method.is_none() && !envelope.is_answer => "method: is required",
        _ if envelope
            .method
            .as_deref()
            .is_some_and(|method| !is_text(method)) =>
        {
            "method: must be text"
        }
        _ if envelope.method.is_some() && envelope.is_answer => {
            "a message has either method, or result, or error; send one of them"
        }
        _ if envelope.has_id() && !has_usable_id(envelope) => {
            "id: must be text or a whole number up to 9223372036854775807"
        }
        _ => {
            "the message has not the form that the protocol gives its method; compare it with the schema of MCP"
        }
    };
    fault.to_owned()
}

fn has_usable_id(envelope: &Envelope) -> bool {
    let id = envelope.id();
    id.is_some_and(|id| serde_json::from_str::<RequestId>(&id).is_ok())
}

fn syntax_fault(message: &[u8], error: &serde_json::Error) -> String {
    let offset = offset(message, error);
    let place = json_text::place(message, offset);
    let within = if place.is_empty() {
        place
    } else {
        format!(", in {place}")
    };
    let what = describe(message, offset, error);
    format!(
        "the message is no valid JSON at byte {}{within}: {what}",
        offset + 1
    )
}

/// The byte that the reader stumbled over, or the end.
fn offset(message: &[u8], error: &serde_json::Error) -> usize {
    let lines = message.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + error.column().saturating_sub(1)).min(message.len())
}

/// What is wrong, and the remedy.
fn describe(message: &[u8], offset: usize, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    let bare = bare_at(message, offset);
    let first = message.iter().find(|byte| !byte.is_ascii_whitespace());
    match reason {
        _ if first.is_none_or(|byte| !b"{[".contains(byte)) => {
            "it does not begin with {; send one JSON-RPC message on each line".to_owned()
        }
        _ if error.is_eof() => {
            "it ends in the middle; send each message whole, on one line".to_owned()
        }
        "recursion limit exceeded" => {
            "it is nested deeper than 128 levels; send deep data flatter, or as text".to_owned()
        }
        "number out of range" => {
            format!("{bare} is beyond what a number can hold; send it as text, in quotes")
        }
        "trailing comma" => {
            "a comma stands before the end of a list or an object; leave it out".to_owned()
        }
        "trailing characters" => {
            "more follows behind the message; send each message on a line of its own".to_owned()
        }
        _ if reason.starts_with("control character") => {
            "a control character stands in a text; write it as an escape such as \\n".to_owned()
        }
        "expected value" | "expected ident" | "invalid number"
            if bare.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-') =>
        {
            format!(
                "{bare} is no JSON value; send a number, a text in quotes, true, false or null, or leave the field out"
            )
        }
        _ => format!("{reason}; send JSON as RFC 8259 has it"),
    }
}

/// The value without quotes that holds the byte; empty if there is none.
fn bare_at(message: &[u8], offset: usize) -> String {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
    let (before, behind) = message.split_at(offset);
    let start = before.iter().rposition(ends).map_or(0, |at| at + 1);
    let length = behind.iter().position(ends).unwrap_or(behind.len());
    let bare = String::from_utf8_lossy(&message[start..offset + length]).into_owned();
    bare.chars().take(SHOWN_CHARACTERS).collect()
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
