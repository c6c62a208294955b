//! The answer to a save: what the checkpoint holds, and what became of what was named and of what was there before, in
//! words and as structure.

use serde_json::{Map, Value, json};
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, FilePresence, FileState, ItemCounts, SaveReport, SessionTask,
    TaskRelation,
};
use shim_render::figures::percent;
use shim_render::page::Page;
use shim_render::session_tasks;
use shim_render::text::{name, one_line};
use shim_render::verification::open_steps;
use shim_render::words;

use crate::render::json;
use crate::tools::call::ToolOutput;

/// Items that a line quotes; the structure has more.
const MAX_QUOTED: usize = 5;
const MAX_ITEM_CHARACTERS: usize = 120;
/// Files that are not there, in the text.
const MAX_ABSENT: usize = 10;
const MAX_PATH_CHARACTERS: usize = 1_024;
const BEGIN_ANEW: &str = "session_id \"new\" begins a session without anything of this one; a task_key of one's own \
    begins another task in it";

pub(super) fn of(
    checkpoint: &Checkpoint,
    state: &CheckpointState,
    report: Option<&SaveReport>,
    task_id: Option<String>,
) -> ToolOutput {
    let files = &state.active_files;
    let kept = report.and_then(|report| report.kept);
    let open = kept.map_or(open_steps(state).len(), |kept| kept.open_steps as usize);
    let mut text = render(checkpoint, files, open);
    let mut structured = json!({
        "checkpoint": json::checkpoint(checkpoint),
        "active_files": files.iter().map(json::file).collect::<Vec<_>>(),
    });
    if let Some(git) = &state.git {
        structured["git"] = json::git(git);
    }
    if let Some(report) = report {
        let lines = report_lines(report);
        lines.iter().for_each(|line| text.line(line));
        if let Value::Object(structured) = &mut structured {
            structured.extend(report_fields(report));
        }
    }
    if let Some(task_id) = task_id {
        text.line(format!(
            "Kept with task {task_id}: another worker would go on from here."
        ));
        structured["task_id"] = task_id.into();
    }
    ToolOutput::new(text, structured)
}

fn render(checkpoint: &Checkpoint, files: &[FileState], open_steps: usize) -> Page {
    let mut text = Page::of(format!(
        "Checkpoint {} saved ({}, {} done, {open_steps} next step(s)).",
        checkpoint.number,
        words::checkpoint_trigger(checkpoint.trigger()),
        percent(checkpoint.progress),
    ));
    text.line(format!("checkpoint_id: {}", checkpoint.id));
    if !files.is_empty() {
        let hashed = files.iter().filter(|file| !file.blake3.is_empty()).count();
        text.line(format!(
            "Files: {} recorded, {hashed} with a hash.",
            files.len()
        ));
    }
    let absent = files.iter();
    let absent = absent.filter(|file| file.presence() != FilePresence::Present);
    for file in absent.clone().take(MAX_ABSENT) {
        text.line(format!(
            "- {} is {}",
            name(&file.path, MAX_PATH_CHARACTERS),
            words::file_presence(file.presence()).replace('_', " ")
        ));
    }
    let more = absent.count().saturating_sub(MAX_ABSENT);
    if more > 0 {
        let all = "structuredContent.active_files has all";
        text.line(format!("- and {more} more; {all}"));
    }
    text
}

/// What a reader must know beside the counts, a line each.
fn report_lines(report: &SaveReport) -> Vec<String> {
    let mut lines: Vec<String> = [task_line(report), back_line(report), carried_line(report)]
        .into_iter()
        .flatten()
        .collect();
    lines.extend(item_lines(report));
    if report.is_incomplete {
        let line = "Not all of the checkpoint before was carried over: the state would have become too large.";
        lines.push(line.to_owned());
    }
    lines.extend(open_tasks_line(report));
    let unlisted = report.unlisted_tasks.iter().map(session_tasks::phrase);
    lines.extend(
        unlisted.map(|task| format!("Not listed any more, since there are too many: {task}.")),
    );
    lines
}

