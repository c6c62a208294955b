//! The six tools: what they are called, what they take, what they answer. One file or folder each.
//!
//! A tool reads checked arguments, asks the services and answers with text and the same facts as JSON. Deciding is
//! the services' business.

mod action_arguments;
mod auto_checkpoint;
mod call;
mod check_recovery;
mod coordinate_task;
mod monitor_signals;
mod session_status;
mod spec;
mod worker_task;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use prost_types::Timestamp;
use rmcp::model::{CallToolResult, Tool};
use serde_json::{Value, json};
use shim_proto::checkpoint::v1::ClientInfo;
use shim_proto::reasons::{BAD_REQUEST, DEADLINE_EXCEEDED, INTERNAL};
use shim_render::time;
use shim_runtime::service_error::ServiceError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::arguments::{self, Arguments, GivenArguments};
use crate::gateway::Gateway;
use crate::inbox::AnswerSeq;
use crate::inboxes::Fetch;
use crate::short_ids;
use crate::tool_error::ToolError;
use call::{ToolCall, ToolOutput};

pub(crate) use spec::ToolSpec;

/// Every call is answered within 30 s; a service that keeps silent for longer is given up here.
const CALL_TIMEOUT: Duration = Duration::from_secs(28);

/// All tools, in the order of `tools/list`.
pub(crate) const SPECS: [&ToolSpec; 6] = [
    &auto_checkpoint::SPEC,
    &check_recovery::SPEC,
    &monitor_signals::SPEC,
    &session_status::SPEC,
    &coordinate_task::SPEC,
    &worker_task::SPEC,
];

/// The tool of a name, if there is one.
pub(crate) fn find(name: &str) -> Option<&'static ToolSpec> {
    SPECS.into_iter().find(|spec| spec.name() == name)
}

/// The definitions for `tools/list`.
pub(crate) fn list() -> Vec<Tool> {
    SPECS.iter().map(|spec| spec.definition()).collect()
}

/// The answer to a caller whose role is too weak. The model reads it, so that it does not try the other tools, too.
pub(crate) fn role_error(fault: &ServiceError) -> CallToolResult {
    let error = ToolError::new(fault.reason, fault.message.clone())
        .next_step("the user can give this client a token with a stronger role; shim_session_status works with any");
    ToolOutput::of_error(&error).into_result(Vec::new(), true)
}

/// Calls a tool. The answer to a call that was `cancelled` in the meantime reaches no client, so it takes no notices
/// along.
pub(crate) async fn call(
    spec: &'static ToolSpec,
    gateway: &Arc<Gateway>,
    client: ClientInfo,
    given: GivenArguments,
    cancelled: CancellationToken,
) -> CallToolResult {
    let began = gateway.inboxes.answer_seq();
    let arguments = match arguments::read(spec.name, spec.parameters, given) {
        Ok(arguments) => arguments,
        Err(error) => return ToolOutput::of_error(&error).into_result(Vec::new(), true),
    };
    let until = Instant::now() + CALL_TIMEOUT;
    let arguments = match with_whole_ids(spec, gateway, arguments, until).await {
        Ok(arguments) => arguments,
        Err(error) => return ToolOutput::of_error(&error).into_result(Vec::new(), true),
    };
    let fetch = fetch_messages(gateway, &arguments, began);
    let call = ToolCall {
        gateway: gateway.clone(),
        client,
        arguments,
        cancelled: cancelled.clone(),
    };
    let (answer, is_error) = match run(spec, &call, until).await {
        Ok(answer) => (answer, false),
        Err(error) => (ToolOutput::of_error(&error), true),
    };
    let readings = call.arguments.readings();
    let mut notices: Vec<_> = readings.iter().map(|text| reading_notice(text)).collect();
    if let Some(session_id) = &answer.session_id {
        finish_messages(gateway, session_id, fetch, began).await;
        if !cancelled.is_cancelled() {
            notices.extend(gateway.sessions.take_notices(session_id));
            notices.extend(gateway.inboxes.take_notices(session_id));
        }
    }
    answer.into_result(notices, is_error)
}

