//! The model's own list of steps, as the client's tools keep it: a whole list (`TodoWrite`), or steps by their ids
//! (`TaskCreate`, `TaskUpdate`).

use serde_json::Value;
use shim_proto::checkpoint::v1::{PlanStep, PlanStepStatus, PlanUpdate};

use crate::texts::{MAX_NAME_BYTES, cut, line_of};

const MAX_STEPS: usize = 200;
const MAX_STEP_BYTES: usize = 1_000;

/// What the arguments of a call say; `None` if they are not understood.
pub(super) fn of_call(tool_name: &str, input: &Value) -> Option<PlanUpdate> {
    match tool_name {
        "TodoWrite" => whole(input.get("todos")?),
        "TaskCreate" => {
            let step = created(input, "")?;
            Some(PlanUpdate {
                is_whole: false,
                steps: vec![step],
            })
        }
        "TaskUpdate" => Some(PlanUpdate {
            is_whole: false,
            steps: vec![updated(input)?],
        }),
        _ => None,
    }
}

/// What a call that gave a result changed of the list. A step that was created has its id from the result; an update that
/// was refused changes nothing.
#[must_use]
pub fn plan_after(tool_name: &str, input: &Value, response: &Value) -> Option<PlanUpdate> {
    match tool_name {
        "TaskCreate" => {
            let id = created_id(response).unwrap_or_default();
            let steps = vec![created(input, &id)?];
            Some(PlanUpdate {
                is_whole: false,
                steps,
            })
        }
        "TaskUpdate" if response.get("success") == Some(&Value::Bool(false)) => None,
        "TodoWrite" => {
            let listed = response.get("newTodos").and_then(whole);
            listed.or_else(|| of_call(tool_name, input))
        }
        _ => of_call(tool_name, input),
    }
}

/// One line on the update.
pub(super) fn summary(plan: &PlanUpdate) -> String {
    match (plan.is_whole, plan.steps.as_slice()) {
        (true, steps) => {
            let done = steps
                .iter()
                .filter(|it| it.status() == PlanStepStatus::Done);
            format!("{} steps, {} done", steps.len(), done.count())
        }
        (false, [step]) if step.step_id.is_empty() => line_of(&step.text, MAX_STEP_BYTES / 2),
        (false, [step]) => {
            let state = match step.status() {
                PlanStepStatus::Done => " done",
                PlanStepStatus::InProgress => " in progress",
                PlanStepStatus::Deleted => " taken off the list",
                PlanStepStatus::Open => " open",
                PlanStepStatus::Unspecified => "",
            };
            let text = line_of(&step.text, MAX_STEP_BYTES / 4);
            format!("step {}{state} {text}", step.step_id)
                .trim_end()
                .to_owned()
        }
        (false, _) => String::new(),
    }
}

fn whole(todos: &Value) -> Option<PlanUpdate> {
    let steps = todos.as_array()?.iter().filter_map(todo).take(MAX_STEPS);
    Some(PlanUpdate {
        is_whole: true,
        steps: steps.collect(),
    })
}

fn todo(item: &Value) -> Option<PlanStep> {
    let text = text(item, &["content", "subject", "activeForm"])?;
    Some(PlanStep {
        step_id: id(item.get("id")).unwrap_or_default(),
        text: cut(text, MAX_STEP_BYTES),
        status: status(item).unwrap_or(PlanStepStatus::Open).into(),
    })
}

fn created(input: &Value, id: &str) -> Option<PlanStep> {
    // Some models wrap the step, or call its subject a title; the client takes both.
    let inner = input.get("task").filter(|inner| inner.is_object());
    let text = text(
        inner.unwrap_or(input),
        &["subject", "title", "name", "description"],
    )?;
    Some(PlanStep {
        step_id: id.to_owned(),
        text: cut(text, MAX_STEP_BYTES),
        status: PlanStepStatus::Open.into(),
    })
}

/// A step that is only renamed keeps its status, and one whose status changes its text: what is not told is unset.
fn updated(input: &Value) -> Option<PlanStep> {
    let subject = text(input, &["subject"]);
    let status = status(input);
    (subject.is_some() || status.is_some()).then_some(())?;
    Some(PlanStep {
        step_id: id(input.get("taskId"))?,
        text: cut(subject.unwrap_or_default(), MAX_STEP_BYTES),
        status: status.unwrap_or_default().into(),
    })
}

/// The result names the task; its text does as `Task #ID`.
fn created_id(response: &Value) -> Option<String> {
    let named = response.get("task").and_then(|task| id(task.get("id")));
    named.or_else(|| {
        let (_, rest) = response.as_str()?.split_once("Task #")?;
        let id: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        (!id.is_empty()).then_some(id)
    })
}

fn status(item: &Value) -> Option<PlanStepStatus> {
    match item.get("status")?.as_str()? {
        "pending" => Some(PlanStepStatus::Open),
        "in_progress" => Some(PlanStepStatus::InProgress),
        "completed" => Some(PlanStepStatus::Done),
        "deleted" => Some(PlanStepStatus::Deleted),
        _ => None,
    }
}

fn id(value: Option<&Value>) -> Option<String> {
    let id = match value? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!id.is_empty() && id.len() <= MAX_NAME_BYTES).then_some(id)
}

fn text<'a>(item: &'a Value, names: &[&str]) -> Option<&'a str> {
    let texts = names.iter().filter_map(|name| item.get(name)?.as_str());
    texts.map(str::trim).find(|text| !text.is_empty())
}
