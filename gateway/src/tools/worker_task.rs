//! `shim_worker_task`: makes this session a worker that others find, message and give work to.
//!
//! The arguments of every action are checked in full. Workers register; no service of the contract gives out tasks, so
//! the actions on tasks say so.

use serde_json::json;
use shim_proto::checkpoint::v1::ClientInfo;
use shim_proto::coordination::v1::{RegisterWorkerRequest, Worker, WorkerKind};
use shim_runtime::fault::BAD_REQUEST;

use super::coordinate_task::{check_needed, tasks_not_served};
use super::{Answer, Call, Hints, Spec, fact};
use crate::arguments::{Form, optional, required};
use crate::config::clipped;
use crate::facts;
use crate::problem::Problem;
use crate::services::request_id;

/// The contract's limits on what a worker says of itself.
const MAX_NAME_BYTES: usize = 200;
const MAX_VERSION_BYTES: usize = 100;

pub(super) const SPEC: Spec = Spec {
    name: "shim_worker_task",
    title: "Work on shared tasks",
    description: "Makes this session a worker that other windows see and reach, and lets it work on shared tasks.\n\
        action \"register\" makes it known with its capabilities; registering again replaces them. From then on it is \
        listed by shim_session_status view=workers, gets messages sent to its capabilities (in the notices of its \
        next call), and counts as alive as long as this process runs. Useful when the user wants this window to take \
        part in shared work.\n\
        action \"claim\" waits up to 25 s and answers with a task and a lease, or that there is none; the lease goes \
        with every later report (progress, complete, fail, release), and a report after the task was given to \
        another worker is refused. Where the stack does not serve tasks, the answer says so.",
    parameters: &[
        required(
            "action",
            Form::Choice(&[
                "register", "claim", "progress", "complete", "fail", "release",
            ]),
            "What to do.",
        ),
        optional(
            "capabilities",
            Form::Texts {
                max_items: 100,
                max_bytes: 100,
            },
            "register (required there): what this worker can do, for example \"rust\"; at most 100, each of up to 100 letters, digits and ._:/@-",
        ),
        optional(
            "task_id",
            Form::Text { max_bytes: 100 },
            "progress, complete, fail, release: the task, from the answer to claim.",
        ),
        optional(
            "lease",
            Form::Text { max_bytes: 200 },
            "progress, complete, fail, release: the lease, from the answer to claim.",
        ),
        optional(
            "progress",
            Form::Number { min: 0.0, max: 1.0 },
            "progress: how much of the task is done, 0 to 1.",
        ),
        optional(
            "result",
            Form::Object,
            "complete: the result, any JSON object.",
        ),
        optional(
            "error",
            Form::Text { max_bytes: 8_192 },
            "fail: why it failed; at most 8,192 bytes.",
        ),
        optional(
            "session_id",
            Form::Id,
            "The session that works, from an earlier answer; left out, this process's own.",
        ),
    ],
    hints: Hints {
        read_only: false,
        destructive: false,
        idempotent: false,
        open_world: true,
    },
    always_load: false,
    facts: &[
        fact(
            "worker",
            "object",
            "register: this worker as the registry knows it.",
        ),
        fact(
            "task",
            "object",
            "claim: the task: task_id, goal, files, checkpoint of the worker before.",
        ),
        fact(
            "lease",
            "string",
            "claim: goes with every report on the task.",
        ),
    ],
};

/// The arguments an action cannot do without.
fn needed(action: &str) -> &'static [&'static str] {
    match action {
        "register" => &["capabilities"],
        "progress" => &["task_id", "lease", "progress"],
        "complete" => &["task_id", "lease", "result"],
        "fail" => &["task_id", "lease", "error"],
        "release" => &["task_id", "lease"],
        _ => &[],
    }
}

pub(super) async fn run(call: &Call) -> Result<Answer, Problem> {
    let action = call.arguments.text("action").unwrap_or_default();
    check_needed(&call.arguments, action, needed(action))?;
    if action == "register" {
        return register(call).await;
    }
    Err(tasks_not_served(call, &format!("action={action}")))
}

async fn register(call: &Call) -> Result<Answer, Problem> {
    let capabilities = capabilities(call)?;
    call.gateway.services.need_coordination()?;
    let here = &call.gateway.surroundings.project.name;
    let wanted = call.arguments.text("session_id");
    let claim = call.gateway.sessions.claim(wanted, here, &call.client);
    let owned = claim.await?;
    let session_id = owned.session_id;
    let project = owned.project.unwrap_or_else(|| here.clone());
    let request = RegisterWorkerRequest {
        request_id: request_id(),
        worker_id: session_id.clone(),
        name: name(&call.client, &project),
        kind: WorkerKind::Chat.into(),
        capabilities,
        capacity: 1,
        node: call.client.hostname.clone(),
        version: clipped(&call.client.version, MAX_VERSION_BYTES),
        session_id: session_id.clone(),
    };
    let registered = call.gateway.workers.register(request).await;
    let worker = registered.map_err(|status| Problem::from(status).about(session_id.as_str()))?;
    let answer = Answer::new(told(&worker), json!({"worker": facts::worker(&worker)}));
    Ok(answer.of_session(session_id))
}

/// What people call it: the client and the project's folder.
fn name(client: &ClientInfo, project: &str) -> String {
    let folder = project.rsplit('/').next().unwrap_or_default();
    let client = match client.name.as_str() {
        "" => "a client",
        name => name,
    };
    clipped(&format!("{client} in {folder}"), MAX_NAME_BYTES)
}

/// The capabilities, each a name that the registry takes.
fn capabilities(call: &Call) -> Result<Vec<String>, Problem> {
    let capabilities = call.arguments.texts("capabilities");
    let is_odd = |name: &String| {
        !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._:/@-".contains(c))
    };
    let odd = capabilities
        .iter()
        .enumerate()
        .filter(|(_, name)| is_odd(name));
    let rule = "must consist of letters, digits and ._:/@- only";
    let fields: Vec<_> = odd
        .map(|(index, _)| (format!("capabilities[{index}]"), rule.to_owned()))
        .collect();
    if fields.is_empty() {
        return Ok(capabilities);
    }
    let message = format!("{} capabilities are no names", fields.len());
    Err(Problem::new(BAD_REQUEST, message)
        .with_fields(fields)
        .next_step("write each as one short name and register again; nothing was done"))
}

fn told(worker: &Worker) -> String {
    let capabilities = match worker.capabilities.as_slice() {
        [] => "no capabilities".to_owned(),
        some => some.join(", "),
    };
    format!(
        "Registered as worker {} with {capabilities}. It counts as alive while this process runs and holds the \
         session. Messages to it or to its capabilities come as notices of the next calls.\nworker_id: {}",
        worker.name, worker.worker_id,
    )
}
