//! An agent's own verdict on its work: the `result` line of its stream-json. Pure.
//!
//! `is_error` and `subtype` state how the agent ended. A success that both state stands, and what else in the line says
//! otherwise is a remark on it. Where they state less, a line that says anywhere that the agent failed is a failure. What it
//! says of cost, tokens and times never counts.

use serde_json::{Map, Value, json};
use shim_exec::{MAX_NOTE_BYTES, first_line};
use shim_proto::limits::task::{MAX_COST_USD, MAX_DENIALS};

use super::json_line::Begun;
use super::tool_calls::describe_denied;
use super::values::{Tokens, amount, is_blank, status, text};

/// How a status begins that is no success.
const FAILED_STATUS: [&str; 12] = [
    "err",
    "fail",
    "abort",
    "cancel",
    "timeout",
    "timed",
    "den",
    "reject",
    "refus",
    "invalid",
    "crash",
    "incomplete",
];

/// What an agent says at its end.
#[derive(Debug, Default, Clone)]
pub(super) struct AgentResult {
    pub(super) is_success: bool,
    pub(super) subtype: String,
    pub(super) terminal_reason: String,
    /// What is handed over; empty if there is none.
    pub(super) text: String,
    pub(super) data: Option<Map<String, Value>>,
    pub(super) errors: Vec<String>,
    /// What it was not allowed to do, each in a few words.
    pub(super) denials: Vec<String>,
    /// The HTTP status of the API call that it failed by; 0 if it names none.
    pub(super) api_status: u16,
    pub(super) api_error_type: String,
    /// Another result follows.
    pub(super) has_successor: bool,
    pub(super) tokens: Tokens,
    pub(super) cost_usd: f64,
    /// What was spent since the result before, without what an earlier process spent in the same conversation.
    pub(super) own_cost_usd: Option<f64>,
    /// No model was asked.
    pub(super) is_without_turn: bool,
    /// The cost stands in the line and cannot be read.
    pub(super) is_cost_unreadable: bool,
    /// What contradicts or limits the result in its own line.
    pub(super) remarks: Vec<String>,
    /// The end of the line is missing.
    pub(super) is_cut: bool,
}

impl AgentResult {
    pub(super) fn of(line: &Value) -> Self {
        let (text, own_data) = handed_over(&line["result"]);
        let cost = &line["total_cost_usd"];
        let structured = structured(&line["structured_output"]);
        Self {
            is_success: !says_failure(line),
            subtype: self::text(line, "subtype"),
            terminal_reason: self::text(line, "terminal_reason"),
            text,
            data: structured.or(own_data),
            errors: errors(line),
            denials: denials(&line["permission_denials"]),
            api_status: status(&line["api_error_status"]),
            api_error_type: self::text(line, "api_error_type"),
            has_successor: amount(&line["queued_turn_count"]).is_some_and(|turns| turns >= 1.0),
            tokens: Tokens::of(&line["usage"]),
            cost_usd: amount(cost).unwrap_or_default().min(MAX_COST_USD),
            own_cost_usd: own_cost(&line["model_usage_since_last_result"]),
            is_without_turn: amount(&line["num_turns"]) == Some(0.0),
            is_cost_unreadable: !cost.is_null() && amount(cost).is_none(),
            remarks: contradictions(line),
            is_cut: false,
        }
    }

    /// The result in a line whose end is missing, if the line is one and still states how the agent ended.
    pub(super) fn of_begun(begun: Begun) -> Option<Self> {
        let Begun { mut fields, cut } = begun;
        let is_result = fields.get("type").is_some_and(|kind| kind == "result");
        let subtype = fields.get("subtype").and_then(Value::as_str);
        let states_failure = subtype.is_some_and(|subtype| !says_success(subtype));
        let is_stated = fields.get("is_error").is_some_and(Value::is_boolean) || states_failure;
        if !is_result || !is_stated {
            return None;
        }
        if let Some((name, text)) = cut
            && name == "result"
        {
            fields.insert(name, text.into());
        }
        // What it cost stands at the end, which is missing.
        fields
            .entry("total_cost_usd")
            .or_insert_with(|| json!("missing"));
        let mut result = Self::of(&Value::Object(fields));
        result.is_cut = true;
        Some(result)
    }

    /// Whether a line without a type that can be read is a result all the same.
    pub(super) fn is_like(line: &Value) -> bool {
        line.get("result").is_some() && line.get("is_error").is_some()
    }

    /// Whether there is something to hand over.
    pub(super) fn is_empty(&self) -> bool {
        is_blank(&self.text) && !self.has_data()
    }

    /// Whether there is data to hand over.
    pub(super) fn has_data(&self) -> bool {
        self.data.as_ref().is_some_and(|data| !data.is_empty())
    }

