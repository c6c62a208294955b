//! Tasks in words: one task, the table of a job's parts, the table of jobs and the log.
//!
//! Tables are lines of cells between bars: short for a model to read, and plain for people.

use std::collections::HashMap;
use std::time::SystemTime;

use shim_proto::coordination::v1::{Task, TaskEvent, TaskEventKind, TaskResult, TaskState};
use shim_proto::reasons::task::WORKER_UNFIT;
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::tasks::{cost, held_up, part_counts, schedule_runs};
use shim_render::text::{entry, name, one_line, title};
use shim_render::{time, words};

use crate::render::json::ShownResult;
use crate::render::phrases;
use crate::render::workers::WorkerNames;

const MAX_GOAL_CHARACTERS: usize = 200;
pub(super) const MAX_CELL_CHARACTERS: usize = 80;
const MAX_PATH_CHARACTERS: usize = 4_096;
/// Parts in a table, and in the structure beside it.
pub(crate) const MAX_ROWS: usize = 50;

/// One task in a line or two, with its outcome.
pub(crate) fn task(label: &str, task: &Task, names: &WorkerNames) -> Page {
    let mut text = Page::of(format!(
        "{label}{} [{}{}, {} done] {}",
        entry(&task.goal, MAX_GOAL_CHARACTERS),
        words::task_state(task.state()),
        if task.stuck { ", stuck" } else { "" },
        percent(task.progress),
        task_details(task).join(", "),
    ));
    if !task.worker_id.is_empty() {
        text.line(format!("Worker: {}", names.of(&task.worker_id)));
        if !task.note.is_empty() {
            let note = one_line(&task.note, MAX_GOAL_CHARACTERS);
            text.more(format!(", at: {note}"));
        }
    }
    if let Some(error) = &task.error {
        let reason = one_line(&error.reason, MAX_CELL_CHARACTERS);
        phrases::write_field(
            &mut text,
            &format!("Failure, {reason}"),
            &error.message,
            2_000,
        );
    }
    if let Some(found) = &task.result {
        text.append(&result(found));
    }
    text.line(format!("task_id: {}", task.task_id));
    text
}

fn task_details(task: &Task) -> Vec<String> {
    let mut details = vec![format!("priority {}", task.priority)];
    if let Some(counts) = &task.subtasks {
        details.push(part_counts(counts));
    } else if task.attempts > 0 {
        details.push(format!(
            "attempt {} of {}",
            task.attempts, task.max_attempts
        ));
    }
    if task.worker_deaths > 0 {
        details.push(format!("{} worker(s) died with it", task.worker_deaths));
    }
    if let Some(usage) = task.usage.filter(|usage| usage.incomplete) {
        details.push(format!("cost: {}", cost(&usage)));
    }
    if !task.schedule.is_empty() {
        let schedule = one_line(&task.schedule, MAX_CELL_CHARACTERS);
        details.push(format!("runs at \"{schedule}\" (UTC)"));
        details.push(schedule_runs(task));
    }
    if !task.parent_id.is_empty() {
        let (parent, depth) = (&task.parent_id, task.depth);
        details.push(format!("on behalf of task {parent}, at depth {depth}"));
    }
    if let Some(held_up) = held_up(task, SystemTime::now()) {
        details.push(held_up);
    }
    details.extend(times(task));
    details
}

/// When a task starts, must have ended, and was submitted.
fn times(task: &Task) -> Vec<String> {
    let mut times = Vec::new();
    if task.state() == TaskState::Delayed {
        let start = time::rfc3339(task.not_before.as_ref());
        times.push(format!("starts at {start}"));
    }
    if task.deadline.is_some() {
        times.push(format!("due at {}", time::rfc3339(task.deadline.as_ref())));
    }
    let submitted = phrases::ago(task.created_at.as_ref());
    times.push(format!("submitted {submitted}"));
    times
}

/// A result, as far as an answer can hold it.
pub(crate) fn result(result: &TaskResult) -> Page {
    let shown = ShownResult::of(result);
    let mut text = Page::default();
    if shown.is_cut || result.truncated {
        text.line("(The result is longer than an answer; action=status of a single part shows that part.)");
    }
    text.field("Result", shown.text);
    if let Some(data) = &shown.data {
        text.line(format!("Data: {data}"));
    }
    for artifact in &result.artifacts {
        text.line(format!("Artifact: {}", name(artifact, MAX_PATH_CHARACTERS)));
    }
    for denial in &result.denials {
        text.line(format!(
            "Not permitted: {}",
            one_line(denial, MAX_GOAL_CHARACTERS)
        ));
    }
    for remark in &result.remarks {
        text.line(format!("Remark: {}", one_line(remark, MAX_GOAL_CHARACTERS)));
    }
    text
}

/// Those of a job's parts that a table has room for, the ended ones left out first, in their order.
pub(crate) fn rows(parts: &[Task]) -> Vec<&Task> {
    let ended = |task: &Task| matches!(task.state(), TaskState::Completed | TaskState::Cancelled);
    let mut open_room = MAX_ROWS;
    let open = parts.iter().filter(|task| !ended(task)).count();
    let mut ended_room = MAX_ROWS.saturating_sub(open);
    let fits = |task: &&Task| {
        let room = if ended(task) {
            &mut ended_room
        } else {
            &mut open_room
        };
        let fits = *room > 0;
        *room = room.saturating_sub(1);
        fits
    };
    parts.iter().filter(fits).collect()
}

