//! Jobs that submit jobs: programs and windows keep who submitted what, a bound stops them, and a cancellation reaches all.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shim_proto::coordination::v1::{ListTasksRequest, Task, TaskState};
use shim_tests::binary;
use shim_tests::mcp::refusal;
use shim_tests::temp_env::TempEnv;

use super::test_stack::{COORDINATE, TestStack};

/// A command that submits its like, again and again.
fn again(temp: &TempEnv) -> String {
    let program = temp.root().join("again");
    let script = format!(
        "#!/bin/sh\nexec '{}' --data-dir '{}' tasks submit again --require again --max-attempts 1\n",
        binary::shim().canonicalize().unwrap().display(),
        temp.data_dir().display(),
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    format!(
        "[tasks]
         max_depth = 2
         [worker]
         roots = ['{project}']
         start = ['again']
         [worker.executors.again]
         kind = 'command'
         program = '{program}'
         working_dir = '{project}'
         capabilities = ['again']",
        project = temp.project().display(),
        program = program.display(),
    )
}

async fn jobs(stack: &TestStack) -> Vec<Task> {
    let mut tasks = stack.service.tasks();
    let listed = tasks.jobs.list_tasks(ListTasksRequest::default()).await;
    let mut jobs = listed.unwrap().into_inner().tasks;
    jobs.sort_by_key(|job| job.depth);
    jobs
}

#[tokio::test]
async fn a_program_that_submits_its_like_comes_to_an_end_with_a_clear_error() {
    let stack = TestStack::new(again).await;
    let mut window = stack.window().await;
    let job =
        json!({"action": "submit", "goal": "again", "requirements": ["again"], "max_attempts": 1});
    let first = window.get(COORDINATE, job).await;
    assert_eq!(first["task"]["parent_task_id"], json!(null), "{first}");
    let last = loop {
        let mut jobs = jobs(&stack).await;
        let last = jobs.pop().unwrap();
        if last.depth == 2 && last.state() == TaskState::Failed {
            break last;
        }
        tokio::task::yield_now().await;
    };
    let why = last.error.unwrap().message;
    assert!(
        why.contains("LINEAGE_LIMIT") && why.contains("tasks.max_depth"),
        "{why}"
    );
    let jobs = jobs(&stack).await;
    let parents: Vec<_> = jobs.iter().map(|job| job.parent_id.clone()).collect();
    let ids: Vec<_> = jobs.iter().map(|job| job.task_id.clone()).collect();
    assert_eq!(parents, ["", &ids[0], &ids[1]]);
    window.close().await;
}

#[tokio::test]
async fn what_a_window_submits_for_its_task_is_called_off_with_the_task() {
    let stack = TestStack::new(|_| String::new()).await;
    let (mut supervisor, mut worker) = (stack.window().await, stack.window().await);
    let job = json!({"action": "submit", "goal": "hand on"});
    let job = supervisor.get(COORDINATE, job).await["task"]["task_id"].clone();
    assert_eq!(worker.claim().await["task"]["task_id"], job);
    let part = json!({"action": "submit", "goal": "the rest", "requirements": ["nobody"]});
    let below = worker.get(COORDINATE, part.clone()).await;
    assert_eq!(below["task"]["parent_task_id"], job, "{below}");
    assert_eq!(below["task"]["depth"], 1, "{below}");

    let cancel = json!({"action": "cancel", "task_id": job});
    let cancelled = supervisor.get(COORDINATE, cancel).await;
    assert_eq!(cancelled["changed"], 2, "{cancelled}");
    let status = json!({"action": "status", "task_id": below["task"]["task_id"]});
    let status = supervisor.get(COORDINATE, status).await;
    assert_eq!(status["task"]["state"], "cancelled", "{status}");

    // What comes late is refused, and the remedy that is printed works.
    let mut late = part;
    late["parent_task_id"] = job;
    let refused = worker.call(COORDINATE, late.clone()).await;
    assert_eq!(refusal(&refused), "PARENT_CANCELLED", "{refused}");
    assert!(refused.to_string().contains("none"), "{refused}");
    late["parent_task_id"] = json!("none");
    let alone = worker.get(COORDINATE, late).await;
    assert_eq!(alone["task"]["parent_task_id"], Value::Null, "{alone}");
    supervisor.close().await;
    worker.close().await;
}

#[tokio::test]
async fn a_window_is_told_the_next_runs_of_a_schedule() {
    let stack = TestStack::new(|_| String::new()).await;
    let mut window = stack.window().await;
    let job = json!({"action": "submit", "goal": "look at the logs", "schedule": "0 6 1 * MON"});
    let answer = window.call(COORDINATE, job).await;
    let text = answer.to_string();
    let submitted = shim_tests::mcp::tool_output(answer);
    let runs = submitted["next_runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3, "{submitted}");
    assert!(
        text.contains(&format!("Next runs: {}", runs[0].as_str().unwrap())),
        "{text}"
    );
    let notes = submitted["notes"].to_string();
    assert!(
        notes.contains("either of them") && notes.contains("overlap: skip"),
        "{notes}"
    );
    assert_eq!(submitted["task"]["overlap"], "skip", "{submitted}");
    assert_eq!(submitted["task"]["runs_left_out"], 0, "{submitted}");
    let wrong = json!({"action": "submit", "goal": "look", "schedule": "0 9 MON * *"});
    let refused = window.call(COORDINATE, wrong).await;
    assert_eq!(refusal(&refused), "BAD_REQUEST", "{refused}");
    assert!(refused.to_string().contains("fifth field"), "{refused}");
    window.close().await;
}
