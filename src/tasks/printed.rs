//! What the commands of this folder print, as snapshots: the documentation of their output.

use insta::assert_snapshot;
use std::collections::HashMap;

use shim_proto::coordination::v1::{
    AggregateResultsResponse, GetTaskResponse, ListTasksResponse, MissingResult, OverlapPolicy,
    PriorityDepth, QueueHealthResponse, QueueReport, Requirements, SubmitTaskResponse, Task,
    TaskState, WorkerKind,
};

use super::job::Job;
use super::tree::TreeLayout;
use super::{health, list, results, show, submit, watch};
use crate::output::time::now;
use crate::samples::{ahead, both_faces, id, job, printed};

fn whole_job() -> Job {
    let (root, subtasks) = job();
    Job { root, subtasks }
}

fn workers() -> HashMap<String, String> {
    HashMap::from([(id(30), "window 1".to_owned())])
}

#[test]
fn list() {
    let (root, subtasks) = job();
    let jobs = ListTasksResponse {
        tasks: vec![root],
        ..ListTasksResponse::default()
    };
    assert_snapshot!(both_faces(&jobs, |out| list::print(
        &jobs.tasks,
        false,
        out
    )));
    assert_snapshot!(
        "list_of_subtasks",
        printed(|out| list::print(&subtasks, true, out))
    );
    assert_snapshot!("list_of_none", printed(|out| list::print(&[], false, out)));
}

#[test]
fn show() {
    let job = whole_job();
    let found = GetTaskResponse {
        task: Some(job.root.clone()),
        subtasks: job.subtasks.clone(),
    };
    assert_snapshot!(both_faces(&found, |out| show::print(&job, &workers(), out)));
    let [done, failed] = [0, 1].map(|index| Job {
        root: job.subtasks[index].clone(),
        subtasks: Vec::new(),
    });
    assert_snapshot!(
        "show_of_a_completed_task",
        printed(|out| show::print(&done, &workers(), out))
    );
    assert_snapshot!(
        "show_of_a_failed_task",
        printed(|out| show::print(&failed, &workers(), out))
    );
}

#[test]
fn tree() {
    let (workers, job) = (workers(), whole_job());
    let layout = TreeLayout {
        workers: &workers,
        now: now(),
        rows: 24,
    };
    let lines: Vec<_> = layout
        .tree(&job)
        .iter()
        .map(|line| line.render(100, false))
        .collect();
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn health() {
    let health = QueueHealthResponse {
        queues: vec![QueueReport {
            name: "shim-agent".into(),
            requirements: Some(Requirements {
                executor: WorkerKind::Agent.into(),
                capabilities: vec!["rust".into()],
            }),
            waiting: 3,
            active: 2,
            starving: true,
            oldest_age: Some(prost_types::Duration {
                seconds: 90,
                nanos: 0,
            }),
            depths: vec![PriorityDepth {
                priority: 50,
                depth: 3,
            }],
            ..QueueReport::default()
        }],
        dead_letters: 2,
        ..QueueHealthResponse::default()
    };
    assert_snapshot!(both_faces(&health, |out| health::print(&health, out)));
}

#[test]
fn results() {
    let (root, subtasks) = job();
    let merged = AggregateResultsResponse {
        task: Some(root),
        result: subtasks[0].result.clone(),
        complete: false,
        missing: vec![MissingResult {
            task_id: id(22),
            key: "docs".into(),
            state: TaskState::Failed.into(),
            error: subtasks[1].error.clone(),
        }],
    };
    let print = |out: &mut dyn std::io::Write| {
        results::print(&merged, results::Face::Lines, out)
            .map_err(|e| std::io::Error::other(e.to_string()))
    };
    assert_snapshot!(both_faces(&merged, print));
}

#[test]
fn submit() {
    let (task, subtasks) = job();
    let submitted = SubmitTaskResponse {
        task: Some(task),
        subtasks,
        reasoning: "two parts, as they were given".into(),
        ..SubmitTaskResponse::default()
    };
    let print = |out: &mut dyn std::io::Write| {
        submit::print(&submitted, out)?;
        submit::print_parts(&submitted, out)
    };
    assert_snapshot!(both_faces(&submitted, print));
}

#[test]
fn a_schedule_shows_its_runs_and_on_whose_behalf_it_is() {
    let task = Task {
        task_id: id(40),
        goal: "look at the logs".into(),
        state: TaskState::Delayed.into(),
        schedule: "0 6 1 * MON".into(),
        overlap: OverlapPolicy::Skip.into(),
        runs: 3,
        runs_left_out: 1,
        last_run_id: id(43),
        parent_id: id(21),
        depth: 1,
        not_before: ahead(3_600),
        ..Task::default()
    };
    let submitted = SubmitTaskResponse {
        task: Some(task.clone()),
        next_runs: [ahead(3_600), ahead(7_200), ahead(9_000)]
            .into_iter()
            .flatten()
            .collect(),
        notes: vec!["both days are given: either of them".into()],
        ..SubmitTaskResponse::default()
    };
    let text = printed(|out| submit::print(&submitted, out));
    assert_eq!(
        text,
        "job 00000040 submitted: delayed\n\
         \x20 next runs: 2026-01-02T04:04:05Z, 2026-01-02T05:04:05Z, 2026-01-02T05:34:05Z\n\
         \x20 note: both days are given: either of them\n\
         \x20 on behalf of task 00000021, at depth 1\n"
    );
    let shown = Job {
        root: task,
        subtasks: Vec::new(),
    };
    let text = printed(|out| show::print(&shown, &workers(), out));
    for line in [
        "\nschedule    0 6 1 * MON (UTC)\n",
        "\nruns        3 runs, 1 left out because an earlier one went on (overlap: skip)\n",
        "\non behalf   of task 01890a5d-ac96-774b-bcce-b30200000021, at depth 1\n",
    ] {
        assert!(text.contains(line), "{line} is missing: {text}");
    }
}

#[test]
fn end_of_a_watch() {
    let (_, subtasks) = job();
    let print = |out: &mut dyn std::io::Write| {
        subtasks
            .iter()
            .try_for_each(|task| watch::print_next_step(task, out))
    };
    assert_snapshot!(printed(print));
}
