//! What a checkpoint of the service holds.

#![allow(clippy::unwrap_used)]

use shim_proto::checkpoint::v1::*;
use shim_sqlite::UnixMicros;

use super::state::{beside_told, observed_only, told_task};
use super::tests::*;
use super::*;

#[test]
fn what_was_told_stays_as_it_was_told() {
    let told = CheckpointState {
        current_task: "port the lexer".into(),
        progress: 0.4,
        decisions: vec!["use nom".into()],
        next_steps: vec!["strings".into()],
        active_files: vec![FileState {
            path: "a.rs".into(),
            blake3: "h".into(),
            ..FileState::default()
        }],
        ..CheckpointState::default()
    };
    let it = all(&[
        prompt(1, "go on"),
        finished(2, "a", "/p/b", ToolOutcome::Succeeded),
    ]);
    let mut state = beside_told(told.clone(), 7, &it);
    assert_eq!(state.observed.take(), Some(it.shown()));
    assert_eq!(
        state.active_files[0].seen_at_number, 7,
        "nobody looked again"
    );
    state.active_files[0].seen_at_number = 0;
    assert_eq!(state, told);
}

#[test]
fn without_a_told_task_the_last_prompt_stands_for_it() {
    use PlanStepStatus::{Done, Open};
    let work = |last: PlanStepStatus| {
        vec![
            prompt(1, "  fix the parser\nand its tests"),
            planned(2, true, &[("", "parser", Done), ("", "tests", last)]),
            finished(3, "a", "/p/a", ToolOutcome::Succeeded),
        ]
    };
    let mut events = work(Open);
    events.push(turn_ended(4, "The parser works."));
    let state = observed_only(&all(&events));
    assert_eq!(state.current_task, "fix the parser\nand its tests");
    assert_eq!(
        (state.task_key.as_str(), state.is_task_observed),
        ("observed", true)
    );
    assert_eq!(state.next_steps, ["tests"]);
    assert_eq!(state.completed_steps, ["parser"]);
    assert_eq!(state.active_files[0].path, "/p/a");
    assert_eq!(
        (state.summary.as_str(), state.progress),
        ("The parser works.", 0.0)
    );

    let done = |tail: &[ObservedEvent]| {
        let events = work(Done).into_iter().chain(tail.iter().cloned());
        observed_only(&all(&events.collect::<Vec<_>>())).progress
    };
    assert_eq!(done(&[]), 0.0, "the turn goes on");
    assert_eq!(done(&[turn_ended(4, "")]), 1.0);
    let failed = event(
        4,
        Event::TurnEnded(TurnEnded {
            outcome: TurnOutcome::UsageLimit.into(),
            ..TurnEnded::default()
        }),
    );
    assert_eq!(done(&[failed]), 0.0);
    let next = [turn_ended(4, ""), prompt(5, "and now"), turn_ended(6, "")];
    assert_eq!(done(&next), 0.0, "the plan is of another prompt");
    assert_eq!(observed_only(&all(&[turn_ended(4, "x")])).progress, 0.0);
}

#[test]
fn a_told_task_goes_on_until_it_is_finished_and_a_person_asks_for_more() {
    let task = |key: &str, progress| SessionTask {
        task_key: key.into(),
        progress,
        saved_at: Some(UnixMicros(10).into()),
        ..SessionTask::default()
    };
    let it = |at| all(&[prompt(at, "more")]);
    let session = Session::default();
    let key = |tasks: &[SessionTask], at| {
        told_task(&session, tasks, &it(at)).map(|task| task.task_key.clone())
    };
    let some = |key: &str| Some(key.to_owned());
    assert_eq!(key(&[task("t1", 0.5)], 20), some("t1"));
    assert_eq!(key(&[task("t1", 1.0)], 5), some("t1"));
    assert_eq!(key(&[task("t1", 1.0)], 20), None);
    assert_eq!(key(&[task("observed", 0.0), task("t2", 0.5)], 5), None);
    assert_eq!(key(&[], 5), None);
}
