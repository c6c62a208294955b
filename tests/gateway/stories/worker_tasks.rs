//! A worker's side: tasks are claimed, reported on, handed over with their checkpoints, and lost without harm.

use serde_json::{Value, json};
use shim_proto::coordination::v1::TaskState;
use shim_proto::worker::v1::ReportProgressRequest;
use shim_runtime::service_error::ServiceError;
use tonic::{Code, Status};

use shim_gateway_stories::{Client, FaultMode, TestEnv, until};

const COORDINATE: &str = "shim_coordinate_task";
const WORK: &str = "shim_worker_task";
const SAVE: &str = "shim_auto_checkpoint";
const REPORT: &str = "ReportProgress";

/// The lease of a claimed task.
fn lease(claimed: &Value) -> u64 {
    claimed["lease"].as_str().unwrap().parse().unwrap()
}

/// What the service says without its store.
fn store_unavailable() -> Status {
    ServiceError {
        code: Code::Unavailable,
        reason: "STORE_UNAVAILABLE",
        message: "Redis is away".into(),
        remedy: Some("run `shim doctor`".into()),
        retry_after: None,
    }
    .into()
}

async fn submit(client: &mut Client, goal: &str) -> String {
    let submitted = client
        .call_ok(COORDINATE, json!({"action": "submit", "goal": goal}))
        .await;
    submitted["task"]["task_id"].as_str().unwrap().to_owned()
}

async fn claim(client: &mut Client) -> Value {
    client
        .call_ok(WORK, json!({"action": "claim", "wait_seconds": 5}))
        .await
}

#[tokio::test]
async fn a_claim_that_finds_nothing_says_how_to_go_on_waiting() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let none = client
        .call(WORK, json!({"action": "claim", "wait_seconds": 0}))
        .await;
    assert_eq!(none["isError"], false);
    let text = none["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("action=claim again"), "{text}");
    assert!(none["structuredContent"]["task"].is_null());
    assert_eq!(env.stack.live_workers().await.len(), 1);
    client.close().await;
}

#[tokio::test]
async fn a_task_that_comes_while_a_worker_waits_is_taken_at_once() {
    let env = TestEnv::with_coordination().await;
    let (mut lead, mut worker) = (env.connected().await, env.connected().await);
    let waiting = worker.call_ok(WORK, json!({"action": "claim"}));
    let (claimed, id) = tokio::join!(waiting, submit(&mut lead, "write the docs"));
    assert_eq!(claimed["task"]["task_id"], id);
    assert!(lease(&claimed) > 0);
    lead.close().await;
    worker.close().await;
}

#[tokio::test]
async fn reports_need_neither_task_nor_lease_while_the_session_has_one_task() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let (error, text) = client
        .call_refused(WORK, json!({"action": "progress", "progress": 0.5}))
        .await;
    assert_eq!(error["fields"][0]["field"], "task_id");
    assert!(text.contains("claim a task first"), "{text}");
    let id = submit(&mut client, "write the docs").await;
    claim(&mut client).await;
    let reported = json!({"action": "progress", "progress": 0.5, "note": "chapter 2"});
    let reported = client.call_ok(WORK, reported).await;
    assert_eq!(
        (&reported["task"]["progress"], &reported["task"]["note"]),
        (&json!(0.5), &json!("chapter 2"))
    );
    let data = json!({"pages": 3});
    let done = json!({"action": "complete", "result": "written", "data": data});
    let done = client.call_ok(WORK, done).await;
    assert_eq!(done["task"]["state"], "completed");
    let results = json!({"action": "results", "task_id": id});
    let results = client.call_ok("shim_coordinate_task", results).await;
    assert_eq!(results["result"], json!({"text": "written", "data": data}));
    let (error, _) = client
        .call_refused(WORK, json!({"action": "release", "task_id": id}))
        .await;
    assert_eq!(error["fields"][0]["field"], "lease");
    client.close().await;
}

#[tokio::test]
async fn failing_and_giving_back_say_what_becomes_of_the_task() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    submit(&mut client, "write the docs").await;
    claim(&mut client).await;
    let back = json!({"action": "release", "reason": "not mine"});
    assert_eq!(client.call_ok(WORK, back).await["task"]["state"], "ready");
    claim(&mut client).await;
    let fail = json!({"action": "fail", "error": "no source", "final": true});
    let failed = client.call_ok(WORK, fail).await;
    assert_eq!(failed["task"]["state"], "failed");
    assert_eq!(failed["task"]["error"]["message"], "no source");
    client.close().await;
}

#[tokio::test]
async fn the_answer_to_a_claim_that_was_lost_comes_to_light_with_the_next_one() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let id = submit(&mut client, "write the docs").await;
    let late = Status::deadline_exceeded("the answer was lost");
    env.coordination().lose_answer("ClaimTask", late);
    let (error, _) = client.call_refused(WORK, json!({"action": "claim"})).await;
    assert_eq!(error["reason"], "DeadlineExceeded");
    let claimed = claim(&mut client).await;
    assert_eq!(claimed["task"]["task_id"], id);
    let again = claim(&mut client).await;
    assert_eq!(
        (&again["task"]["task_id"], &again["lease"]),
        (&json!(id), &claimed["lease"])
    );
    assert_eq!(env.stack.task(&id).await.attempts, 1);
    client.close().await;
}

