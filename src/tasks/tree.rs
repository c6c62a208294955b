//! A job as a tree of lines with progress bars: the job itself, then a row for each subtask.
//!
//! If the rows do not fit, the rows that need a look stay, and the last line counts the others.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{Task, TaskState};
use shim_proto::reasons::task::WORKER_UNFIT;
use shim_render::figures::{count, percent};
use shim_render::tasks::{held_up, part_counts, requirements};
use shim_render::text::{entry, one_line, short_id};
use shim_render::time::{moment, span};

use super::job::{Job, progress, time_worked};
use super::labels::{name, state, style};
use crate::output::bar::bar;
use crate::output::style::{Line, Style};

const ROOT_BAR: usize = 24;
const BAR: usize = 10;
const KEY_WIDTH: usize = 28;
const WORKER_WIDTH: usize = 24;
/// A fitting worker takes a task sooner than this.
const SHOW_WAIT_AFTER: Duration = Duration::from_secs(3);
/// The terminal cuts what does not fit.
const NOTE_WIDTH: usize = 300;

/// What the drawing of a tree depends on beside the job.
#[derive(Debug)]
pub(super) struct TreeLayout<'a> {
    /// Names of workers by their ids.
    pub(super) workers: &'a HashMap<String, String>,
    /// The present, up to which running times count.
    pub(super) now: SystemTime,
    /// The largest number of lines.
    pub(super) rows: usize,
}

impl TreeLayout<'_> {
    /// The whole tree.
    pub(super) fn tree(&self, job: &Job) -> Vec<Line> {
        let mut lines = vec![heading(&job.root), self.summary(job)];
        if job.subtasks.is_empty() {
            return lines;
        }
        let room = self.rows.saturating_sub(lines.len()).max(1);
        let shown = shown(&job.subtasks, room);
        let widths = Widths::of(&shown);
        let keys: HashMap<&str, &str> = job
            .subtasks
            .iter()
            .map(|task| (task.task_id.as_str(), task.key.as_str()))
            .collect();
        let hidden = job.subtasks.len() - shown.len();
        for (index, task) in shown.iter().enumerate() {
            let last = hidden == 0 && index + 1 == shown.len();
            let row = Line::default().with(Style::Dim, if last { "└ " } else { "├ " });
            lines.push(self.row(row, task, &widths, &keys));
        }
        if hidden > 0 {
            let more = format!("└ and {}", count(hidden as u64, "more subtask"));
            lines.push(Line::default().with(Style::Dim, more));
        }
        lines
    }

    /// The job's state and progress, and how its parts are.
    fn summary(&self, job: &Job) -> Line {
        let root = &job.root;
        let done = job.progress();
        let mut line = Line::default()
            .with(style(root), state(root.state()))
            .with(Style::Plain, "  ")
            .with(style(root), bar(done, ROOT_BAR))
            .with(Style::Plain, format!(" {}", percent(done)));
        if job.counts().total > 0 {
            line.push(Style::Plain, format!("  {}", part_counts(&job.counts())));
        } else if let Some(worker) = self.worker(root) {
            line.push(Style::Plain, format!("  {worker}"));
        }
        let since = moment(root.started_at.as_ref()).or(moment(root.created_at.as_ref()));
        let until = moment(root.finished_at.as_ref()).filter(|_| job.has_ended());
        if let Some(since) = since {
            let spent = until.unwrap_or(self.now).duration_since(since);
            line.push(Style::Dim, format!("  {}", span(spent.unwrap_or_default())));
        }
        let (note_style, note) = self.note(root, &HashMap::new());
        line.with(note_style, format!("  {note}"))
    }

    fn row(&self, line: Line, task: &Task, widths: &Widths, keys: &HashMap<&str, &str>) -> Line {
        let Widths { key, state: wide } = *widths;
        let done = progress(task);
        let spent = time_worked(task, self.now).map(span).unwrap_or_default();
        let worker = self.worker(task).unwrap_or_default();
        let style = style(task);
        let (note_style, note) = self.note(task, keys);
        line.with(Style::Plain, format!("{:<key$}  ", label(task)))
            .with(style, format!("{:<wide$}  ", state(task.state())))
            .with(style, bar(done, BAR))
            .with(Style::Plain, format!(" {:>5}", percent(done)))
            .with(Style::Dim, format!("  {spent:>6}  "))
            .with(Style::Plain, format!("{worker:<14}  "))
            .with(note_style, note)
    }

    /// The present or last worker of a task.
    fn worker(&self, task: &Task) -> Option<String> {
        let id = Some(task.worker_id.as_str()).filter(|id| !id.is_empty())?;
        let name = self.workers.get(id).map_or(short_id(id), String::as_str);
        Some(one_line(name, WORKER_WIDTH))
    }

    /// The remark on a task in its state.
    fn note(&self, task: &Task, keys: &HashMap<&str, &str>) -> (Style, String) {
        let error = || {
            task.error
                .as_ref()
                .map(|error| one_line(&error.message, NOTE_WIDTH))
        };
        match task.state() {
            TaskState::Running if task.stuck => (Style::Yellow, self.silence(task)),
            TaskState::Running => (Style::Plain, one_line(&task.note, NOTE_WIDTH)),
            TaskState::Pending => (Style::Dim, after(task, keys)),
            TaskState::Delayed => (Style::Dim, self.delay(task)),
            TaskState::AwaitingApproval => {
                let id = short_id(&task.task_id);
                (
                    Style::Yellow,
                    format!("decide with `shim tasks approve {id}`"),
                )
            }
            TaskState::Ready if task.worker_deaths > 0 => {
                let died = count(task.worker_deaths.into(), "worker");
                (Style::Yellow, format!("{died} died with it"))
            }
            TaskState::Ready if is_held(task) => (Style::Yellow, error().unwrap_or_default()),
            TaskState::Ready => (Style::Dim, self.wait(task)),
            TaskState::Failed => (Style::Red, error().unwrap_or_default()),
            TaskState::Cancelled => (Style::Dim, error().unwrap_or_default()),
            TaskState::Completed | TaskState::Unspecified => (Style::Plain, String::new()),
        }
    }

    /// What holds a task up, or the worker that it waits for, once the wait is longer than a fitting worker takes.
    fn wait(&self, task: &Task) -> String {
        if let Some(held_up) = held_up(task, self.now) {
            return one_line(&held_up, NOTE_WIDTH);
        }
        let ready = moment(task.ready_at.as_ref());
        let waited = ready.and_then(|ready| self.now.duration_since(ready).ok());
        match waited.filter(|waited| *waited > SHOW_WAIT_AFTER) {
            Some(waited) => {
                let needed = requirements(task.requirements.as_ref());
                format!(
                    "waits for {}, {} so far",
                    one_line(&needed, NOTE_WIDTH),
                    span(waited)
                )
            }
            None => String::new(),
        }
    }

    fn silence(&self, task: &Task) -> String {
        let heard = moment(task.reported_at.as_ref()).or(moment(task.started_at.as_ref()));
        let silent = heard.and_then(|heard| self.now.duration_since(heard).ok());
        format!(
            "stuck: nothing heard for {}",
            span(silent.unwrap_or_default())
        )
    }

    fn delay(&self, task: &Task) -> String {
        let ahead = moment(task.not_before.as_ref())
            .and_then(|start| start.duration_since(self.now).ok())
            .map_or("soon".to_owned(), |ahead| format!("in {}", span(ahead)));
        match &task.error {
            Some(error) => format!(
                "try {} of {} {ahead}: {}",
                task.attempts + 1,
                task.max_attempts,
                one_line(&error.message, NOTE_WIDTH)
            ),
            None => ahead,
        }
    }
}