/// The parts of a job as a table.
pub(crate) fn table(parts: &[Task], names: &WorkerNames) -> Page {
    if parts.is_empty() {
        return Page::default();
    }
    let keys = keys(parts);
    let mut text = Page::of("id | state | done | worker | note | task_id");
    let rows = rows(parts);
    for task in &rows {
        let worker = match task.worker_id.as_str() {
            "" => "-".to_owned(),
            id => names.of(id),
        };
        text.line(format!(
            "{} | {} | {} | {} | {} | {}",
            first_cell(&task.key),
            words::task_state(task.state()),
            percent(task.progress),
            cell(&worker),
            cell(&note(task, &keys)),
            task.task_id,
        ));
    }
    if rows.len() < parts.len() {
        text.line(format!("({} more parts)", parts.len() - rows.len()));
    }
    text
}

/// The submitter's names of a job's parts, by id.
pub(crate) fn keys(parts: &[Task]) -> HashMap<&str, &str> {
    let named = parts.iter();
    named
        .map(|task| (task.task_id.as_str(), task.key.as_str()))
        .collect()
}

/// What is to be known of a part beside its state.
fn note(task: &Task, keys: &HashMap<&str, &str>) -> String {
    let tells_error = match task.state() {
        TaskState::Failed | TaskState::Cancelled | TaskState::Delayed => true,
        // Its worker can do no task now.
        TaskState::Ready => (task.error.as_ref()).is_some_and(|error| error.reason == WORKER_UNFIT),
        _ => false,
    };
    if let Some(error) = task.error.as_ref().filter(|_| tells_error) {
        return format!("{}: {}", error.reason, error.message);
    }
    if task.state() == TaskState::Pending {
        let before = task
            .depends_on
            .iter()
            .filter_map(|id| keys.get(id.as_str()));
        let before: Vec<_> = before.copied().collect();
        return format!("after {}", before.join(", "));
    }
    if let Some(held_up) = held_up(task, SystemTime::now()) {
        return held_up;
    }
    let details = match task.note.as_str() {
        "" => &task.goal,
        note => note,
    };
    if task.stuck {
        format!("no progress for long; {details}")
    } else {
        details.to_owned()
    }
}

/// Jobs as a table.
pub(crate) fn jobs(tasks: &[Task], has_more: bool) -> Page {
    let mut text = Page::of(match tasks.len() {
        0 => return "No jobs yet; shim_coordinate_task action=submit makes one.".into(),
        count if has_more => format!("The {count} newest jobs; there are more:"),
        count => format!("{count} job(s), newest first:"),
    });
    text.line("goal | state | done | parts | priority | submitted | task_id");
    for task in tasks {
        let parts = task.subtasks.as_ref().map_or_else(
            || "-".to_owned(),
            |counts| format!("{}/{}", counts.completed, counts.total),
        );
        text.line(format!(
            "{} | {} | {} | {parts} | {} | {} | {}",
            first_cell(&task.goal),
            words::task_state(task.state()),
            percent(task.progress),
            task.priority,
            phrases::ago(task.created_at.as_ref()),
            task.task_id,
        ));
    }
    text
}

/// A line of a job's log; `key` is "" for the job itself.
pub(crate) fn event(event: &TaskEvent, key: &str, names: &WorkerNames) -> String {
    let subject = match key {
        "" => "the job".to_owned(),
        key => first_cell(key),
    };
    let mut line = format!(
        "{subject} {}",
        words::task_event_kind(event.kind()).replace('_', " ")
    );
    if event.kind() == TaskEventKind::Progress {
        line.push_str(&format!(" {}", percent(event.progress)));
    }
    if !event.worker_id.is_empty() {
        line.push_str(&format!(", worker {}", names.of(&event.worker_id)));
    }
    if !event.detail.is_empty() {
        let detail = one_line(&event.detail, MAX_GOAL_CHARACTERS);
        line.push_str(&format!(": {detail}"));
    }
    line
}

/// A text as the first cell of a row.
pub(super) fn first_cell(text: &str) -> String {
    match cell(text) {
        none if none == "-" => none,
        cell => title(&cell, MAX_CELL_CHARACTERS),
    }
}

/// A text as a cell: in one line, without bars.
pub(super) fn cell(text: &str) -> String {
    match one_line(text, MAX_CELL_CHARACTERS).replace('|', "/") {
        empty if empty.trim().is_empty() => "-".to_owned(),
        cell => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(key: &str, state: TaskState) -> Task {
        Task {
            task_id: format!("id-{key}"),
            key: key.into(),
            goal: format!("do {key}"),
            state: state.into(),
            ..Task::default()
        }
    }

    #[test]
    fn a_table_tells_what_each_part_waits_for_and_keeps_its_cells_apart() {
        let mut second = part("b", TaskState::Pending);
        second.depends_on = vec!["id-a".into()];
        let mut first = part("a", TaskState::Running);
        first.note = "half | done\nNotice: x".into();
        let text = table(&[first, second], &WorkerNames::default());
        let lines: Vec<_> = text.as_str().lines().collect();
        assert_eq!(
            lines[1..],
            [
                "a | running | 0 % | - | half / done Notice: x | id-a",
                "b | pending | 0 % | - | after a | id-b"
            ]
        );
    }

    #[test]
    fn a_long_table_leaves_out_what_has_ended_first() {
        let mut parts: Vec<_> = (0..60)
            .map(|n| part(&format!("c{n}"), TaskState::Completed))
            .collect();
        parts.push(part("open", TaskState::Running));
        let rows = rows(&parts);
        assert_eq!(rows.len(), MAX_ROWS);
        assert_eq!(rows.last().map(|task| task.key.as_str()), Some("open"));
        let text = table(&parts, &WorkerNames::default());
        assert!(text.as_str().ends_with("(11 more parts)"));
    }
}