    /// Why the agent failed, in its own words.
    pub(super) fn complaint(&self) -> String {
        let fields = [&self.subtype, &self.text];
        let parts: Vec<&str> = fields
            .into_iter()
            .chain(&self.errors)
            .map(|part| part.trim())
            .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("success"))
            .collect();
        if parts.is_empty() {
            return "the agent says that it failed".to_owned();
        }
        parts.join(": ")
    }
}

/// The sum over all models; `None` if it is not told of each.
fn own_cost(models: &Value) -> Option<f64> {
    let models = models.as_object()?.values();
    let costs = models.map(|model| amount(&model["costUSD"]));
    let sum: f64 = costs.sum::<Option<f64>>()?;
    Some(sum.min(MAX_COST_USD))
}

/// What the field `result` hands over, as text and as data: models hand over texts, wrappers sometimes objects, or the blocks of
/// a message. What is empty, 0 or false hands over nothing.
fn handed_over(result: &Value) -> (String, Option<Map<String, Value>>) {
    match result {
        void if is_void(void) => (String::new(), None),
        Value::String(text) => (text.clone(), None),
        Value::Object(fields) => (result.to_string(), Some(fields.clone())),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item["text"].as_str()).collect();
            (
                texts.map_or_else(|| result.to_string(), |texts| texts.join("\n")),
                None,
            )
        }
        other => (other.to_string(), None),
    }
}

/// The data of a result. It is an object in the contract, so another value stands in one under its own name.
fn structured(output: &Value) -> Option<Map<String, Value>> {
    match output {
        Value::Null => None,
        Value::Object(fields) => Some(fields.clone()),
        other => json!({ "structured_output": other }).as_object().cloned(),
    }
}

fn says_success(subtype: &str) -> bool {
    subtype.trim().to_lowercase().starts_with("success")
}

/// Whether a line says of itself that the agent failed.
fn says_failure(line: &Value) -> bool {
    let subtype = line["subtype"].as_str().unwrap_or_default().trim();
    let is_subtype_good = subtype.is_empty() || says_success(subtype);
    let is_stated = states_success(line);
    !is_subtype_good
        || says_yes(&line["is_error"])
        || !is_stated && !other_complaints(line).is_empty()
}

/// Whether a line states success in both fields that are there for it.
fn states_success(line: &Value) -> bool {
    let is_error = &line["is_error"];
    let is_denied = !is_error.is_null() && !says_yes(is_error);
    is_denied && says_success(line["subtype"].as_str().unwrap_or_default())
}

/// What contradicts the success that a line states.
fn contradictions(line: &Value) -> Vec<String> {
    if !states_success(line) {
        return Vec::new();
    }
    let complaints = other_complaints(line).into_iter();
    complaints
        .map(|complaint| format!("its result line states success, and also: {complaint}"))
        .collect()
}

/// What the fields beside `is_error` and `subtype` say of a failure.
fn other_complaints(line: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let status = line["status"].as_str().unwrap_or_default().trim();
    let lower = status.to_lowercase();
    if FAILED_STATUS.iter().any(|word| lower.starts_with(word)) {
        complaints.push(format!("status {status}"));
    }
    if !is_void(&line["error"]) || !is_void(&line["errors"]) {
        complaints.push(format!("errors: {}", errors(line).join("; ")));
    }
    for field in ["success", "ok"] {
        if line[field] == false || line[field] == "false" {
            complaints.push(format!("{field} is false"));
        }
    }
    complaints
}

/// A truth value, also as a number or a text.
fn says_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => matches!(text.trim().to_lowercase().as_str(), "true" | "yes" | "1"),
        _ => false,
    }
}

/// Whether a field for errors names none.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => is_blank(text),
        Value::Array(items) => items.iter().all(is_void),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}

/// The errors that a line names, as texts.
fn errors(line: &Value) -> Vec<String> {
    let one = [&line["error"]];
    let many = line["errors"].as_array().into_iter().flatten();
    let named = one.into_iter().chain(many).filter(|error| !is_void(error));
    let said = named.map(|error| match error {
        Value::String(text) => text.clone(),
        other => match other["message"].as_str() {
            Some(message) => message.to_owned(),
            None => other.to_string(),
        },
    });
    said.collect()
}

/// What was denied, each once; one more line counts those that have no room.
fn denials(list: &Value) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut more = 0;
    for denial in list.as_array().into_iter().flatten() {
        let name = match denial {
            Value::String(name) => name.clone(),
            denial => describe_denied(&text(denial, "tool_name"), &denial["tool_input"]),
        };
        let line = match first_line(&name, MAX_NOTE_BYTES) {
            empty if empty.is_empty() => "a tool".to_owned(),
            line => line,
        };
        if said.contains(&line) {
            continue;
        }
        if said.len() + 1 == MAX_DENIALS {
            more += 1;
        } else {
            said.push(line);
        }
    }
    if more > 0 {
        said.push(format!("and {more} more"));
    }
    said
}
