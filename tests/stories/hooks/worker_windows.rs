//! A window that registered as a worker goes on by its `Stop` hook while there is something for it, and never otherwise.

use serde_json::json;
use shim_proto::coordination::v1::{RegisterWorkerRequest, TaskState, WorkerKind};
use shim_tests::calls::request_id;
use shim_tests::coordination::{CoordinationClients, inbox, message};
use shim_tests::tasks::{Claim, TaskClients, job};
use shim_tests::temp_env::TempEnv;

use super::*;

/// The end of a turn; what keeps it going.
fn stop(temp: &TempEnv, is_continued: bool) -> Option<String> {
    let more = json!({"stop_hook_active": is_continued, "last_assistant_message": "Done."});
    let said = hook(temp, "Stop", &more)?;
    assert_eq!(said["decision"], "block", "{said}");
    Some(said["reason"].as_str().unwrap().to_owned())
}

/// A window whose hooks made a session of it; its id.
async fn window(temp: &TempEnv) -> String {
    up(temp);
    hook(
        temp,
        "UserPromptSubmit",
        &json!({"prompt": "Work on shared tasks"}),
    );
    observed(temp).await.unwrap().0.id
}

/// Makes the window a worker, as its gateway does.
async fn register(temp: &TempEnv, session_id: &str) -> String {
    let request = RegisterWorkerRequest {
        request_id: request_id(),
        worker_id: session_id.to_owned(),
        session_id: session_id.to_owned(),
        name: "claude-code in project".to_owned(),
        kind: WorkerKind::Chat.into(),
        capacity: 1,
        ..RegisterWorkerRequest::default()
    };
    let mut tasks = TaskClients::over(&channel(temp));
    wait_for("the worker is registered", async || {
        let answer = tasks.registry.register_worker(request.clone()).await.ok()?;
        Some(answer.into_inner().worker?.worker_id)
    })
    .await
}

/// The id and the lease in what a hook said.
fn claim(words: &str) -> (String, u64) {
    let field = |name: &str| {
        let line = words.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{words}")).trim().to_owned()
    };
    (field("task_id:"), field("lease:").parse().unwrap())
}

#[tokio::test]
async fn a_worker_window_takes_one_task_after_another() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    let mut tasks = TaskClients::over(&channel(&temp));
    assert_eq!(stop(&temp, false), None, "it is no worker");
    register(&temp, &session_id).await;
    let mut jobs = Vec::new();
    for number in 0..3 {
        let submitted = tasks
            .submit(job(&format!("Port part {number}\nlease: 7")))
            .await
            .unwrap();
        jobs.push(submitted.task.unwrap().task_id);
    }
    for (turn, number) in (0..3).enumerate() {
        let words = stop(&temp, turn > 0).unwrap_or_else(|| panic!("turn {turn}"));
        assert!(
            words.contains(&format!("> Port part {number}\n> lease: 7")),
            "{words}"
        );
        let (task_id, lease) = claim(&words);
        assert_eq!(task_id, jobs[number]);
        // It has a task in hand: it is neither given another nor kept going.
        assert_eq!(stop(&temp, true), None);
        let task = tasks.task(&task_id).await.unwrap();
        assert_eq!(
            (task.state(), task.worker_id.as_str()),
            (TaskState::Running, session_id.as_str())
        );
        tasks
            .complete(&Claim { task, lease }, "ported")
            .await
            .unwrap();
    }
    assert_eq!(stop(&temp, true), None, "nothing waits");
}

#[tokio::test]
async fn the_client_ends_a_turn_after_eight_and_no_task_is_claimed_for_nobody() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    register(&temp, &session_id).await;
    let mut tasks = TaskClients::over(&channel(&temp));
    for number in 0..9 {
        tasks.submit(job(&format!("part {number}"))).await.unwrap();
    }
    for turn in 0..8 {
        let words = stop(&temp, turn > 0).unwrap_or_else(|| panic!("turn {turn}"));
        assert_eq!(
            words.contains("the last of them"),
            turn == 7,
            "{turn}: {words}"
        );
        let (task_id, lease) = claim(&words);
        let task = tasks.task(&task_id).await.unwrap();
        tasks
            .complete(&Claim { task, lease }, "done")
            .await
            .unwrap();
    }
    assert_eq!(stop(&temp, true), None, "the client would not go on");
    // The next turn takes what is left.
    hook(&temp, "UserPromptSubmit", &json!({"prompt": "go on"}));
    assert!(stop(&temp, false).is_some());
}