/// The steps, decisions and tasks that the save changed, by name.
fn item_lines(report: &SaveReport) -> Vec<String> {
    [
        ("Open again", &report.reopened_steps),
        (
            "Left open at the end, since no save named them as finished (completed_steps does)",
            &report.left_open_steps,
        ),
        (
            "Not planned any more (next_steps brings it back)",
            &report.dropped_steps,
        ),
        ("Decisions taken back", &report.retracted_decisions),
        (
            "No such decision, nothing taken back",
            &report.unknown_decisions,
        ),
        (
            "Decisions that begin so (retracted_decisions with its whole text takes one back)",
            &report.similar_decisions,
        ),
        (
            "Named as finished and as next, taken as finished",
            &report.finished_and_next,
        ),
        (
            "No such step was planned, noted as dropped",
            &report.unknown_steps,
        ),
        (
            "No other task of this session to close, nothing closed (the answer's task and open_tasks have the keys)",
            &report.unknown_tasks,
        ),
    ]
    .into_iter()
    .filter(|(_, items)| !items.is_empty())
    .map(|(name, items)| format!("{name}: {}.", quoted(items)))
    .collect()
}

/// Which task was saved, unless it is plain.
fn task_line(report: &SaveReport) -> Option<String> {
    let task = report.task.clone().unwrap_or_default();
    let key = one_line(&task.task_key, MAX_ITEM_CHARACTERS);
    let left = report.left_task.as_ref();
    let line = match report.relation() {
        TaskRelation::New => match left {
            Some(left) => format!(
                "A new task ({key}) in this session: nothing was carried over from the task before, {}. {}",
                session_tasks::phrase(left),
                fate_of(left, report)
            ),
            None => format!("A new task ({key}) in this session: nothing was carried over."),
        },
        TaskRelation::Reworded => format!(
            "Taken as the task {key} in other words. If it is another one, save it again with a task_key of its own: it \
             then has what that save names, and {key} goes back to the checkpoint before. session_id \"new\" begins a \
             session of its own."
        ),
        TaskRelation::Resumed => {
            format!("Back at the task {key} of this session, which was left unfinished.")
        }
        TaskRelation::Unspecified | TaskRelation::First | TaskRelation::Same => return None,
    };
    Some(line)
}

/// Which task lost a save that was taken for it.
fn back_line(report: &SaveReport) -> Option<String> {
    let number = report.gone_back_number;
    let is_back = |task: &&SessionTask| task.checkpoint_number == number;
    let mut tasks = report.open_tasks.iter().chain(&report.left_task);
    let task = tasks.find(is_back).filter(|_| number > 0)?;
    Some(format!(
        "{} is back at checkpoint {number}, before what was taken for it.",
        session_tasks::phrase(task)
    ))
}

fn fate_of(left: &SessionTask, report: &SaveReport) -> String {
    let is_open = report
        .open_tasks
        .iter()
        .any(|task| task.task_key == left.task_key);
    let key = one_line(&left.task_key, MAX_ITEM_CHARACTERS);
    if is_open {
        format!(
            "That one stays open beside it: task_key \"{key}\" goes on with it, closed_tasks [\"{key}\"] closes it, and \
             session_id \"new\" begins a session without it."
        )
    } else {
        "That one is finished. session_id \"new\" begins a session without it.".to_owned()
    }
}

/// What was carried over, and from where.
fn carried_line(report: &SaveReport) -> Option<String> {
    let carried = report.carried_over.unwrap_or_default();
    let parts: Vec<String> = count_names(&carried)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| {
            let name = name.replace('_', " ");
            format!("{count} {}(s)", name.trim_end_matches('s'))
        })
        .collect();
    (!parts.is_empty()).then(|| {
        format!(
            "Carried over from checkpoint {} of this task: {}.",
            report.carried_from_number,
            parts.join(", ")
        )
    })
}

