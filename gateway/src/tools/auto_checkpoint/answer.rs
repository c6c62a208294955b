//! The answer to a save: what the checkpoint holds, and what became of what was named and of what was there before, in
//! words and as structure.

use serde_json::{Map, Value, json};
use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, FilePresence, FileState, ItemCounts, SaveReport, SessionTask,
    TaskRelation,
};
use shim_render::page::Page;
use shim_render::session_tasks;
use shim_render::text::{name, one_line};
use shim_render::verification::open_steps;
use shim_render::words;

use crate::render::brief::{self, Facts};
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
    let kept = Kept::of(state, report);
    let mut text = render(checkpoint, files, &kept);
    let mut facts = Facts::new()
        .set("checkpoint", brief::checkpoint(checkpoint))
        .set("kept", kept);
    if let Some(report) = report {
        let lines = report_lines(report);
        lines.iter().for_each(|line| text.line(line));
        facts = report_facts(facts, report);
    }
    let mut moved = brief::moved_files(files);
    let more = moved.len().saturating_sub(MAX_ABSENT);
    moved.truncate(MAX_ABSENT);
    facts = facts
        .set_some("active_files", moved)
        .set_some("more_active_files", more);
    if let Some(task_id) = task_id {
        text.line(format!(
            "Kept with task {task_id}: another worker would go on from here."
        ));
        facts = facts.set("task_id", task_id);
    }
    ToolOutput::new(text, facts, next_step(report))
}

/// How much the checkpoint holds of what a successor must know.
#[derive(Clone, Copy)]
struct Kept {
    decisions: usize,
    open_steps: usize,
}

impl Kept {
    fn of(state: &CheckpointState, report: Option<&SaveReport>) -> Self {
        match report.and_then(|report| report.kept) {
            Some(kept) => Self {
                decisions: kept.decisions as usize,
                open_steps: kept.open_steps as usize,
            },
            None => Self {
                decisions: state.decisions.len(),
                open_steps: open_steps(state).len(),
            },
        }
    }
}

impl From<Kept> for Value {
    fn from(kept: Kept) -> Self {
        json!({"decisions": kept.decisions, "open_steps": kept.open_steps})
    }
}

/// Nothing is asked of a model that saved as usual.
fn next_step(report: Option<&SaveReport>) -> &'static str {
    match report {
        Some(report) if !report.left_open_steps.is_empty() => {
            "if the steps left open are done, save once more with them in completed_steps"
        }
        Some(report) if report.relation() == TaskRelation::New && report.left_task.is_some() => {
            "go on; the task before can be saved as finished or named in closed_tasks"
        }
        _ => "go on",
    }
}

fn render(checkpoint: &Checkpoint, files: &[FileState], kept: &Kept) -> Page {
    let Kept {
        decisions,
        open_steps,
    } = kept;
    let mut text = Page::of(format!(
        "Checkpoint {} saved, with {decisions} decision(s) and {open_steps} next step(s).",
        checkpoint.number,
    ));
    text.line(format!("checkpoint_id: {}", checkpoint.id));
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
        text.line(format!("- and {more} more are not there"));
    }
    text
}

/// What a reader must know beside the counts, a line each.
fn report_lines(report: &SaveReport) -> Vec<String> {
    // That a task goes on with what it holds is told by the counts.
    let carried = carried_line(report).filter(|_| !is_plain(report));
    let mut lines: Vec<String> = [task_line(report), back_line(report), carried]
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

/// What was carried over, and from where; nothing if nothing was.
fn carried(report: &SaveReport) -> Map<String, Value> {
    let carried = report.carried_over.unwrap_or_default();
    let counts = count_names(&carried).into_iter();
    let mut carried: Map<String, Value> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(item, count)| (item.to_owned(), count.into()))
        .collect();
    if !carried.is_empty() {
        let from = report.carried_from_number.into();
        carried.insert("from_checkpoint".into(), from);
    }
    carried
}

/// Whether the task goes on as before, or is the session's first.
fn is_plain(report: &SaveReport) -> bool {
    use TaskRelation::{First, Same, Unspecified};
    matches!(report.relation(), Unspecified | First | Same)
}

/// A task that goes on alone as before is told by what it holds.
fn report_facts(facts: Facts, report: &SaveReport) -> Facts {
    let is_plain = is_plain(report);
    let task = (!is_plain || !report.open_tasks.is_empty()).then(|| {
        let own = report.task.as_ref();
        json!({
            "task_key": own.map_or("", |task| task.task_key.as_str()),
            "relation": words::task_relation(report.relation()),
        })
    });
    let begin_anew = task.as_ref().map_or("", |_| BEGIN_ANEW);
    let carried = if is_plain {
        Map::new()
    } else {
        carried(report)
    };
    facts
        .set_some("task", task)
        .set_some("carried_over", carried)
        .set_some("changed", changed(report))
        .and(other_tasks(report))
        .set_some("begin_anew", begin_anew)
}

/// The tasks beside the one that was saved.
fn other_tasks(report: &SaveReport) -> Facts {
    let left_key = report.left_task.as_ref().map(|left| &left.task_key);
    let is_left = |task: &&SessionTask| Some(&task.task_key) == left_key;
    let left = report.left_task.as_ref().map(|left| {
        let mut value = brief::session_task(left);
        value["is_open"] = report.open_tasks.iter().any(|task| is_left(&task)).into();
        value
    });
    let open = report.open_tasks.iter().filter(|task| !is_left(task));
    let open: Vec<Value> = open.map(brief::session_task).collect();
    let told = report.open_tasks.len() as u32;
    let unlisted = report.unlisted_tasks.iter().map(brief::session_task);
    Facts::new()
        .set_some("left_task", left)
        .set_some("open_tasks", open)
        .set_some(
            "more_open_tasks",
            report.open_task_count.saturating_sub(told),
        )
        .set_some("unlisted_tasks", unlisted.collect::<Vec<_>>())
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