#[tokio::test]
async fn unread_messages_are_told_once() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    let mut bus = CoordinationClients::over(&channel(&temp));
    wait_for("a message is sent", async || {
        bus.send(message(&session_id, "look\nat this")).await.ok()
    })
    .await;
    assert_eq!(stop(&temp, false), None, "it is no worker");
    register(&temp, &session_id).await;
    let words = stop(&temp, false).unwrap();
    assert!(words.contains("> look\n> at this"), "{words}");
    assert_eq!(stop(&temp, true), None);
    let left = bus.receive(inbox(&session_id)).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn who_submitted_a_job_is_told_of_its_end() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    let mut tasks = TaskClients::over(&channel(&temp));
    let mut request = job("Port it");
    request.submitted_by = session_id.clone();
    let submitted = wait_for("the job is submitted", async || {
        tasks.submit(request.clone()).await.ok()
    });
    let task_id = submitted.await.task.unwrap().task_id;
    assert_eq!(stop(&temp, false), None, "it goes on");
    let worker = tasks.register("other", 1).await.unwrap();
    let claim = tasks
        .claim(&worker, Duration::from_secs(20))
        .await
        .unwrap()
        .unwrap();
    tasks.complete(&claim, "ported").await.unwrap();
    let words = wait_for("its end is told", async || stop(&temp, false)).await;
    assert!(
        words.contains("Port it") || words.contains(&task_id),
        "{words}"
    );
    assert_eq!(stop(&temp, true), None);
}

#[tokio::test]
async fn a_window_may_be_left_alone() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    register(&temp, &session_id).await;
    let mut tasks = TaskClients::over(&channel(&temp));
    let submitted = tasks.submit(job("Port it")).await.unwrap().task.unwrap();
    let mut command = command(&temp);
    command.env("SHIM_HOOK_KEEP_WORKERS_GOING", "false");
    assert_eq!(
        hook_of(
            &mut command,
            &temp,
            "Stop",
            &json!({"stop_hook_active": false})
        ),
        None
    );
    let task = tasks.task(&submitted.task_id).await.unwrap();
    assert_ne!(task.state(), TaskState::Running);
}

/// The client is gone before it can be told: nobody holds the task.
#[tokio::test]
async fn a_task_that_cannot_be_told_goes_back() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    register(&temp, &session_id).await;
    let mut tasks = TaskClients::over(&channel(&temp));
    let submitted = tasks.submit(job("Port it")).await.unwrap().task.unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command(&temp);
    command.stdout(writer);
    let mut child = command.spawn().unwrap();
    let stop = input(&temp, "Stop", &json!({"stop_hook_active": false}));
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &stop).unwrap();
    assert!(child.wait().unwrap().success());
    let task = tasks.task(&submitted.task_id).await.unwrap();
    assert_ne!(task.state(), TaskState::Running);
    let worker = tasks.register("other", 1).await.unwrap();
    let claimed = tasks.claim(&worker, Duration::from_secs(20)).await.unwrap();
    assert_eq!(claimed.unwrap().task.task_id, submitted.task_id);
}

/// The hook is killed after it claimed and before it could say so: the window is told at its next end of a turn.
#[tokio::test]
async fn a_task_whose_hook_died_is_told_by_the_next_one() {
    let temp = TempEnv::new();
    let session_id = window(&temp).await;
    register(&temp, &session_id).await;
    let mut tasks = TaskClients::over(&channel(&temp));
    let submitted = tasks.submit(job("Port it")).await.unwrap().task.unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    // The pipe stays full: the hook waits with its words.
    let mut filler = writer.try_clone().unwrap();
    let filling =
        std::thread::spawn(move || std::io::copy(&mut std::io::repeat(b' '), &mut filler));
    let mut command = command(&temp);
    command.stdout(writer);
    let mut child = command.spawn().unwrap();
    let end = input(&temp, "Stop", &json!({"stop_hook_active": false}));
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &end).unwrap();
    wait_for("the hook claims the task", async || {
        let task = tasks.task(&submitted.task_id).await.ok()?;
        (task.state() == TaskState::Running).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    drop(command);
    drop(reader);
    assert!(filling.join().unwrap().is_err());

    let words = stop(&temp, false).unwrap();
    let (task_id, lease) = claim(&words);
    assert_eq!(task_id, submitted.task_id);
    assert_eq!(stop(&temp, true), None, "it was told once");
    let task = tasks.task(&task_id).await.unwrap();
    tasks
        .complete(&Claim { task, lease }, "ported")
        .await
        .unwrap();
}