/// Columns as wide as their widest cell.
struct Widths {
    key: usize,
    state: usize,
}

impl Widths {
    fn of(tasks: &[&Task]) -> Self {
        let widest = |cell: fn(&Task) -> String| {
            let lengths = tasks.iter().map(|task| cell(task).chars().count());
            lengths.max().unwrap_or_default()
        };
        Self {
            key: widest(label),
            // Wide enough for what most states are called, so that the bars stay where they are.
            state: widest(|task| state(task.state())).max("completed".len()),
        }
    }
}

fn heading(root: &Task) -> Line {
    Line::default()
        .with(Style::Dim, format!("{} ", short_id(&root.task_id)))
        .with(Style::Bold, entry(&root.goal, NOTE_WIDTH))
}

fn label(task: &Task) -> String {
    one_line(&name(task), KEY_WIDTH)
}

/// Whether it waits because its worker can do no task.
fn is_held(task: &Task) -> bool {
    let error = task.error.as_ref();
    error.is_some_and(|error| error.reason == WORKER_UNFIT)
}

/// The tasks it waits for, by their keys.
fn after(task: &Task, keys: &HashMap<&str, &str>) -> String {
    let known = |id: &String| keys.get(id.as_str()).map(|key| (*key).to_owned());
    let waited_for = task.depends_on.iter();
    let waited_for: Vec<String> = waited_for
        .map(|id| known(id).unwrap_or_else(|| short_id(id).to_owned()))
        .collect();
    one_line(&format!("after {}", waited_for.join(", ")), NOTE_WIDTH)
}

/// The subtasks that fit into `room` rows, in their order; one row is left for the count of the rest.
fn shown(subtasks: &[Task], room: usize) -> Vec<&Task> {
    if subtasks.len() <= room {
        return subtasks.iter().collect();
    }
    let mut ranked: Vec<(usize, &Task)> = subtasks.iter().enumerate().collect();
    ranked.sort_by_key(|(index, task)| (rank(task), *index));
    ranked.truncate(room.saturating_sub(1));
    ranked.sort_by_key(|(index, _)| *index);
    ranked.into_iter().map(|(_, task)| task).collect()
}

