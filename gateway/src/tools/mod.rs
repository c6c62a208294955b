//! The six tools: what they are called, what they take, what they answer. One file or folder each.
//!
//! A tool reads checked arguments, asks the services and answers with text and the same facts as JSON. Deciding is
//! the services' business.

mod auto_checkpoint;
mod check_recovery;
mod coordinate_task;
mod monitor_signals;
mod session_status;
mod worker_task;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use shim_proto::checkpoint::v1::ClientInfo;
use shim_runtime::auth::Role;
use shim_runtime::service_error::ServiceError;
use tokio_util::sync::CancellationToken;

use crate::arguments::{self, Arguments, Parameter};
use crate::gateway::Gateway;
use crate::inboxes::{AnswerSeq, Fetch};
use crate::render::phrases;
use crate::tool_error::ToolError;

/// Every call is answered within 30 s; a service that keeps silent for longer is given up here.
const CALL_TIMEOUT: Duration = Duration::from_secs(28);

/// A notice in the text: more than the longest message with its sender, since some clients show nothing but the text,
/// and what they were told is acknowledged.
const MAX_NOTICE_CHARACTERS: usize = 17 << 10;

/// What the model sees of a tool.
pub(crate) struct ToolSpec {
    name: &'static str,
    title: &'static str,
    /// What it does and when it is of use, under 2 KB.
    description: &'static str,
    parameters: &'static [Parameter],
    hints: Hints,
    /// Offered without a search. Claude Code defers tools behind its tool search, where a model about to lose its
    /// context does not look; so saving and recovering are always there, and the rest does not cost context.
    always_load: bool,
    outputs: &'static [OutputField],
}

/// The annotations that are not the same for all.
struct Hints {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

/// One field of `structuredContent`.
struct OutputField {
    name: &'static str,
    kind: &'static str,
    about: &'static str,
}

const fn output(name: &'static str, kind: &'static str, about: &'static str) -> OutputField {
    OutputField { name, kind, about }
}

const SPECS: [&ToolSpec; 6] = [
    &auto_checkpoint::SPEC,
    &check_recovery::SPEC,
    &monitor_signals::SPEC,
    &session_status::SPEC,
    &coordinate_task::SPEC,
    &worker_task::SPEC,
];

/// One call on its way.
struct ToolCall {
    gateway: Arc<Gateway>,
    client: ClientInfo,
    arguments: Arguments,
    /// Set once nobody waits for the answer any more.
    cancelled: CancellationToken,
}

impl ToolCall {
    /// The session a call that only looks is about; none is opened for it.
    async fn context_session_id(&self) -> Option<String> {
        match self.arguments.text("session_id") {
            Some(session_id) => Some(session_id.to_owned()),
            None => self.gateway.sessions.default_id().await,
        }
    }
}

/// What a tool answers.
#[derive(Default)]
struct ToolOutput {
    session_id: Option<String>,
    text: String,
    structured: Map<String, Value>,
}

impl ToolOutput {
    fn new(text: impl Into<String>, structured: Value) -> Self {
        let structured = if let Value::Object(structured) = structured {
            structured
        } else {
            Map::new()
        };
        Self {
            session_id: None,
            text: text.into(),
            structured,
        }
    }

