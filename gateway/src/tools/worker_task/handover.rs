//! The briefing of a worker on the task it took: the goal, the job around it, what came before, and what an earlier
//! worker left of it.

use futures::future::join_all;
use serde_json::{Value, json};
use shim_proto::coordination::v1::{GetTaskRequest, Task};
use shim_render::page::Page;
use shim_render::text::{name, one_line};
use shim_render::time;
use shim_runtime::files::shown;

use crate::prior_work::{self, PriorWork};
use crate::render::brief::{self, Facts, Known};
use crate::render::json;
use crate::render::phrases;
use crate::tools::call::{ToolCall, ToolOutput, next_line};

/// Parts before the task whose results are shown.
const MAX_BEFORE: usize = 10;
const MAX_BEFORE_CHARACTERS: usize = 2_000;

/// The answer that hands the task over.
pub(super) async fn render(
    call: &ToolCall,
    task: &Task,
    lease: u64,
    (opening, session_id): (&str, &str),
) -> ToolOutput {
    let (job, before, prior) = tokio::join!(
        job(call, task),
        before(call, task),
        prior_work::of_task(&call.gateway, &task.checkpoint_id)
    );
    let mut text = order(opening, task, lease);
    let mut facts = Facts::new()
        .set("task", task_facts(task, session_id, prior.as_ref()))
        .set("lease", lease.to_string());
    if let Some(job) = &job {
        // Its id is the task's job_id.
        let goal = one_line(&job.goal, 400);
        text.line(format!("Part of: {goal}"));
        facts = facts.set("job", json!({"goal": goal}));
    }
    text.append(&details(task));
    before.iter().for_each(|task| write_result(&mut text, task));
    let before = before.iter().map(result_before);
    facts = facts.set_some("results_before", before.collect::<Vec<_>>());
    if let Some(prior) = prior {
        text.gap();
        text.append(&prior.prompt);
        let checkpoint = prior.checkpoint.as_ref().map(brief::checkpoint);
        facts = facts
            .set("resume_prompt", prior.prompt.to_string())
            .set_some("checkpoint", checkpoint);
    }
    ToolOutput::new(text, facts, NEXT)
        .with_next_told()
        .with_session(session_id)
}

fn order(opening: &str, task: &Task, lease: u64) -> Page {
    let mut text = Page::of(opening);
    text.line(format!("task_id: {}", task.task_id));
    text.line(format!("lease: {lease}"));
    text.line(next_line(NEXT));
    phrases::write_field(&mut text, "Goal", &task.goal, 8_192);
    text
}

fn write_result(text: &mut Page, earlier: &Task) {
    if let Some(result) = &earlier.result {
        let label = format!("Result of {}", name(&earlier.key, 200));
        phrases::write_field(text, &label, &result.text, MAX_BEFORE_CHARACTERS);
    }
}

/// The task; the answer's own checkpoint has the id of its last one, if that could be read.
fn task_facts(task: &Task, session_id: &str, prior: Option<&PriorWork>) -> Value {
    let mut facts = brief::task(task, &Known { session_id });
    if let Value::Object(facts) = &mut facts
        && prior.is_some_and(|prior| prior.checkpoint.is_some())
    {
        facts.remove("checkpoint_id");
    }
    facts
}

const NEXT: &str = "do the work within its files; shim_auto_checkpoint after each step keeps it for whoever would \
    have to go on; action=progress tells how far it is; action=complete with result ends it, action=fail with error \
    if it cannot be done, action=release gives it back";

fn details(task: &Task) -> Page {
    let mut text = Page::default();
    if !task.kind.is_empty() {
        text.line(format!("Kind: {}", one_line(&task.kind, 400)));
    }
    if let Some(payload) = &task.payload {
        text.line(format!("Payload: {}", json::object(payload)));
    }
    if !task.files.is_empty() {
        let files = task.files.iter().map(|file| name(&shown(file), 4_096));
        let files: Vec<_> = files.collect();
        text.line(format!("Files leased to it: {}", files.join(" ")));
        text.more(format!(" (workspace {})", name(&task.workspace, 4_096)));
    }
    text.line(format!(
        "Attempt {} of {}",
        task.attempts, task.max_attempts
    ));
    if task.worker_deaths > 0 {
        text.more(format!(", {} worker(s) died with it", task.worker_deaths));
    }
    if let Some(error) = &task.error {
        let message = one_line(&error.message, 400);
        text.line(format!(
            "The attempt before failed: {} ({message})",
            error.reason
        ));
    }
    if task.deadline.is_some() {
        text.line(format!("Due: {}", time::rfc3339(task.deadline.as_ref())));
    }
    text
}

async fn find_task(call: &ToolCall, task_id: &str) -> Option<Task> {
    let request = GetTaskRequest {
        task_id: task_id.to_owned(),
        with_subtasks: false,
    };
    call.gateway.services.try_get_task(request).await.ok()?.task
}

/// The job it is a part of; `None` for a job of its own.
async fn job(call: &ToolCall, task: &Task) -> Option<Task> {
    if task.root_id.is_empty() || task.root_id == task.task_id {
        return None;
    }
    find_task(call, &task.root_id).await
}

/// The parts it comes after, with their results.
async fn before(call: &ToolCall, task: &Task) -> Vec<Task> {
    let task_ids = task.depends_on.iter().take(MAX_BEFORE);
    let found = join_all(task_ids.map(|task_id| find_task(call, task_id))).await;
    found.into_iter().flatten().collect()
}

fn result_before(task: &Task) -> Value {
    let mut structured = json!({"id": task.key, "task_id": task.task_id});
    if let Some(result) = &task.result {
        let cut = result.text.char_indices().nth(MAX_BEFORE_CHARACTERS);
        let text = cut.map_or(result.text.as_str(), |(end, _)| &result.text[..end]);
        structured["result"] = Facts::new()
            .set("text", text)
            .set_some("truncated", cut.is_some() || result.truncated)
            .into();
        if let Some(data) = &result.data {
            structured["result"]["data"] = json::object(data);
        }
    }
    structured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_knows_why_the_first_one_failed() {
        let task = Task {
            attempts: 2,
            max_attempts: 3,
            worker_deaths: 1,
            error: Some(shim_proto::coordination::v1::TaskError {
                reason: "TIMED_OUT".into(),
                message: "too slow\nby far".into(),
            }),
            ..Task::default()
        };
        let text = details(&task);
        assert_eq!(
            text.as_str(),
            "Attempt 2 of 3, 1 worker(s) died with it\nThe attempt before failed: TIMED_OUT (too slow by far)"
        );
    }
}
