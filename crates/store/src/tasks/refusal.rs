//! Refusals that every decision on a task may have.

use serde::Deserialize;
use shim_proto::coordination::v1::TaskState;
use shim_proto::limits::task::MAX_JOBS;

use super::scripts::ScriptAnswer;
use crate::error::Error;
use crate::metrics::{StaleWriteKind, count_stale_write};

/// Why a claim does not stand.
#[derive(Deserialize)]
struct StaleFields {
    state: String,
    worker: String,
}

/// Which bound of queues a job is above.
#[derive(Deserialize)]
struct QueuesFields {
    asked: u64,
    in_use: u64,
    max: u64,
    caller: String,
}

/// Why a task cannot be decided on.
#[derive(Deserialize)]
struct StateFields {
    state: String,
}

/// The error of a refusal.
///
/// # Errors
/// `Defect` if the script and its reader do not fit.
pub(super) fn refusal(answer: &mut ScriptAnswer, id: &str) -> Result<Error, Error> {
    Ok(match answer.status() {
        "NOT_FOUND" | "UNKNOWN" => Error::TaskNotFound(id.to_owned()),
        "STALE" => {
            let stale: StaleFields = answer.fields()?;
            count_stale_write(StaleWriteKind::Task);
            Error::StaleLease {
                task: id.to_owned(),
                why: why_stale(&stale.state, &stale.worker),
            }
        }
        "GONE" => Error::TaskJobGone(id.to_owned()),
        "NOT_WAITING" => Error::TaskNotAwaitingApproval {
            task: id.to_owned(),
            state: state_name(&answer.fields::<StateFields>()?.state),
        },
        "TOO_MANY" => Error::TooManyTasks(MAX_JOBS),
        "TOO_MANY_QUEUES" => {
            let queues: QueuesFields = answer.fields()?;
            Error::TooManyQueues {
                asked: queues.asked,
                in_use: queues.in_use,
                max: queues.max,
                caller: queues.caller,
            }
        }
        "REQUEST_ID_REUSED" => Error::RequestIdReused,
        status => {
            tracing::error!(status, "a script refused in an unknown way");
            Error::Defect
        }
    })
}

/// Why the claim of a task does not stand, for people.
pub(super) fn why_stale(state: &str, worker: &str) -> String {
    match task_state(state) {
        TaskState::Running if !worker.is_empty() => format!("worker {worker} has it now"),
        TaskState::Completed => "it is completed".to_owned(),
        TaskState::Failed => "it failed for good".to_owned(),
        TaskState::Cancelled => "it was called off".to_owned(),
        TaskState::AwaitingApproval => "its result waits for an approval".to_owned(),
        _ => "it was given back and waits for another worker".to_owned(),
    }
}

/// The name of a state, for people.
pub(super) fn state_name(state: &str) -> String {
    let name = task_state(state).as_str_name();
    let name = name.trim_start_matches("TASK_STATE_");
    name.to_lowercase().replace('_', " ")
}

pub(super) fn task_state(number: &str) -> TaskState {
    let number: i32 = number.parse().unwrap_or_default();
    TaskState::try_from(number).unwrap_or_default()
}