#[tokio::test]
async fn a_stale_report_is_refused_and_tells_the_worker_to_stop() {
    let env = TestEnv::with_coordination().await;
    let (mut slow, mut next) = (env.connected().await, env.connected().await);
    let id = submit(&mut slow, "write the docs").await;
    let lost = claim(&mut slow).await;
    env.stack.requeue(&id, lease(&lost)).await;
    let taken = claim(&mut next).await;
    assert_eq!(taken["task"]["task_id"], id);
    assert!(lease(&taken) > lease(&lost));
    let owner = taken["session_id"].as_str().unwrap();
    let (error, text) = slow
        .call_refused(WORK, json!({"action": "complete", "result": "late"}))
        .await;
    assert_eq!(error["reason"], "STALE_LEASE");
    assert!(
        text.contains(&format!("worker {owner} has it now"))
            && text.contains("stop working on this task"),
        "{text}"
    );
    let (error, _) = slow.call_refused(WORK, json!({"action": "release"})).await;
    assert_eq!(error["reason"], "STALE_LEASE", "and again");
    let done =
        json!({"action": "complete", "result": "in time", "task_id": id, "lease": lease(&taken)});
    assert_eq!(next.call_ok(WORK, done).await["task"]["state"], "completed");
    slow.close().await;
    next.close().await;
}

#[tokio::test]
async fn the_checkpoints_of_a_worker_go_to_its_task_and_on_to_the_next_worker() {
    let env = TestEnv::with_coordination().await;
    let (mut first, mut second) = (env.connected().await, env.connected().await);
    let id = submit(&mut first, "port the lexer").await;
    let lost = claim(&mut first).await;
    std::fs::write(env.folder.path().join("lexer.rs"), "half").unwrap();
    let saved = json!({
        "current_task": "port the lexer, strings", "progress": 0.4, "completed_steps": ["numbers"],
        "decisions": ["by hand, for speed"], "next_steps": ["strings"], "active_files": ["lexer.rs"],
    });
    let saved = first.call_ok(SAVE, saved).await;
    assert_eq!(saved["task_id"], id);
    let reports = env.coordination().requests::<ReportProgressRequest>(REPORT);
    let report = &reports[0];
    assert_eq!(report.checkpoint_id, saved["checkpoint"]["checkpoint_id"]);
    assert_eq!(
        (report.progress, report.note.as_str()),
        (0.4, "port the lexer, strings")
    );
    env.stack.requeue(&id, lease(&lost)).await;
    std::fs::write(env.folder.path().join("lexer.rs"), "more than half").unwrap();
    let taken = claim(&mut second).await;
    assert_eq!(
        taken["checkpoint"]["checkpoint_id"],
        saved["checkpoint"]["checkpoint_id"]
    );
    let prompt = taken["resume_prompt"].as_str().unwrap();
    for fact in [
        "by hand, for speed",
        "- numbers",
        "- strings",
        "lexer.rs: CHANGED",
        "Progress: 40 %",
    ] {
        assert!(prompt.contains(fact), "{prompt}");
    }
    assert_ne!(
        taken["session_id"], saved["session_id"],
        "nobody was taken over"
    );

    let late = first.save("port the lexer, comments").await;
    assert!(late["task_id"].is_null());
    assert_eq!(late["notices"][0]["kind"], "task_lost");
    let text = late["notices"][0]["text"].as_str().unwrap();
    assert!(
        text.contains(" has it now") && text.contains("stop working on task"),
        "{text}"
    );
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn a_checkpoint_the_task_did_not_hear_of_is_told_later() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let id = submit(&mut client, "port the lexer").await;
    claim(&mut client).await;
    let service = env.coordination();
    service.set_mode(FaultMode::Refusing(store_unavailable()));
    let saved = client.save("port the lexer").await;
    assert!(env.stack.task(&id).await.checkpoint_id.is_empty());
    service.set_mode(FaultMode::Healthy);
    until(async || !env.stack.task(&id).await.checkpoint_id.is_empty()).await;
    let reported = env.stack.task(&id).await.checkpoint_id;
    assert_eq!(saved["checkpoint"]["checkpoint_id"], reported);
    client.close().await;
}

#[tokio::test]
async fn a_claim_that_was_called_off_leaves_no_task_behind() {
    let env = TestEnv::with_coordination().await;
    let (mut lead, mut worker) = (env.connected().await, env.connected().await);
    let capabilities = json!({"action": "register", "capabilities": ["docs"]});
    worker.call_ok(WORK, capabilities).await;
    let asked = json!({
        "jsonrpc": "2.0", "id": "c", "method": "tools/call",
        "params": {"name": WORK, "arguments": {"action": "claim"}},
    });
    worker.send(&asked).await;
    let service = env.coordination();
    service.until(|link| link.calls("ClaimTask") > 0).await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c", "reason": "esc"},
    });
    worker.send(&cancel).await;
    // Whatever is answered, the cancellation was read before.
    worker.request("ping", json!({})).await;
    let id = submit(&mut lead, "write the docs").await;
    // The claim of the gone call takes the task, and the gateway gives it back.
    service.until(|link| link.calls("ReleaseTask") > 0).await;
    until(async || env.stack.task(&id).await.state() == TaskState::Ready).await;
    assert_eq!(claim(&mut lead).await["task"]["task_id"], id);
    lead.close().await;
    worker.close().await;
}