/// The arguments with whole ids in the place of short ones.
async fn with_whole_ids(
    spec: &ToolSpec,
    gateway: &Gateway,
    mut arguments: Arguments,
    until: Instant,
) -> Result<Arguments, ToolError> {
    let expanded = short_ids::expand(gateway, spec.parameters, &mut arguments);
    match tokio::time::timeout_at(until, expanded).await {
        Ok(outcome) => outcome.map(|()| arguments),
        Err(_) => Err(too_late().next_step("give the whole id; nothing was done")),
    }
}

fn too_late() -> ToolError {
    ToolError::new(DEADLINE_EXCEEDED, "the services did not answer within 28 s")
}

/// Tells that arguments were read otherwise than they were typed.
fn reading_notice(text: &str) -> Value {
    let at = Timestamp::from(SystemTime::now());
    json!({"kind": "arguments_read_as_meant", "text": text, "at": time::rfc3339(Some(&at))})
}

/// Begins to fetch the messages of the call's session while the tool works, if it is known which session that is.
fn fetch_messages(gateway: &Gateway, arguments: &Arguments, began: AnswerSeq) -> Option<Fetch> {
    let named = arguments.text("session_id").map(str::to_owned);
    let session_id = named.or_else(|| gateway.sessions.default_id())?;
    let owned = gateway.sessions.owns(&session_id);
    owned
        .then(|| gateway.inboxes.fetch(&session_id, began))
        .flatten()
}

/// Waits for the messages, asking now if the call itself opened, adopted or restored its session.
async fn finish_messages(
    gateway: &Gateway,
    session_id: &str,
    fetch: Option<Fetch>,
    began: AnswerSeq,
) {
    if !gateway.sessions.owns(session_id) {
        gateway.inboxes.forget(session_id);
        return;
    }
    let fetch = match fetch.filter(|fetch| fetch.is_for(session_id)) {
        Some(fetch) => Some(fetch),
        None => gateway.inboxes.fetch(session_id, began),
    };
    if let Some(fetch) = fetch {
        fetch.finish().await;
    }
}

/// The result for arguments that are no JSON object.
pub(crate) fn shape_error(spec: &ToolSpec) -> CallToolResult {
    let names: Vec<_> = spec.parameters.iter().map(|p| p.name).collect();
    let error = ToolError::new(
        BAD_REQUEST,
        format!("arguments of {} must be a JSON object", spec.name),
    )
    .next_step(format!("send an object with any of {}", names.join(", ")));
    ToolOutput::of_error(&error).into_result(Vec::new(), true)
}

