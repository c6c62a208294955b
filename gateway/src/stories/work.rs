//! A worker's side: tasks are claimed, reported on, handed over with their checkpoints, and lost without harm.

use serde_json::{Value, json};
use shim_proto::coordination::v1::TaskState;

use super::client::{Client, Stage};

const COORDINATE: &str = "shim_coordinate_task";
const WORK: &str = "shim_worker_task";
const SAVE: &str = "shim_auto_checkpoint";

async fn submit(client: &mut Client, goal: &str) -> String {
    let submitted = client
        .done(COORDINATE, json!({"action": "submit", "goal": goal}))
        .await;
    submitted["task"]["task_id"].as_str().unwrap().to_owned()
}

async fn claim(client: &mut Client) -> Value {
    client
        .done(WORK, json!({"action": "claim", "wait_seconds": 5}))
        .await
}

#[tokio::test]
async fn a_claim_that_finds_nothing_says_how_to_go_on_waiting() {
    let stage = Stage::coordinated();
    let mut client = stage.connected().await;
    let none = client
        .call(WORK, json!({"action": "claim", "wait_seconds": 0}))
        .await;
    assert_eq!(none["isError"], false);
    let text = none["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("action=claim again"), "{text}");
    assert!(none["structuredContent"]["task"].is_null());
    assert_eq!(stage.coordination().store.lock().unwrap().workers.len(), 1);
    client.close().await;
}

#[tokio::test]
async fn a_task_that_comes_while_a_worker_waits_is_taken_at_once() {
    let stage = Stage::coordinated();
    let (mut lead, mut worker) = (stage.connected().await, stage.connected().await);
    let waiting = worker.done(WORK, json!({"action": "claim"}));
    let (claimed, id) = tokio::join!(waiting, submit(&mut lead, "write the docs"));
    assert_eq!(claimed["task"]["task_id"], id);
    assert_eq!(claimed["lease"], "1");
    lead.close().await;
    worker.close().await;
}

#[tokio::test]
async fn reports_need_neither_task_nor_lease_while_the_session_has_one_task() {
    let stage = Stage::coordinated();
    let mut client = stage.connected().await;
    let (error, text) = client
        .refused(WORK, json!({"action": "progress", "progress": 0.5}))
        .await;
    assert_eq!(error["fields"][0]["field"], "task_id");
    assert!(text.contains("claim a task first"), "{text}");
    let id = submit(&mut client, "write the docs").await;
    claim(&mut client).await;
    let told = json!({"action": "progress", "progress": 0.5, "note": "chapter 2"});
    let told = client.done(WORK, told).await;
    assert_eq!(
        (&told["task"]["progress"], &told["task"]["note"]),
        (&json!(0.5), &json!("chapter 2"))
    );
    let data = json!({"pages": 3});
    let done = json!({"action": "complete", "result": "written", "data": data});
    let done = client.done(WORK, done).await;
    assert_eq!(done["task"]["state"], "completed");
    assert_eq!(
        done["task"]["result"],
        json!({"text": "written", "truncated": false, "data": data})
    );
    let (error, _) = client
        .refused(WORK, json!({"action": "release", "task_id": id}))
        .await;
    assert_eq!(error["fields"][0]["field"], "lease");
    client.close().await;
}

#[tokio::test]
async fn failing_and_giving_back_say_what_becomes_of_the_task() {
    let stage = Stage::coordinated();
    let mut client = stage.connected().await;
    submit(&mut client, "write the docs").await;
    claim(&mut client).await;
    let back = json!({"action": "release", "reason": "not mine"});
    assert_eq!(client.done(WORK, back).await["task"]["state"], "ready");
    claim(&mut client).await;
    let fail = json!({"action": "fail", "error": "no source", "final": true});
    let failed = client.done(WORK, fail).await;
    assert_eq!(failed["task"]["state"], "failed");
    assert_eq!(failed["task"]["error"]["message"], "no source");
    client.close().await;
}

#[tokio::test]
async fn the_answer_to_a_claim_that_was_lost_comes_to_light_with_the_next_one() {
    let stage = Stage::coordinated();
    let mut client = stage.connected().await;
    let id = submit(&mut client, "write the docs").await;
    stage.coordination().store.lock().unwrap().tasks.lose_claims = 1;
    let (error, _) = client.refused(WORK, json!({"action": "claim"})).await;
    assert_eq!(error["reason"], "DeadlineExceeded");
    let claimed = claim(&mut client).await;
    assert_eq!(claimed["task"]["task_id"], id);
    let again = claim(&mut client).await;
    assert_eq!(
        (&again["task"]["task_id"], &again["lease"]),
        (&json!(id), &json!("1"))
    );
    client.close().await;
}

#[tokio::test]
async fn a_stale_report_is_refused_and_tells_the_worker_to_stop() {
    let stage = Stage::coordinated();
    let (mut slow, mut next) = (stage.connected().await, stage.connected().await);
    let id = submit(&mut slow, "write the docs").await;
    claim(&mut slow).await;
    let service = stage.coordination();
    service.store.lock().unwrap().tasks.requeue(&id);
    let taken = claim(&mut next).await;
    assert_eq!(
        (&taken["task"]["task_id"], &taken["lease"]),
        (&json!(id), &json!("2"))
    );
    let (error, text) = slow
        .refused(WORK, json!({"action": "complete", "result": "late"}))
        .await;
    assert_eq!(error["reason"], "STALE_LEASE");
    assert!(
        text.contains("given to another worker") && text.contains("stop working on this task"),
        "{text}"
    );
    let (error, _) = slow.refused(WORK, json!({"action": "release"})).await;
    assert_eq!(
        error["fields"][0]["field"], "task_id",
        "it is forgotten here"
    );
    let done = json!({"action": "complete", "result": "in time", "task_id": id, "lease": 2});
    assert_eq!(next.done(WORK, done).await["task"]["state"], "completed");
    slow.close().await;
    next.close().await;
}

#[tokio::test]
async fn the_checkpoints_of_a_worker_go_to_its_task_and_on_to_the_next_worker() {
    let stage = Stage::coordinated();
    let (mut first, mut second) = (stage.connected().await, stage.connected().await);
    let id = submit(&mut first, "port the lexer").await;
    claim(&mut first).await;
    std::fs::write(stage.folder.path().join("lexer.rs"), "half").unwrap();
    let saved = json!({
        "current_task": "port the lexer, strings", "progress": 0.4, "completed_steps": ["numbers"],
        "decisions": ["by hand, for speed"], "next_steps": ["strings"], "active_files": ["lexer.rs"],
    });
    let saved = first.done(SAVE, saved).await;
    assert_eq!(saved["task_id"], id);
    let service = stage.coordination();
    {
        let mut store = service.store.lock().unwrap();
        let report = store.tasks.reports[0].clone();
        assert_eq!(report.checkpoint_id, saved["checkpoint"]["checkpoint_id"]);
        assert_eq!(
            (report.progress, report.note.as_str()),
            (0.4, "port the lexer, strings")
        );
        store.tasks.requeue(&id);
    }
    std::fs::write(stage.folder.path().join("lexer.rs"), "more than half").unwrap();
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
        "lexer.rs: CHANGED since",
        "40 % done",
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
        text.contains("given to another worker") && text.contains("stop working on task"),
        "{text}"
    );
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn a_checkpoint_the_task_did_not_hear_of_is_told_later() {
    let stage = Stage::coordinated();
    let mut client = stage.connected().await;
    submit(&mut client, "port the lexer").await;
    claim(&mut client).await;
    let service = stage.coordination();
    service.is(super::coordination::Mood::StoreAway);
    let saved = client.save("port the lexer").await;
    assert!(service.store.lock().unwrap().tasks.reports.is_empty());
    service.is(super::coordination::Mood::Well);
    service.until(|store| !store.tasks.reports.is_empty()).await;
    let told = service.store.lock().unwrap().tasks.reports[0]
        .checkpoint_id
        .clone();
    assert_eq!(saved["checkpoint"]["checkpoint_id"], told);
    client.close().await;
}

#[tokio::test]
async fn a_claim_that_was_called_off_leaves_no_task_behind() {
    let stage = Stage::coordinated();
    let (mut lead, mut worker) = (stage.connected().await, stage.connected().await);
    let capabilities = json!({"action": "register", "capabilities": ["docs"]});
    worker.done(WORK, capabilities).await;
    let asked = json!({
        "jsonrpc": "2.0", "id": "c", "method": "tools/call",
        "params": {"name": WORK, "arguments": {"action": "claim"}},
    });
    worker.say(&asked).await;
    let service = stage.coordination();
    service.until(|store| store.tasks.claimers > 0).await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c", "reason": "esc"},
    });
    worker.say(&cancel).await;
    // Whatever is answered, the cancellation was read before.
    worker.ask("ping", json!({})).await;
    let id = submit(&mut lead, "write the docs").await;
    let given_back = |store: &super::coordination::Store| {
        store.tasks.all[0].attempts == 1 && store.tasks.all[0].state() == TaskState::Ready
    };
    service.until(given_back).await;
    assert_eq!(claim(&mut lead).await["task"]["task_id"], id);
    lead.close().await;
    worker.close().await;
}
