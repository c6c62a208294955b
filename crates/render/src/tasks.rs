//! What is said of tasks: how the parts of a job are, and which worker a task needs.

use std::time::SystemTime;

use prost_types::Timestamp;
use shim_proto::coordination::v1::{FileWait, Requirements, Task, TaskCounts, Usage, WorkerKind};

use crate::figures::count;
use crate::text::{one_line, title};
use crate::time::{moment, span};
use crate::{time, words};

const ANY_WORKER: &str = "any worker";
const MAX_PATTERN_CHARACTERS: usize = 120;
const MAX_CAPABILITY_CHARACTERS: usize = 100;

/// How the parts of a job are: "3 of 8 parts done, 2 running, 1 failed".
#[must_use]
pub fn part_counts(counts: &TaskCounts) -> String {
    let mut text = format!("{} of {} parts done", counts.completed, counts.total);
    for (number, word) in [
        (counts.running, "running"),
        (counts.ready, "ready"),
        (counts.waiting, "waiting"),
        (counts.failed, "failed"),
        (counts.cancelled, "cancelled"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {word}"));
        }
    }
    text
}

/// The runs of a schedule so far: "3 runs, 1 left out because an earlier one went on (overlap: skip)".
#[must_use]
pub fn schedule_runs(schedule: &Task) -> String {
    let overlap = words::overlap_policy(schedule.overlap());
    let left_out = match schedule.runs_left_out {
        0 => String::new(),
        number => format!(", {number} left out because an earlier one went on"),
    };
    format!(
        "{}{left_out} (overlap: {overlap})",
        count(schedule.runs, "run")
    )
}

/// The next runs of a schedule, all in one line.
#[must_use]
pub fn next_runs(runs: &[Timestamp]) -> String {
    let runs = runs.iter().map(|run| time::rfc3339(Some(run)));
    runs.collect::<Vec<_>>().join(", ")
}

/// The workers that may run a task: "agent rust db", or "any worker".
#[must_use]
pub fn requirements(requirements: Option<&Requirements>) -> String {
    let Some(needed) = requirements else {
        return ANY_WORKER.to_owned();
    };
    let kind = match needed.executor() {
        WorkerKind::Unspecified => None,
        kind => Some(words::worker_kind(kind).to_owned()),
    };
    let capabilities = needed.capabilities.iter();
    let capabilities = capabilities.map(|name| one_line(name, MAX_CAPABILITY_CHARACTERS));
    let names: Vec<String> = kind.into_iter().chain(capabilities).collect();
    if names.is_empty() {
        return ANY_WORKER.to_owned();
    }
    names.join(" ")
}

/// The same as the first cell of a row, in at most `max` characters. The kind of a worker is a word of ours, capabilities are not.
#[must_use]
pub fn requirements_cell(needed: Option<&Requirements>, max: usize) -> String {
    let begins_with_kind = needed.is_some_and(|it| it.executor() != WorkerKind::Unspecified);
    match requirements(needed) {
        ours if begins_with_kind || ours == ANY_WORKER => one_line(&ours, max),
        names => title(&names, max),
    }
}

/// What holds a ready task up though a worker may be free: a pause of its queue, or a lease of another holder on its files,
/// with who holds it, what for, for how long so far and how long at most; `None` if nothing does.
#[must_use]
pub fn held_up(task: &Task, now: SystemTime) -> Option<String> {
    if task.queue_paused {
        return Some("its queue is paused".to_owned());
    }
    task.file_wait.as_ref().map(|wait| file_wait(wait, now))
}

fn file_wait(wait: &FileWait, now: SystemTime) -> String {
    let name = |text: &str| one_line(text, MAX_PATTERN_CHARACTERS);
    let mut text = format!("waits for {}", name(&wait.wanted));
    if wait.pattern != wait.wanted {
        text.push_str(&format!(" ({})", name(&wait.pattern)));
    }
    text.push_str(&format!(", leased by {}", name(&wait.holder)));
    if !wait.purpose.is_empty() {
        text.push_str(&format!(" for \"{}\"", name(&wait.purpose)));
    }
    let since = moment(wait.since.as_ref()).and_then(|since| now.duration_since(since).ok());
    if let Some(since) = since {
        text.push_str(&format!(", {} so far", span(since)));
    }
    let left = moment(wait.until.as_ref()).and_then(|until| until.duration_since(now).ok());
    if let Some(left) = left {
        text.push_str(&format!(", {} left unless it is renewed", span(left)));
    }
    text
}

/// What work cost: "12 tokens read, 5 written, 0.25 US$"; "at least" stands before it if more was spent than is known.
#[must_use]
pub fn cost(usage: &Usage) -> String {
    let least = if usage.incomplete { "at least " } else { "" };
    let (input, output) = (usage.input_tokens, usage.output_tokens);
    format!(
        "{least}{input} tokens read, {output} written, {:.2} US$",
        usage.cost_usd
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_task_that_is_held_up_names_holder_purpose_and_times() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let mut task = Task {
            file_wait: Some(FileWait {
                wanted: "src/a.rs".into(),
                pattern: "src/**".into(),
                holder: "ada".into(),
                purpose: "a refactoring".into(),
                since: at(9_880),
                until: at(10_480),
            }),
            ..Task::default()
        };
        assert_eq!(
            held_up(&task, now).as_deref(),
            Some(
                "waits for src/a.rs (src/**), leased by ada for \"a refactoring\", 2 min so far, 8 min left unless it is renewed"
            )
        );
        task.file_wait = Some(FileWait {
            wanted: "src/a.rs".into(),
            pattern: "src/a.rs".into(),
            holder: "ada".into(),
            ..FileWait::default()
        });
        assert_eq!(
            held_up(&task, now).as_deref(),
            Some("waits for src/a.rs, leased by ada")
        );
        task.queue_paused = true;
        assert_eq!(held_up(&task, now).as_deref(), Some("its queue is paused"));
        assert_eq!(held_up(&Task::default(), now), None);
    }

    #[test]
    fn only_the_parts_that_exist_are_counted() {
        let counts = TaskCounts {
            total: 8,
            completed: 3,
            running: 2,
            failed: 1,
            ..TaskCounts::default()
        };
        assert_eq!(
            part_counts(&counts),
            "3 of 8 parts done, 2 running, 1 failed"
        );
    }

    #[test]
    fn the_runs_of_a_schedule_are_counted_with_those_left_out() {
        let mut schedule = Task {
            runs: 1,
            ..Task::default()
        };
        assert_eq!(schedule_runs(&schedule), "1 run (overlap: skip)");
        schedule.runs_left_out = 7;
        assert_eq!(
            schedule_runs(&schedule),
            "1 run, 7 left out because an earlier one went on (overlap: skip)"
        );
    }

    #[test]
    fn a_cost_that_is_not_all_is_the_least() {
        let mut usage = Usage {
            input_tokens: 12,
            output_tokens: 5,
            cost_usd: 0.25,
            ..Usage::default()
        };
        assert_eq!(cost(&usage), "12 tokens read, 5 written, 0.25 US$");
        usage.incomplete = true;
        assert_eq!(cost(&usage), "at least 12 tokens read, 5 written, 0.25 US$");
    }

    #[test]
    fn requirements_name_the_kind_and_the_capabilities() {
        assert_eq!(requirements(None), "any worker");
        assert_eq!(requirements(Some(&Requirements::default())), "any worker");
        let asked = Requirements {
            executor: WorkerKind::Agent.into(),
            capabilities: vec!["rust".into(), "db".into()],
        };
        assert_eq!(requirements(Some(&asked)), "agent rust db");
    }
}
