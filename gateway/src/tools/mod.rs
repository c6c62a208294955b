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
use shim_runtime::fault::Fault;
use tokio_util::sync::CancellationToken;

use crate::arguments::{self, Arguments, Parameter};
use crate::gateway::Gateway;
use crate::inboxes::{Fetch, Moment};
use crate::problem::Problem;
use crate::wording;

/// Every call is answered within 30 s; a service that keeps silent for longer is given up here.
const CALL_LIMIT: Duration = Duration::from_secs(28);

/// A notice in the text: more than the longest message with its sender, since some clients show nothing but the text,
/// and what they were told is acknowledged.
const MAX_NOTICE_CHARACTERS: usize = 17 << 10;

/// What the model sees of a tool.
pub(crate) struct Spec {
    name: &'static str,
    title: &'static str,
    /// What it does and when it is of use, under 2 KB.
    description: &'static str,
    parameters: &'static [Parameter],
    hints: Hints,
    /// Offered without a search. Claude Code defers tools behind its tool search, where a model about to lose its
    /// context does not look; so saving and recovering are always there, and the rest does not cost context.
    always_load: bool,
    facts: &'static [Fact],
}

/// The annotations that are not the same for all.
struct Hints {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

/// One field of `structuredContent`.
struct Fact {
    name: &'static str,
    kind: &'static str,
    about: &'static str,
}

const fn fact(name: &'static str, kind: &'static str, about: &'static str) -> Fact {
    Fact { name, kind, about }
}

const SPECS: [&Spec; 6] = [
    &auto_checkpoint::SPEC,
    &check_recovery::SPEC,
    &monitor_signals::SPEC,
    &session_status::SPEC,
    &coordinate_task::SPEC,
    &worker_task::SPEC,
];

/// One call on its way.
struct Call {
    gateway: Arc<Gateway>,
    client: ClientInfo,
    arguments: Arguments,
    /// Set once nobody waits for the answer any more.
    cancelled: CancellationToken,
}

impl Call {
    /// The session a call that only looks is about; none is opened for it.
    async fn session_looked_from(&self) -> Option<String> {
        match self.arguments.text("session_id") {
            Some(session_id) => Some(session_id.to_owned()),
            None => self.gateway.sessions.default_id().await,
        }
    }
}

/// What a tool answers.
#[derive(Default)]
struct Answer {
    session_id: Option<String>,
    text: String,
    facts: Map<String, Value>,
}

impl Answer {
    fn new(text: impl Into<String>, facts: Value) -> Self {
        let facts = if let Value::Object(facts) = facts {
            facts
        } else {
            Map::new()
        };
        Self {
            session_id: None,
            text: text.into(),
            facts,
        }
    }

