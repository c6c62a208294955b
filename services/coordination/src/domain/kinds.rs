//! Kinds of work that one executor does: tasks of these kinds go to it without being told to, and their payloads are judged
//! when they are submitted.

use std::collections::BTreeMap;

use prost_types::Struct;
use shim_proto::coordination::v1::{Requirements, SubmitTaskRequest, WorkerKind};
use shim_proto::limits::evolution::TASK_KINDS;
use shim_runtime::task_payloads::judge;

use super::analysis_parts::may_be_split;

/// Gives tasks of the evolution service's kinds to its workers, unless the submitter said who does them.
pub(crate) fn require_executors(job: &mut SubmitTaskRequest) {
    let is_own = !is_given(&job.requirements) && is_known(&job.kind);
    for subtask in &mut job.subtasks {
        if is_given(&subtask.requirements) {
            continue;
        }
        let has_own_kind = !subtask.kind.is_empty();
        if has_own_kind && is_known(&subtask.kind) && !is_given(&job.requirements) {
            subtask.requirements = Some(analysis());
        } else if has_own_kind && is_own {
            // A part of another kind does not take over what was added to the job.
            subtask.requirements = Some(Requirements::default());
        } else if is_own {
            subtask.requirements = None;
        }
    }
    if is_own {
        job.requirements = Some(analysis());
    }
}

/// Whether the submitter said who does a task.
fn is_given(requirements: &Option<Requirements>) -> bool {
    requirements
        .as_ref()
        .is_some_and(|it| it.executor() != WorkerKind::Unspecified || !it.capabilities.is_empty())
}

/// What is wrong with the payloads of tasks that the evolution service does: fields of the request, with what each must be. A
/// payload that tasks take over from their job may have what any of them heeds.
pub(crate) fn payload_faults(job: &SubmitTaskRequest) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut takers = Vec::new();
    for (i, subtask) in job.subtasks.iter().enumerate() {
        let requirements = [&subtask.requirements, &job.requirements];
        let kind = match subtask.kind.as_str() {
            "" => judged_kind(&job.kind, requirements),
            own => judged_kind(own, requirements),
        };
        match (&subtask.payload, kind) {
            (None, kind) => takers.push(kind),
            (Some(payload), Some(kind)) => {
                let own = of_subtask(payload, kind).into_iter();
                let within = |field| format!("subtasks[{i}].payload.{field}");
                found.extend(own.map(|(field, rule)| (within(field), rule)));
            }
            (Some(_), None) => {}
        }
    }
    if job.subtasks.is_empty() {
        takers.push(judged_kind(&job.kind, [&None, &job.requirements]));
    }
    let payload = job.payload.as_ref();
    let mut of_job = payload.map_or_else(BTreeMap::new, |payload| of_tasks(payload, &takers));
    if may_be_split(job) {
        // It is judged with the files of the job.
        of_job.remove("parts");
    } else if takers.contains(&Some(ANALYZE)) {
        let parts = payload.and_then(lone_parts);
        of_job.extend(parts.map(|rule| ("parts".to_owned(), rule)));
    }
    found.extend(
        of_job
            .into_iter()
            .map(|(field, rule)| (format!("payload.{field}"), rule)),
    );
    found
}

/// The kind that decides what a payload may hold; `None` if others than the evolution service do the task.
fn judged_kind<'a>(kind: &'a str, requirements: [&Option<Requirements>; 2]) -> Option<&'a str> {
    let given = requirements.into_iter().find(|it| is_given(it));
    let executor = given.and_then(|it| it.as_ref().map(Requirements::executor));
    let is_done_here = executor.is_none_or(|it| it == WorkerKind::Analysis);
    (is_known(kind) && is_done_here).then_some(kind)
}

/// What is wrong with a subtask's own payload.
fn of_subtask(payload: &Struct, kind: &str) -> BTreeMap<String, String> {
    let mut found = of_tasks(payload, &[Some(kind)]);
    let parts = lone_parts(payload).filter(|_| kind == ANALYZE);
    found.extend(parts.map(|rule| ("parts".to_owned(), rule)));
    found
}

/// What is wrong with a payload that tasks of these kinds take over; `None` stands for a task that may heed anything.
fn of_tasks(payload: &Struct, takers: &[Option<&str>]) -> BTreeMap<String, String> {
    let judged = takers.iter().flatten().map(|kind| judge(kind, payload));
    let judged: Vec<_> = judged.collect();
    let mut found = BTreeMap::new();
    if let Some(first) = judged.first().filter(|_| judged.len() == takers.len()) {
        let by_all = |field: &str| {
            let mut all = judged.iter();
            all.all(|it| it.unheeded.iter().any(|(other, _)| other == field))
        };
        let unheeded = first.unheeded.iter().filter(|(field, _)| by_all(field));
        found.extend(unheeded.cloned());
    }
    found.extend(judged.into_iter().flat_map(|it| it.faults));
    found
}

/// What is wrong with a number of parts where nothing is split.
fn lone_parts(payload: &Struct) -> Option<String> {
    let has = |field: &str| payload.fields.contains_key(field);
    (has("parts") && !has("part")).then(|| {
        "is for a job of the kind analyze that may be split: one without subtasks, without first_picture_only, and with split AUTO or left out"
            .to_owned()
    })
}

fn is_known(kind: &str) -> bool {
    TASK_KINDS.contains(&kind)
}

const ANALYZE: &str = "analyze";

fn analysis() -> Requirements {
    Requirements {
        executor: WorkerKind::Analysis.into(),
        capabilities: Vec::new(),
    }
}

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod tests;