    fn with_session(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }
}

/// The definitions for `tools/list`.
pub(crate) fn list() -> Vec<Tool> {
    SPECS.iter().map(|spec| definition(spec)).collect()
}

/// The definition of one tool.
pub(crate) fn find(name: &str) -> Option<Tool> {
    SPECS
        .iter()
        .find(|spec| spec.name == name)
        .map(|spec| definition(spec))
}

fn definition(spec: &ToolSpec) -> Tool {
    let annotations = ToolAnnotations::with_title(spec.title)
        .read_only(spec.hints.read_only)
        .destructive(spec.hints.destructive)
        .idempotent(spec.hints.idempotent)
        .open_world(spec.hints.open_world);
    let tool = Tool::new(
        spec.name,
        spec.description,
        arguments::schema(spec.parameters),
    )
    .with_title(spec.title)
    .with_raw_output_schema(Arc::new(output_schema(spec.outputs)))
    .with_annotations(annotations);
    if !spec.always_load {
        return tool;
    }
    let mut meta = Map::new();
    meta.insert("anthropic/alwaysLoad".to_owned(), true.into());
    tool.with_meta(MetaObject(meta))
}

/// Only what every answer has is required: some clients hold failures against the schema, too.
fn output_schema(outputs: &[OutputField]) -> JsonObject {
    let mut properties = Map::new();
    for output in outputs {
        let mut property = json!({"type": output.kind, "description": output.about});
        if output.kind == "array" {
            property["items"] = json!({});
        }
        properties.insert(output.name.to_owned(), property);
    }
    let shared = json!({
        "session_id": {"type": ["string", "null"], "description": "The session this call was about; null if none."},
        "notices": {
            "type": "array",
            "items": {"type": "object"},
            "description": "News of the session since the last call: kind, text, at. A message from another session \
                or worker also has message_id, from and perhaps data.",
        },
        "error": {
            "type": "object",
            "description": "Only if nothing was done: reason, message, fields, next_step.",
        },
    });
    if let Value::Object(shared) = shared {
        properties.extend(shared);
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("required".to_owned(), json!(["session_id", "notices"]));
    schema
}

/// The name of a tool, if there is one.
pub(crate) fn tool_name(name: &str) -> Option<&'static str> {
    let spec = SPECS.iter().find(|spec| spec.name == name)?;
    Some(spec.name)
}

/// The role a tool asks for; that of a tool nobody knows matters to nobody.
pub(crate) fn required_role(name: &str) -> Role {
    match SPECS.iter().find(|spec| spec.name == name) {
        Some(spec) if !spec.hints.read_only => Role::Write,
        _ => Role::Read,
    }
}

/// The answer to a caller whose role is too weak. The model reads it, so that it does not try the other tools, too.
pub(crate) fn role_error(fault: &ServiceError) -> CallToolResult {
    let error = ToolError::new(fault.reason, fault.message.clone())
        .next_step("the user can give this client a token with a stronger role; shim_session_status works with any");
    to_result(error_output(&error), Vec::new(), true)
}

/// Calls a tool; `None` if there is no such tool. The answer to a call that was `cancelled` in the meantime reaches
/// nobody, so it takes no news along.
pub(crate) async fn call(
    gateway: &Arc<Gateway>,
    client: ClientInfo,
    name: &str,
    given: JsonObject,
    cancelled: CancellationToken,
) -> Option<CallToolResult> {
    let began = gateway.inboxes.answer_seq();
    let spec = SPECS.iter().find(|spec| spec.name == name)?;
    let arguments = match arguments::read(spec.name, spec.parameters, given) {
        Ok(arguments) => arguments,
        Err(error) => return Some(to_result(error_output(&error), Vec::new(), true)),
    };
    let fetch = fetch_messages(gateway, &arguments, began);
    let call = ToolCall {
        gateway: gateway.clone(),
        client,
        arguments,
        cancelled: cancelled.clone(),
    };
    let (answer, is_error) = match run(spec.name, call).await {
        Ok(answer) => (answer, false),
        Err(error) => (error_output(&error), true),
    };
    let mut notices = Vec::new();
    if let Some(session_id) = &answer.session_id {
        finish_messages(gateway, session_id, fetch, began).await;
        if !cancelled.is_cancelled() {
            notices.extend(gateway.sessions.take_notices(session_id));
            notices.extend(gateway.inboxes.take_notices(session_id));
        }
    }
    Some(to_result(answer, notices, is_error))
}

/// Asks for the messages of the call's session while the tool works, if it is known which one that is.
fn fetch_messages(gateway: &Gateway, arguments: &Arguments, began: AnswerSeq) -> Option<Fetch> {
    let named = arguments.text("session_id").map(str::to_owned);
    let session_id = named.or_else(|| gateway.sessions.default_id_now())?;
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

/// The result for arguments that are no JSON object; `None` if there is no such tool.
pub(crate) fn shape_error(name: &str) -> Option<CallToolResult> {
    let spec = SPECS.iter().find(|spec| spec.name == name)?;
    let names: Vec<_> = spec.parameters.iter().map(|p| p.name).collect();
    let error = ToolError::new(
        "BAD_REQUEST",
        format!("arguments of {name} must be a JSON object"),
    )
    .next_step(format!("send an object with any of {}", names.join(", ")));
    Some(to_result(error_output(&error), Vec::new(), true))
}

async fn run(name: &str, call: ToolCall) -> Result<ToolOutput, ToolError> {
    let answer = async {
        match name {
            "shim_auto_checkpoint" => auto_checkpoint::run(&call).await,
            "shim_check_recovery" => check_recovery::run(&call).await,
            "shim_monitor_signals" => monitor_signals::run(&call).await,
            "shim_session_status" => session_status::run(&call).await,
            "shim_coordinate_task" => coordinate_task::run(&call).await,
            _ => worker_task::run(&call).await,
        }
    };
    // A panic would take its answer along, and the client would wait for it for minutes.
    let guarded = AssertUnwindSafe(answer).catch_unwind();
    match tokio::time::timeout(CALL_TIMEOUT, guarded).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(ToolError::new("INTERNAL", format!("{name} failed by a fault of the gateway"))
            .next_step("look with shim_session_status whether it took effect; the gateway's log names the fault")),
        Err(_) => Err(ToolError::new("DEADLINE_EXCEEDED", "the services did not answer within 28 s")
            .next_step("look with shim_session_status whether it took effect, then try again")),
    }
}

fn error_output(error: &ToolError) -> ToolOutput {
    let answer = ToolOutput::new(error.text(), json!({"error": error.structured()}));
    ToolOutput {
        session_id: error.session_id().map(str::to_owned),
        ..answer
    }
}

/// Adds what every answer has: the session and its news.
fn to_result(answer: ToolOutput, notices: Vec<Value>, is_error: bool) -> CallToolResult {
    let ToolOutput {
        session_id,
        mut text,
        mut structured,
    } = answer;
    if let Some(id) = &session_id {
        text.push_str(&format!("\nsession_id: {id}"));
    }
    for notice in &notices {
        let line = notice["text"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "\nNotice: {}",
            phrases::quoted(line, MAX_NOTICE_CHARACTERS)
        ));
        if let Some(data) = notice.get("data") {
            text.push_str(&format!("\n  data: {data}"));
        }
    }
    structured.insert("session_id".to_owned(), session_id.into());
    structured.insert("notices".to_owned(), notices.into());
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(Value::Object(structured));
    result.is_error = Some(is_error);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn schemas_have_no_combinators_at_the_root_and_every_answer_its_session() {
        for tool in list() {
            for word in ["anyOf", "oneOf", "allOf"] {
                assert!(!tool.input_schema.contains_key(word), "{}", tool.name);
            }
            let output = tool.output_schema.as_ref().expect("an output schema");
            assert_eq!(output["required"], json!(["session_id", "notices"]));
            assert!(tool.title.is_some() && tool.annotations.is_some());
        }
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
