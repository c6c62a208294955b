//! Windows beside each other: leases that hold, and a worker that goes on by itself.

use serde_json::{Value, json};
use shim_proto::coordination::v1::{
    AcquireFilesRequest, FileLeaseMode, SplitPolicy, SubmitTaskRequest, Subtask, TaskState,
};
use shim_tests::calls::request_id;
use shim_tests::claude::{WindowKind, text, tool, write};

use super::observed_stack::ObservedStack;

const WORK: &str = "mcp__plugin_shim_shim__shim_worker_task";
const TASKS: usize = 5;

#[tokio::test]
async fn a_write_to_a_file_that_another_session_leases_is_denied() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let project = stack.project();
    let request = AcquireFilesRequest {
        request_id: request_id(),
        workspace: project.display().to_string(),
        holder: "the other window".to_owned(),
        purpose: "renames everything".to_owned(),
        patterns: vec!["leased.md".to_owned()],
        mode: FileLeaseMode::Exclusive.into(),
        ..Default::default()
    };
    let mut locks = stack.service.coordination().locks;
    locks.acquire_files(request).await.unwrap();
    let window = stack.window("w", WindowKind::Headless);
    let script = [
        write(&project.join("leased.md"), "mine"),
        write(&project.join("free.md"), "mine"),
        text("one was denied"),
    ];
    stack.lab.script(window.key(), &script).await;
    window.run(&mut stack.lab, "Write both").await;
    stack.lab.turn(window.key()).await;
    let denied = stack.lab.turn(window.key()).await["messages"].to_string();
    for fact in ["the other window", "renames everything"] {
        assert!(denied.contains(fact), "{fact}: {denied}");
    }
    assert!(!project.join("leased.md").exists());
    assert!(project.join("free.md").exists());
}

/// What a model does that was handed a task: it ends it, by what it was told.
fn complete() -> Value {
    let input = json!({
        "action": "complete", "result": "done as asked",
        "task_id": {"last": "task_id: ([0-9a-f-]{36})"}, "lease": {"last": "lease: ([0-9]+)"},
    });
    tool(WORK, &input)
}

#[tokio::test]
async fn a_worker_window_takes_the_tasks_that_wait_one_after_the_other() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let parts = (0..TASKS).map(|at| Subtask {
        key: format!("part{at}"),
        goal: format!("write part {at}"),
        ..Default::default()
    });
    let job = SubmitTaskRequest {
        request_id: request_id(),
        goal: "five parts".to_owned(),
        split: SplitPolicy::Never.into(),
        subtasks: parts.collect(),
        ..Default::default()
    };
    let mut tasks = stack.service.tasks();
    let job = tasks.submit(job).await.unwrap().task.unwrap().task_id;

    let window = stack.window("w", WindowKind::Headless);
    let mut script = vec![
        tool(WORK, &json!({"action": "register", "capabilities": []})),
        text("registered"),
    ];
    for at in 0..TASKS {
        script.extend([complete(), text(&format!("part {at} is done"))]);
    }
    stack.lab.script(window.key(), &script).await;
    window.run(&mut stack.lab, "Work for the others").await;
    let job = tasks.wait_for_end(&job).await.unwrap();
    assert_eq!(job.state(), TaskState::Completed, "{job:?}");
    assert_eq!(job.subtasks.unwrap().completed, 5);
    let turns = stack.lab.kept().filter(|event| event["is_turn"] == true);
    let turns = turns.filter(|event| event["event"] == "request").count();
    assert_eq!(
        turns,
        script.len(),
        "nothing kept it going after the last task"
    );
}