    fn of_session(mut self, session_id: impl Into<String>) -> Self {
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

fn definition(spec: &Spec) -> Tool {
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
    .with_raw_output_schema(Arc::new(output_schema(spec.facts)))
    .with_annotations(annotations);
    if !spec.always_load {
        return tool;
    }
    let mut meta = Map::new();
    meta.insert("anthropic/alwaysLoad".to_owned(), true.into());
    tool.with_meta(MetaObject(meta))
}

/// Only what every answer has is required: some clients hold failures against the schema, too.
fn output_schema(facts: &[Fact]) -> JsonObject {
    let mut properties = Map::new();
    for fact in facts {
        let mut property = json!({"type": fact.kind, "description": fact.about});
        if fact.kind == "array" {
            property["items"] = json!({});
        }
        properties.insert(fact.name.to_owned(), property);
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
pub(crate) fn known(name: &str) -> Option<&'static str> {
    let spec = SPECS.iter().find(|spec| spec.name == name)?;
    Some(spec.name)
}

/// The role a tool asks for; that of a tool nobody knows matters to nobody.
pub(crate) fn role_needed(name: &str) -> Role {
    match SPECS.iter().find(|spec| spec.name == name) {
        Some(spec) if !spec.hints.read_only => Role::Write,
        _ => Role::Read,
    }
}

/// The answer to a caller whose role is too weak. The model reads it, so that it does not try the other tools, too.
pub(crate) fn refuse_role(fault: &Fault) -> CallToolResult {
    let problem = Problem::new(fault.reason, fault.message.clone())
        .next_step("the user can give this client a token with a stronger role; shim_session_status works with any");
    finish(failure(&problem), Vec::new(), true)
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
    let began = gateway.inboxes.now();
    let spec = SPECS.iter().find(|spec| spec.name == name)?;
    let arguments = match arguments::read(spec.name, spec.parameters, given) {
        Ok(arguments) => arguments,
        Err(problem) => return Some(finish(failure(&problem), Vec::new(), true)),
    };
    let fetch = fetch_messages(gateway, &arguments, began);
    let call = Call {
        gateway: gateway.clone(),
        client,
        arguments,
        cancelled: cancelled.clone(),
    };
    let (answer, is_error) = match run(spec.name, call).await {
        Ok(answer) => (answer, false),
        Err(problem) => (failure(&problem), true),
    };
    let mut news = Vec::new();
    if let Some(session_id) = &answer.session_id {
        finish_messages(gateway, session_id, fetch, began).await;
        if !cancelled.is_cancelled() {
            news.extend(gateway.sessions.take_notices(session_id));
            news.extend(gateway.inboxes.tell(session_id));
        }
    }
    Some(finish(answer, news, is_error))
}

/// Asks for the messages of the call's session while the tool works, if it is known which one that is.
fn fetch_messages(gateway: &Gateway, arguments: &Arguments, began: Moment) -> Option<Fetch> {
    let named = arguments.text("session_id").map(str::to_owned);
    let session_id = named.or_else(|| gateway.sessions.default_id_now())?;
    let owned = gateway.sessions.owns(&session_id);
    owned
        .then(|| gateway.inboxes.fetch(&session_id, began))
        .flatten()
}

/// Waits for the messages, asking now if the call itself opened, adopted or restored its session.
async fn finish_messages(gateway: &Gateway, session_id: &str, fetch: Option<Fetch>, began: Moment) {
    if !gateway.sessions.owns(session_id) {
        gateway.inboxes.forget(session_id);
        return;
    }
    let fetch = match fetch.filter(|fetch| fetch.is_of(session_id)) {
        Some(fetch) => Some(fetch),
        None => gateway.inboxes.fetch(session_id, began),
    };
    if let Some(fetch) = fetch {
        fetch.finish().await;
    }
}

/// The result for arguments that are no JSON object; `None` if there is no such tool.
pub(crate) fn refuse_shape(name: &str) -> Option<CallToolResult> {
    let spec = SPECS.iter().find(|spec| spec.name == name)?;
    let names: Vec<_> = spec.parameters.iter().map(|p| p.name).collect();
    let problem = Problem::new(
        "BAD_REQUEST",
        format!("arguments of {name} must be a JSON object"),
    )
    .next_step(format!("send an object with any of {}", names.join(", ")));
    Some(finish(failure(&problem), Vec::new(), true))
}

async fn run(name: &str, call: Call) -> Result<Answer, Problem> {
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
    match tokio::time::timeout(CALL_LIMIT, guarded).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Problem::new("INTERNAL", format!("{name} failed by a fault of the gateway"))
            .next_step("look with shim_session_status whether it took effect; the gateway's log names the fault")),
        Err(_) => Err(Problem::new("DEADLINE_EXCEEDED", "the services did not answer within 28 s")
            .next_step("look with shim_session_status whether it took effect, then try again")),
    }
}

fn failure(problem: &Problem) -> Answer {
    let answer = Answer::new(problem.text(), json!({"error": problem.facts()}));
    Answer {
        session_id: problem.session_id().map(str::to_owned),
        ..answer
    }
}

/// Adds what every answer has: the session and its news.
fn finish(answer: Answer, notices: Vec<Value>, is_error: bool) -> CallToolResult {
    let Answer {
        session_id,
        mut text,
        mut facts,
    } = answer;
    if let Some(id) = &session_id {
        text.push_str(&format!("\nsession_id: {id}"));
    }
    for notice in &notices {
        let news = notice["text"].as_str().unwrap_or_default();
        text.push_str(&format!(
            "\nNotice: {}",
            wording::quoted(news, MAX_NOTICE_CHARACTERS)
        ));
        if let Some(data) = notice.get("data") {
            text.push_str(&format!("\n  data: {data}"));
        }
    }
    facts.insert("session_id".to_owned(), session_id.into());
    facts.insert("notices".to_owned(), notices.into());
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(Value::Object(facts));
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
