//! What a worker's window knows of one task is not handed over with another one, and its session is not offered once its
//! task went on.

use serde_json::{Value, json};

use super::test_stack::{COORDINATE, TestStack, Window};

const SAVE: &str = "shim_auto_checkpoint";
const RECOVER: &str = "shim_check_recovery";
/// For what is noticed a moment later, some seconds in all.
const MAX_POLLS: usize = 200;
const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);

async fn submit(supervisor: &mut Window, goal: &str) -> Value {
    let job = json!({"action": "submit", "goal": goal});
    supervisor.get(COORDINATE, job).await["task"]["task_id"].clone()
}

/// Saves in the same words for every task, as a worker does that speaks of "the part".
async fn save(worker: &mut Window, decision: &str, step: &str) {
    let state = json!({
        "current_task": "the part", "progress": 0.5, "decisions": [decision], "completed_steps": [step],
        "next_steps": ["the rest"],
    });
    worker.get(SAVE, state).await;
}

#[tokio::test]
async fn what_belongs_to_one_task_is_not_handed_over_with_another() {
    let stack = TestStack::new(|_| String::new()).await;
    let mut supervisor = stack.window().await;
    let (mut doomed, mut other) = (stack.window().await, stack.window().await);
    submit(&mut supervisor, "the first part").await;
    doomed.claim().await;
    save(&mut doomed, "tables for the first", "listed the first").await;
    doomed.complete("the first is done", json!({})).await;
    let second = submit(&mut supervisor, "the second part").await;
    doomed.claim().await;
    save(&mut doomed, "trees for the second", "listed the second").await;
    doomed.kill().await;

    let claimed = other.claim().await;
    assert_eq!(claimed["task"]["task_id"], second);
    let prompt = claimed["resume_prompt"].as_str().unwrap();
    for part in ["trees for the second", "listed the second", "the rest"] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
    assert!(!prompt.contains("first"), "{prompt}");

    // The dead session is known as interrupted, and not offered: the task is with another worker, then done.
    let mut left_out = Value::Null;
    for _ in 0..MAX_POLLS {
        let found = supervisor.get(RECOVER, json!({})).await;
        assert_eq!(found["candidates"], json!([]), "{found}");
        left_out = found["went_on_elsewhere"].clone();
        if left_out == json!(1) {
            break;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    assert_eq!(left_out, json!(1));
    other.complete("the second is done", json!({})).await;
    let found = supervisor.get(RECOVER, json!({})).await;
    assert_eq!(found["candidates"], json!([]), "{found}");
}
