//! One window supervises, two work, and one of these is killed in the middle of its part.

use serde_json::{Value, json};
use shim_tests::mcp::refusal;

use super::test_stack::{COORDINATE, TestStack, WORK, Window};

const SAVE: &str = "shim_auto_checkpoint";
/// The eras of the protocol: with `initialize` and without.
const LEGACY: &str = "legacy";
const STATELESS: &str = "2026-07-28";

/// Submits two parts that can go side by side, and one that comes after both. Returns the job's id.
async fn submit(supervisor: &mut Window) -> String {
    let subtasks = json!([
        {"id": "lexer", "goal": "write the lexer", "files": ["src/lexer.rs"]},
        {"id": "parser", "goal": "write the parser", "files": ["src/parser.rs"]},
        {"id": "tests", "goal": "test both", "after": ["lexer", "parser"], "files": ["tests/**"]},
    ]);
    let job = json!({"action": "submit", "goal": "a compiler front end", "subtasks": subtasks});
    let submitted = supervisor.get(COORDINATE, job).await;
    let parts = submitted["subtasks"].as_array().unwrap();
    let states: Vec<_> = parts.iter().map(|part| &part["state"]).collect();
    assert_eq!(states, ["ready", "ready", "pending"], "{submitted}");
    submitted["task"]["task_id"].as_str().unwrap().to_owned()
}

/// Saves what is done and what is left of the part, and tells how far it is. Returns the checkpoint's id.
async fn half_do(worker: &mut Window) -> Value {
    let state = json!({
        "current_task": "the part", "progress": 0.5, "active_files": ["plan.md"],
        "decisions": ["tables, not regular expressions"],
        "completed_steps": ["list the tokens"], "next_steps": ["write the tables"],
    });
    let saved = worker.get(SAVE, state).await;
    let report = json!({"action": "progress", "progress": 0.5, "note": "tokens listed"});
    let noted = worker.get(WORK, report).await;
    assert_eq!(noted["task"]["progress"], 0.5, "{noted}");
    let checkpoint_id = saved["checkpoint"]["checkpoint_id"].clone();
    assert_eq!(noted["task"]["checkpoint_id"], checkpoint_id, "{noted}");
    checkpoint_id
}

/// The worker that takes over a dead worker's part learns what it is, where it stood and what is left.
fn assert_handed_over(claimed: &Value, lost: &Value, checkpoint_id: &Value) {
    assert_eq!(claimed["task"]["task_id"], lost["task"]["task_id"]);
    assert_eq!(claimed["task"]["worker_deaths"], 1, "{claimed}");
    assert_eq!(claimed["task"]["progress"], 0.5, "{claimed}");
    assert_ne!(claimed["lease"], lost["lease"], "a new claim, a new proof");
    let checkpoint = &claimed["checkpoint"]["checkpoint_id"];
    assert_eq!(checkpoint, checkpoint_id, "{claimed}");
    let prompt = claimed["resume_prompt"].as_str().unwrap();
    for left in [
        "tables, not regular expressions",
        "list the tokens",
        "write the tables",
    ] {
        assert!(prompt.contains(left), "{left} is missing: {prompt}");
    }
}

/// A report of the dead that arrives late, from wherever.
async fn assert_refused(window: &mut Window, lost: &Value) {
    for action in ["progress", "complete", "fail", "release"] {
        let report = json!({
            "action": action, "task_id": lost["task"]["task_id"], "lease": lost["lease"],
            "progress": 0.9, "result": "too late", "error": "too late",
        });
        let refused = window.call(WORK, report).await;
        assert_eq!(refusal(&refused), "STALE_LEASE", "{action}: {refused}");
    }
}

/// How often something is told of a part.
fn count_events(events: &[Value], id: &str, kind: &str) -> usize {
    let is_it = |event: &&Value| event["id"] == id && event["kind"] == kind;
    events.iter().filter(is_it).count()
}

/// The log tells of every part's end, once, and of the one that changed hands.
fn assert_event_log(events: &[Value], lost: &Value, kept: &Value) {
    for id in ["lexer", "parser", "tests"] {
        assert_eq!(
            count_events(events, id, "completed"),
            1,
            "{id}: {events:#?}"
        );
    }
    let (lost, kept) = (&lost["task"]["id"], &kept["task"]["id"]);
    let (lost, kept) = (lost.as_str().unwrap(), kept.as_str().unwrap());
    assert_eq!(count_events(events, lost, "requeued"), 1, "{events:#?}");
    assert_eq!(count_events(events, lost, "started"), 2, "{events:#?}");
    assert_eq!(count_events(events, kept, "started"), 1, "{events:#?}");
}

/// The results come in the order of the parts, not in that of their ends.
fn assert_merged(results: &Value, lost: &Value) {
    assert_eq!(results["complete"], json!(true), "{results}");
    assert_eq!(results["missing"], json!([]));
    let text = results["result"]["text"].as_str().unwrap();
    let is_lexer_lost = lost["task"]["id"] == "lexer";
    let mut expected = ["the lost part", "the kept part", "all green"];
    if !is_lexer_lost {
        expected.swap(0, 1);
    }
    let found: Vec<_> = expected.iter().map(|part| text.find(part)).collect();
    assert!(found.iter().all(Option::is_some), "{text}");
    assert!(found.is_sorted(), "{text}");
    let parts = &results["result"]["data"]["parts"];
    assert_eq!(parts, &json!(["lexer", "parser", "tests"]), "{results}");
}

