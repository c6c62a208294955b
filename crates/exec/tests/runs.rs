//! Runs: what a program gets, and how it ends.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use shim_checks::{Lifeline, within};
use shim_exec::{ExitCause, RunEvent};

use crate::test_env::{TestEnv, WORK};

fn exit_code(end: ExitCause) -> Option<i32> {
    match end {
        ExitCause::Exited(status) => status.code(),
        other => panic!("it exits: {other:?}"),
    }
}

#[tokio::test]
async fn a_program_reads_its_input_and_its_lines_come_one_by_one() {
    let env = TestEnv::new();
    let (events, mut lines) = (RefCell::new(Vec::new()), Vec::new());
    let script = format!("cat; echo \"${WORK}\"; echo why >&2; exit 3");
    let run = env.run_with(
        &script,
        "one\ntwo\n",
        |event| events.borrow_mut().push(event),
        |line| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            false
        },
    );
    let mut ended = within(run).await;
    assert_eq!(exit_code(ended.end), Some(3));
    assert_eq!(lines, ["one", "two", "work-1"]);
    assert_eq!(ended.stdout.text().0, "one\ntwo\nwork-1\n");
    assert_eq!(ended.stderr.text().0, "why\n");
    let events = events.into_inner();
    assert!(matches!(events[0], RunEvent::Started { pid: 1.. }));
    assert!(events.contains(&RunEvent::Output));
}

#[tokio::test]
async fn a_program_sees_no_variable_but_those_it_is_given() {
    let env = TestEnv::new();
    let mut ended = within(env.run("env", "")).await;
    let text = ended.stdout.text().0;
    let names = text.lines().filter_map(|line| line.split_once('='));
    let mut names: Vec<_> = names.map(|(name, _)| name).collect();
    names.retain(|name| !["HOME", "LANG", "TERM", "PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["PATH", WORK, "TRACEPARENT"]);
}

#[tokio::test]
async fn a_program_that_does_not_read_its_input_runs_all_the_same() {
    let env = TestEnv::new();
    let input = "x".repeat(1 << 20);
    let ended = within(env.run("exec <&-; echo done", &input)).await;
    assert_eq!(exit_code(ended.end), Some(0));
}

#[tokio::test]
async fn the_whole_group_dies_when_the_time_is_up() {
    let mut env = TestEnv::new();
    env.limits.timeout = Duration::from_millis(300);
    let lifeline = Lifeline::at(&env.path("lifeline"));
    let script = format!("{} (sleep 1000 & sleep 1000) & wait", Lifeline::HOLD);
    let ended = within(env.run(&script, "")).await;
    assert_eq!(ended.end, ExitCause::TimedOut);
    lifeline.closed().await;
}

#[tokio::test]
async fn a_program_that_is_done_but_stays_is_ended() {
    let mut env = TestEnv::new();
    env.limits.grace = Duration::from_millis(100);
    let run = env.run_with("echo done; sleep 1000", "", |_| {}, |line| line == b"done");
    assert_eq!(within(run).await.end, ExitCause::Lingered);
}

#[tokio::test]
async fn a_child_left_in_the_background_does_not_outlive_its_program() {
    let env = TestEnv::new();
    let lifeline = Lifeline::at(&env.path("lifeline"));
    let script = format!("{} sleep 1000 & echo done", Lifeline::HOLD);
    let mut ended = within(env.run(&script, "")).await;
    assert_eq!(ended.stdout.text().0, "done\n");
    lifeline.closed().await;
    assert_eq!(std::fs::read_dir(env.path("groups")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_dropped_run_leaves_no_process() {
    let env = Arc::new(TestEnv::new());
    let mut lifeline = Lifeline::at(&env.path("lifeline"));
    let script = format!("{} sleep 1000 & sleep 1000", Lifeline::HOLD);
    let running = Arc::clone(&env);
    let run = tokio::spawn(async move { drop(running.run(&script, "").await) });
    lifeline.opened().await;
    run.abort();
    lifeline.closed().await;
}
