//! What becomes of a message that cannot be read as it came. Pure.

use rmcp::model::{ClientJsonRpcMessage, ErrorCode};
use serde::de::IgnoredAny;
use serde_json::json;
use shim_runtime::json_text;

use super::cuts::objects_of;
use super::envelope::{Envelope, EnvelopeScan};
use super::faults::{shape_fault, syntax_fault};
use super::ids::{holds, told_id};
use super::losses::with_losses;
use super::names::has_shared_name;
use super::pieces::split;

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
    if split(message).len() > 1 {
        let fault = "several messages stand together; send each by itself";
        return refuse_all(message, fault);
    }
    judge_piece(message, error)
}

/// What becomes of a line that could not be read because of `error`: each message on it is read, or judged.
pub(crate) fn judge_line(
    line: &[u8],
    error: &serde_json::Error,
) -> Vec<Result<ClientJsonRpcMessage, Verdict>> {
    let pieces = split(line);
    if pieces.len() < 2 {
        return vec![Err(judge_piece(line, error))];
    }
    let each = pieces.into_iter().map(|piece| {
        let read = serde_json::from_slice(piece.text);
        match read {
            Ok(_) if piece.is_doubtful => {
                let fault = "it stands together with something damaged; send each message on a line of its own";
                Err(refuse(piece.text, ErrorCode::PARSE_ERROR, fault.to_owned()))
            }
            Ok(message) => Ok(with_losses(message, piece.text)),
            Err(error) => Err(judge_piece(piece.text, &error)),
        }
    });
    each.collect()
}

fn judge_piece(message: &[u8], error: &serde_json::Error) -> Verdict {
    let Some(repaired) = json_text::repair(message) else {
        return judge_whole(message, error);
    };
    match serde_json::from_str::<ClientJsonRpcMessage>(&repaired) {
        Ok(_) if has_shared_name(&repaired) => {
            let fault = "two fields have the same name once their half characters (parts of surrogate pairs) are \
                         replaced; send whole characters";
            refuse(message, ErrorCode::PARSE_ERROR, fault.to_owned())
        }
        Ok(_) => Verdict::Repaired(repaired),
        Err(error) => judge_whole(repaired.as_bytes(), &error),
    }
}

/// Judges a message of more than `limit` bytes.
pub(crate) fn judge_too_large(envelope: &Envelope, limit: usize) -> Verdict {
    let mebibytes = limit >> 20;
    let fault = format!(
        "the message is larger than {limit} bytes ({mebibytes} MiB); send less in one call, and large texts as files"
    );
    if envelope.wants_no_answer() {
        return Verdict::Ignored(fault);
    }
    let ids = envelope.id().into_iter().collect();
    Verdict::Refused(refusal(ErrorCode::INVALID_REQUEST, &fault, ids))
}

fn judge_whole(message: &[u8], error: &serde_json::Error) -> Verdict {
    if error.is_data() {
        let envelope = EnvelopeScan::of(message);
        let fault = shape_fault(&envelope);
        if envelope.is_list {
            return refuse_all(message, &fault);
        }
        return refuse(message, ErrorCode::INVALID_REQUEST, fault);
    }
    let fault = syntax_fault(message, error);
    if message.trim_ascii_start().starts_with(b"[") {
        let ids = ids_of_all(message);
        return Verdict::Refused(refusal(ErrorCode::PARSE_ERROR, &fault, ids));
    }
    refuse(message, ErrorCode::PARSE_ERROR, fault)
}

fn refuse(message: &[u8], code: ErrorCode, fault: String) -> Verdict {
    let id = told_id(message);
    if wants_no_answer(message, id.is_some()) {
        return Verdict::Ignored(fault);
    }
    Verdict::Refused(refusal(code, &fault, id.into_iter().collect()))
}

/// Whether a message is a notification, or an answer, beyond doubt: of a damaged one, no other thing may be left.
fn wants_no_answer(message: &[u8], has_id: bool) -> bool {
    let envelope = EnvelopeScan::of(message);
    if !envelope.wants_no_answer() {
        return false;
    }
    if envelope.is_answer && envelope.method.is_none() {
        return !holds(message, b"\"method\"");
    }
    !has_id && !holds(message, b"\"id\"")
}

fn refusal(code: ErrorCode, fault: &str, ids: Vec<String>) -> Refusal {
    Refusal {
        code,
        message: format!("{fault}. Nothing was done."),
        ids,
    }
}

/// Every request among several messages is answered.
fn refuse_all(messages: &[u8], fault: &str) -> Verdict {
    let ids = ids_of_all(messages);
    Verdict::Refused(refusal(ErrorCode::INVALID_REQUEST, fault, ids))
}

/// The ids of the requests among several messages, in a batch or one behind the other.
fn ids_of_all(messages: &[u8]) -> Vec<String> {
    if messages.trim_ascii_start().starts_with(b"[")
        && serde_json::from_slice::<IgnoredAny>(messages).is_ok()
    {
        let requests = objects_of(messages)
            .into_iter()
            .filter(|item| is_request(item));
        return requests.filter_map(told_id).take(MAX_BATCH).collect();
    }
    let items = match messages.trim_ascii_start().strip_prefix(b"[") {
        Some(items) => items.strip_suffix(b"]").unwrap_or(items),
        None => messages,
    };
    let pieces = split(items).into_iter().map(|piece| piece.text);
    let requests = pieces
        .flat_map(damaged_items)
        .map(without_brackets)
        .filter(|item| is_request(item));
    requests.filter_map(told_id).take(MAX_BATCH).collect()
}

/// Whether somebody waits for an answer to an item, as far as it can be told.
fn is_request(item: &[u8]) -> bool {
    let is_valid = serde_json::from_slice::<IgnoredAny>(item).is_ok();
    if is_valid {
        return EnvelopeScan::of(item).method.is_some();
    }
    !wants_no_answer(item, true)
}

/// The items in a part of a batch: one if it can be read, else each begins as messages do.
fn damaged_items(part: &[u8]) -> Vec<&[u8]> {
    let mut items = Vec::new();
    let mut rest = part;
    if serde_json::from_slice::<IgnoredAny>(part).is_err() {
        while items.len() < MAX_BATCH
            && let Some(next) = next_item(rest)
        {
            let (item, behind) = rest.split_at(next);
            items.push(item);
            rest = behind;
        }
    }
    items.push(rest);
    items
}

/// An item without the lists that begin with it.
fn without_brackets(item: &[u8]) -> &[u8] {
    let is_bracket = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'[';
    let start = item.iter().position(|byte| !is_bracket(byte));
    start.map_or(item, |start| &item[start..])
}

/// Where the next item begins behind the first one.
fn next_item(part: &[u8]) -> Option<usize> {
    (1..part.len()).find(|at| {
        part[*at..].starts_with(b"{\"jsonrpc\"") && part[..*at].trim_ascii_end().ends_with(b",")
    })
}

#[cfg(test)]
mod tests;