/// The order in which rows stay: tasks that need a look first.
fn rank(task: &Task) -> u8 {
    match task.state() {
        TaskState::AwaitingApproval => 0,
        TaskState::Failed => 1,
        TaskState::Running => 2,
        TaskState::Delayed => 3,
        TaskState::Ready => 4,
        TaskState::Pending | TaskState::Unspecified => 5,
        TaskState::Cancelled => 6,
        TaskState::Completed => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::Timestamp;
    use shim_proto::coordination::v1::TaskError;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn task(key: &str, state: TaskState, progress: f64) -> Task {
        Task {
            task_id: format!("{key}-id"),
            key: key.into(),
            state: state.into(),
            progress,
            max_attempts: 3,
            ..Task::default()
        }
    }

    fn job(now: SystemTime) -> Job {
        let at = |ago| Some(Timestamp::from(now - Duration::from_secs(ago)));
        Job {
            root: Task {
                task_id: ID.into(),
                goal: "move\nthe store".into(),
                state: TaskState::Running.into(),
                started_at: at(240),
                ..Task::default()
            },
            subtasks: vec![
                Task {
                    worker_id: "w-1".into(),
                    started_at: at(60),
                    finished_at: at(22),
                    ..task("parse", TaskState::Completed, 1.0)
                },
                Task {
                    worker_id: ID.into(),
                    started_at: at(38),
                    note: "writing the index".into(),
                    ..task("index", TaskState::Running, 0.45)
                },
                Task {
                    attempts: 1,
                    not_before: Some(Timestamp::from(now + Duration::from_secs(4))),
                    error: Some(TaskError {
                        reason: "EXECUTOR_FAILED".into(),
                        message: "exit code 2".into(),
                    }),
                    ..task("docs", TaskState::Delayed, 0.0)
                },
                Task {
                    depends_on: vec!["parse-id".into(), "index-id".into()],
                    ..task("release", TaskState::Pending, 0.0)
                },
            ],
        }
    }

    fn drawn(job: &Job, now: SystemTime, rows: usize) -> Vec<String> {
        let workers = HashMap::from([("w-1".to_owned(), "window 1".to_owned())]);
        let layout = TreeLayout {
            workers: &workers,
            now,
            rows,
        };
        let lines = layout.tree(job);
        lines.iter().map(|line| line.render(100, false)).collect()
    }

    #[test]
    fn a_job_is_drawn_with_bars_workers_and_notes() {
        let now = SystemTime::now();
        assert_eq!(
            drawn(&job(now), now, 24),
            [
                "099a8057 move the store",
                "running  ████████▋░░░░░░░░░░░░░░░ 36 %  1 of 4 parts done, 1 running, 2 waiting  4 min",
                "├ parse    completed  ██████████ 100 %    38 s  window 1",
                "├ index    running    ████▌░░░░░  45 %    38 s  099a8057        writing the index",
                "├ docs     delayed    ░░░░░░░░░░   0 %                          try 2 of 3 in 4 s: exit code 2",
                "└ release  pending    ░░░░░░░░░░   0 %                          after parse, index",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let now = SystemTime::now();
        let mut job = job(now);
        for number in 0..100 {
            let key = format!("part-{number}");
            job.subtasks.push(task(&key, TaskState::Completed, 1.0));
        }
        let lines = drawn(&job, now, 6);
        assert_eq!(lines.len(), 6);
        assert!(
            lines[2].contains("index") && lines[3].contains("docs") && lines[4].contains("release")
        );
        assert_eq!(lines[5], "└ and 101 more subtasks");
    }

    #[test]
    fn a_long_wait_tells_who_is_waited_for() {
        let now = SystemTime::now();
        let mut waiting = Job {
            root: task("", TaskState::Ready, 0.0),
            subtasks: Vec::new(),
        };
        waiting.root.ready_at = Some(Timestamp::from(now));
        assert!(drawn(&waiting, now, 24)[1].ends_with("0 %"));
        let later = now + Duration::from_secs(70);
        let said = drawn(&waiting, later, 24).swap_remove(1);
        assert!(
            said.ends_with("0 %  waits for any worker, 1 min 10 s so far"),
            "{said}"
        );
    }

    #[test]
    fn a_task_without_subtasks_tells_its_own_note() {
        let now = SystemTime::now();
        let mut alone = job(now);
        alone.subtasks.clear();
        alone.root.worker_id = "w-1".into();
        (alone.root.progress, alone.root.stuck) = (0.5, true);
        let lines = drawn(&alone, now, 24);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1].ends_with("50 %  window 1  4 min  stuck: nothing heard for 4 min"),
            "{lines:?}"
        );
    }
}
