//! Windows that are killed or stand still, on a stack that would wait an hour before it took a silent one for dead.

use serde_json::json;

use super::test_stack::{COORDINATE, TestStack, WORK, Window};

async fn worker(stack: &TestStack) -> Window {
    let mut window = stack.window().await;
    window
        .get(
            WORK,
            json!({"action": "register", "capabilities": ["rust"]}),
        )
        .await;
    window
}

#[tokio::test]
async fn the_task_of_a_killed_window_goes_on_and_that_of_a_frozen_one_stays() {
    let stack = TestStack::patient().await;
    let mut supervisor = stack.window().await;
    let (mut doomed, mut frozen) = (worker(&stack).await, worker(&stack).await);
    for goal in ["outlive a window", "wait for a window"] {
        let job = json!({"action": "submit", "goal": goal});
        supervisor.get(COORDINATE, job).await;
    }
    let lost = doomed.claim().await;
    let kept = frozen.claim().await;
    frozen.freeze();
    doomed.kill().await;
    let mut heir = worker(&stack).await;
    let claimed = heir.claim().await;
    assert_eq!(claimed["task"]["task_id"], lost["task"]["task_id"]);
    heir.complete("done", json!({})).await;
    frozen.thaw();
    let done = frozen.complete("done, late", json!({})).await;
    let report = json!({"action": "results", "task_id": kept["task"]["task_id"]});
    let results = supervisor.get(COORDINATE, report).await;
    assert_eq!(results["complete"], json!(true), "{done} {results}");
}