async fn run(spec: &ToolSpec, call: &ToolCall, until: Instant) -> Result<ToolOutput, ToolError> {
    let name = spec.name;
    // A panic would take its answer along, and the client would wait for it for minutes.
    let guarded = AssertUnwindSafe((spec.run)(call)).catch_unwind();
    match tokio::time::timeout_at(until, guarded).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ToolError::new(INTERNAL, format!("{name} failed by a fault of the gateway"))
            .next_step("look with shim_session_status whether it took effect; the gateway's log names the fault")),
        Err(_) => Err(too_late()
            .next_step("look with shim_session_status whether it took effect, then try again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::ParameterType;

    /// Claude Code cuts descriptions at 2 KB.
    const MAX_DESCRIPTION_BYTES: usize = 2_048;

    #[test]
    fn the_six_tools_are_described_within_what_clients_show() {
        let names: Vec<_> = SPECS.iter().map(|spec| spec.name).collect();
        let expected = [
            "shim_auto_checkpoint",
            "shim_check_recovery",
            "shim_monitor_signals",
            "shim_session_status",
            "shim_coordinate_task",
            "shim_worker_task",
        ];
        assert_eq!(names, expected);
        for spec in SPECS {
            assert!(
                spec.description.len() < MAX_DESCRIPTION_BYTES,
                "{}",
                spec.name
            );
            assert!(
                spec.parameters
                    .iter()
                    .all(|parameter| parameter.about.len() > 10),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn schemas_have_no_combinators_at_the_root_and_every_answer_its_next_step() {
        for tool in list() {
            for word in ["anyOf", "oneOf", "allOf"] {
                assert!(!tool.input_schema.contains_key(word), "{}", tool.name);
            }
            let output = tool.output_schema.as_ref().expect("an output schema");
            for field in ["session_id", "next_step", "notices", "error"] {
                assert!(output["properties"][field].is_object(), "{field}");
            }
            assert!(tool.title.is_some() && tool.annotations.is_some());
        }
    }

    /// Names of arguments that have a word for what has an id, and name no such thing.
    const NAMES_NOTHING: [&str; 7] = [
        // Texts and keys of the caller's own.
        "current_task",
        "task_key",
        "closed_tasks",
        "message",
        "message_count",
        // A fencing token, and cron fields.
        "lease",
        "schedule",
    ];

    #[test]
    fn every_argument_that_names_something_takes_short_ids() {
        let nouns = [
            "id",
            "session",
            "checkpoint",
            "task",
            "tasks",
            "worker",
            "lease",
            "message",
            "schedule",
            "job",
        ];
        let names_something = |parameter: &&arguments::Parameter| {
            let has_noun = parameter.name.split('_').any(|word| nouns.contains(&word));
            has_noun && !NAMES_NOTHING.contains(&parameter.name)
        };
        let mut found = 0;
        for spec in SPECS {
            for parameter in spec.parameters.iter().filter(names_something) {
                let is_id = matches!(parameter.kind, ParameterType::Id { .. });
                assert!(is_id, "{} of {}", parameter.name, spec.name);
                found += 1;
            }
            // Only the arguments themselves are looked at before a tool runs.
            for parameter in spec.parameters {
                if let ParameterType::Records { fields, .. } = &parameter.kind {
                    let nested = |field: &arguments::Parameter| {
                        matches!(field.kind, ParameterType::Id { .. })
                    };
                    assert!(!fields.iter().any(nested), "{}", parameter.name);
                }
            }
        }
        assert!(found >= 12, "{found}");
    }

    /// What is wrong with a schema for clients that know no more than single types and plain lists.
    fn strictness(at: &str, schema: &Value, faults: &mut Vec<String>) {
        let known = [
            "type",
            "description",
            "enum",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "pattern",
            "maxItems",
            "items",
            "properties",
            "required",
            "additionalProperties",
            "$schema",
            "title",
        ];
        for word in schema
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys())
        {
            if !known.contains(&word.as_str()) {
                faults.push(format!("{at}: the keyword {word}"));
            }
        }
        if !schema["type"].is_string() {
            faults.push(format!("{at}: no single type"));
        }
        if schema["type"] == "array" {
            strictness(&format!("{at}[]"), &schema["items"], faults);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            if property["description"]
                .as_str()
                .is_none_or(|about| about.len() < 10)
            {
                faults.push(format!("{at}: no description"));
            }
            strictness(&at, property, faults);
        }
    }

    #[test]
    fn every_schema_is_plain_and_says_what_each_field_means() {
        let mut faults = Vec::new();
        for tool in list() {
            let input = Value::Object((*tool.input_schema).clone());
            strictness(&format!("{} in", tool.name), &input, &mut faults);
            let output = tool
                .output_schema
                .map(|schema| Value::Object((*schema).clone()));
            strictness(
                &format!("{} out", tool.name),
                &output.unwrap_or_default(),
                &mut faults,
            );
        }
        assert!(faults.is_empty(), "{faults:#?}");
        let mut lax = Vec::new();
        strictness(
            "x",
            &json!({"type": ["string", "null"], "anyOf": []}),
            &mut lax,
        );
        assert_eq!(lax.len(), 2, "the check sees what it looks for");
    }

    #[test]
    fn saving_and_recovering_are_always_offered() {
        let always: Vec<_> = list()
            .into_iter()
            .filter(|tool| tool.meta.is_some())
            .map(|tool| tool.name)
            .collect();
        assert_eq!(always, ["shim_auto_checkpoint", "shim_check_recovery"]);
    }
}