#[tokio::test]
async fn a_job_outlives_the_window_that_worked_on_it() {
    let stack = TestStack::new(|_| String::new()).await;
    let mut supervisor = stack.sdk_window(LEGACY).await;
    let mut doomed = stack.window().await;
    let mut other = stack.sdk_window(STATELESS).await;
    for worker in [&mut doomed, &mut other] {
        let register = json!({"action": "register", "capabilities": ["rust"]});
        worker.get(WORK, register).await;
    }
    let job = submit(&mut supervisor).await;

    let lost = doomed.claim().await;
    let kept = other.claim().await;
    let (lost_id, kept_id) = (&lost["task"]["task_id"], &kept["task"]["task_id"]);
    assert_ne!(lost_id, kept_id, "each has a part of its own");
    let workspace = lost["task"]["workspace"].as_str().unwrap().to_owned();
    let (lost_holder, kept_holder) = (lost_id.as_str().unwrap(), kept_id.as_str().unwrap());
    stack
        .files_are_held_by(&workspace, &[lost_holder, kept_holder])
        .await;
    let checkpoint_id = half_do(&mut doomed).await;
    doomed.kill().await;

    let data = json!({"parts": [kept["task"]["id"]]});
    other.complete("the kept part", data).await;
    let claimed = other.claim().await;
    assert_handed_over(&claimed, &lost, &checkpoint_id);
    stack.files_are_held_by(&workspace, &[lost_holder]).await;
    let mut late = stack.window().await;
    assert_refused(&mut late, &lost).await;

    let data = json!({"parts": [claimed["task"]["id"]]});
    other.complete("the lost part", data).await;
    let last = other.claim().await;
    assert_eq!(last["task"]["id"], "tests");
    let before = last["results_before"].as_array().unwrap();
    let before: Vec<_> = before.iter().map(|part| &part["result"]["text"]).collect();
    assert_eq!(before.len(), 2, "{last}");
    other
        .complete("all green", json!({"parts": ["tests"]}))
        .await;

    let (events, notices) = supervisor.wait_for_end(&job).await;
    assert_event_log(&events, &lost, &kept);
    let task_notice = supervisor.task_notice(notices).await;
    assert_eq!(task_notice["task_id"], json!(job));
    assert_eq!(task_notice["state"], "completed");
    let results = json!({"action": "results", "task_id": job, "merge": "merge"});
    let results = supervisor.get(COORDINATE, results).await;
    assert_merged(&results, &lost);
    stack.files_are_held_by(&workspace, &[]).await;
    other.close().await;
    supervisor.close().await;
}

#[tokio::test]
async fn a_window_that_slept_through_its_claim_is_refused_and_works_on() {
    let stack = TestStack::new(|_| String::new()).await;
    let mut supervisor = stack.window().await;
    let (mut sleeper, mut other) = (stack.window().await, stack.window().await);
    let job = json!({"action": "submit", "goal": "one thing", "files": ["one.rs"]});
    let job = supervisor.get(COORDINATE, job).await["task"]["task_id"].clone();
    let slept_on = sleeper.claim().await;
    sleeper.freeze();
    let taken = other.claim().await;
    assert_eq!(taken["task"]["task_id"], job);
    sleeper.thaw();

    // It knows neither the time nor that it was given up.
    let report = json!({"action": "complete", "result": "what I dreamt"});
    let refused = sleeper.call(WORK, report).await;
    assert_eq!(refusal(&refused), "STALE_LEASE", "{refused}");
    assert_refused(&mut sleeper, &slept_on).await;
    other.complete("what was done", json!({})).await;
    supervisor.wait_for_end(job.as_str().unwrap()).await;
    let results = json!({"action": "results", "task_id": job});
    let results = supervisor.get(COORDINATE, results).await;
    assert_eq!(results["result"]["text"], "what was done", "{results}");

    let next = json!({"action": "submit", "goal": "another thing"});
    let next = supervisor.get(COORDINATE, next).await;
    let claimed = sleeper.claim().await;
    let (wanted, found) = (&next["task"]["task_id"], &claimed["task"]["task_id"]);
    assert_eq!(found, wanted, "it is a worker again");
    for window in [supervisor, sleeper, other] {
        window.close().await;
    }
}

#[tokio::test]
async fn a_late_report_after_a_cancel_is_told_that_its_lease_is_over() {
    let stack = TestStack::new(|_| String::new()).await;
    let (mut supervisor, mut worker) = (stack.window().await, stack.window().await);
    let job = json!({"action": "submit", "goal": "write the lexer"});
    let submitted = supervisor.get(COORDINATE, job).await;
    worker.claim().await;
    let cancel = json!({"action": "cancel", "task_id": submitted["task"]["task_id"]});
    supervisor.get(COORDINATE, cancel).await;
    // The first report, or what the window saves, may tell it already; every later one is told the same.
    let state = json!({"current_task": "the lexer", "progress": 0.5});
    worker.get(SAVE, state).await;
    let none = json!({"action": "claim", "wait_seconds": 0});
    for round in 0..2 {
        for report in [
            json!({"action": "progress", "progress": 0.9}),
            json!({"action": "complete", "result": "too late"}),
            json!({"action": "fail", "error": "too late"}),
            json!({"action": "release"}),
        ] {
            let refused = worker.call(WORK, report.clone()).await;
            assert_eq!(
                refusal(&refused),
                "STALE_LEASE",
                "{round}, {report}: {refused}"
            );
        }
        worker.get(WORK, none.clone()).await;
    }
}