fn open_tasks_line(report: &SaveReport) -> Option<String> {
    let left = report.left_task.as_ref().map(|task| &task.task_key);
    let is_new = report.relation() == TaskRelation::New;
    let told = |task: &&SessionTask| is_new && Some(&task.task_key) == left;
    let others = report.open_tasks.iter().filter(|task| !told(task));
    let shown: Vec<String> = others.map(session_tasks::phrase).collect();
    let told = report.open_tasks.len() as u32;
    let more = match report.open_task_count.saturating_sub(told) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if shown.is_empty() {
        return None;
    }
    Some(format!(
        "Also unfinished in this session: {}{more}.",
        shown.join("; ")
    ))
}

fn quoted(items: &[String]) -> String {
    let quoted = items.iter().take(MAX_QUOTED);
    let quoted: Vec<String> = quoted
        .map(|item| format!("\"{}\"", one_line(item, MAX_ITEM_CHARACTERS)))
        .collect();
    let more = match items.len() {
        all if all > MAX_QUOTED => ", ...",
        _ => "",
    };
    format!("{}{more}", quoted.join(", "))
}

fn count_names(counts: &ItemCounts) -> [(&'static str, u32); 5] {
    [
        ("decisions", counts.decisions),
        ("open_steps", counts.open_steps),
        ("finished_steps", counts.finished_steps),
        ("blockers", counts.blockers),
        ("active_files", counts.active_files),
    ]
}

fn counts(counts: Option<ItemCounts>) -> Map<String, Value> {
    let counts = counts.unwrap_or_default();
    let named = count_names(&counts).into_iter();
    named
        .map(|(item, count)| (item.to_owned(), count.into()))
        .collect()
}

fn report_fields(report: &SaveReport) -> Map<String, Value> {
    let mut task = report
        .task
        .as_ref()
        .map_or_else(|| json!({}), json::session_task);
    task["relation"] = words::task_relation(report.relation()).into();
    let mut carried = counts(report.carried_over);
    carried.insert("from_checkpoint".into(), report.carried_from_number.into());
    let mut fields = Map::new();
    fields.insert("task".into(), task);
    fields.insert("kept".into(), counts(report.kept).into());
    fields.insert("carried_over".into(), carried.into());
    let changed = changed(report);
    if !changed.is_empty() {
        fields.insert("changed".into(), changed.into());
    }
    let open = report.open_tasks.iter().map(json::session_task);
    fields.insert("open_tasks".into(), open.collect());
    if let Some(left) = &report.left_task {
        let mut value = json::session_task(left);
        let is_left = |task: &SessionTask| task.task_key == left.task_key;
        value["is_open"] = report.open_tasks.iter().any(is_left).into();
        fields.insert("left_task".into(), value);
    }
    let is_plain = matches!(report.relation(), TaskRelation::First | TaskRelation::Same);
    if !is_plain || !report.open_tasks.is_empty() {
        fields.insert("begin_anew".into(), BEGIN_ANEW.into());
    }
    if !report.unlisted_tasks.is_empty() {
        let unlisted = report.unlisted_tasks.iter().map(json::session_task);
        fields.insert("unlisted_tasks".into(), unlisted.collect());
    }
    fields
}

fn changed(report: &SaveReport) -> Map<String, Value> {
    let mut changed = Map::new();
    for (name, items) in [
        ("reopened_steps", &report.reopened_steps),
        ("dropped_steps", &report.dropped_steps),
        ("retracted_decisions", &report.retracted_decisions),
        ("unknown_decisions", &report.unknown_decisions),
        ("similar_decisions", &report.similar_decisions),
        ("finished_and_next", &report.finished_and_next),
        ("left_open_steps", &report.left_open_steps),
        ("unknown_steps", &report.unknown_steps),
        ("unknown_tasks", &report.unknown_tasks),
    ] {
        if !items.is_empty() {
            changed.insert(name.into(), items.clone().into());
        }
    }
    if report.is_incomplete {
        changed.insert("is_incomplete".into(), true.into());
    }
    changed
}

#[cfg(test)]
mod tests;
