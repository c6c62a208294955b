//! A supervisor's side: a job is submitted, followed, decided about, and its results are gathered.

use serde_json::{Value, json};
use shim_proto::coordination::v1::SubmitTaskRequest;

use shim_gateway_stories::{Client, EnvBuilder, TestEnv, until, within};

const COORDINATE: &str = "shim_coordinate_task";
const WORK: &str = "shim_worker_task";
const STATUS: &str = "shim_session_status";

async fn submit(client: &mut Client, more: Value) -> Value {
    let mut arguments = json!({"action": "submit", "goal": "port the parser"});
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    client.call_ok(COORDINATE, arguments).await
}

fn task_id(answer: &Value) -> String {
    answer["task"]["task_id"].as_str().unwrap().to_owned()
}

/// Claims a task and completes it.
async fn do_one(worker: &mut Client, result: &str) -> Value {
    let claimed = worker
        .call_ok(WORK, json!({"action": "claim", "wait_seconds": 5}))
        .await;
    let done = json!({"action": "complete", "result": result});
    worker.call_ok(WORK, done).await;
    claimed
}

/// The text of the notice about the job: in this answer, or in the next ones, since the notice travels on its own.
async fn task_notice(lead: &mut Client, mut answer: Value) -> String {
    within(async {
        loop {
            if answer["notices"][0]["kind"] == "task" {
                return answer["notices"][0]["text"].as_str().unwrap().to_owned();
            }
            answer = lead.call_ok("shim_session_status", json!({})).await;
        }
    })
    .await
}

#[tokio::test]
async fn two_windows_share_a_job_with_nothing_but_the_tools() {
    let env = TestEnv::with_coordination().await;
    let (mut lead, mut worker) = (env.connected().await, env.connected().await);
    let parts = json!([
        {"id": "lexer", "goal": "port the lexer", "files": ["src/lexer.rs"]},
        {"id": "grammar", "goal": "port the grammar", "after": ["lexer"]},
    ]);
    let arguments = json!({"action": "submit", "goal": "port the parser", "subtasks": parts});
    let submitted = lead.call(COORDINATE, arguments).await;
    let text = submitted["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("lexer | ready | 0 % | - | port the lexer |")
            && text.contains("grammar | pending | 0 % | - | after lexer |")
            && text.contains("no worker lives now"),
        "{text}"
    );
    let job = task_id(&submitted["structuredContent"]);

    let first = do_one(&mut worker, "the lexer is ported").await;
    assert_eq!(first["task"]["id"], "lexer");
    assert_eq!(first["task"]["files"], json!(["src/lexer.rs"]));
    assert_eq!(first["job"]["goal"], "port the parser");
    let second = do_one(&mut worker, "the grammar, too").await;
    assert_eq!(second["task"]["id"], "grammar");
    assert_eq!(
        second["results_before"][0]["result"]["text"],
        "the lexer is ported"
    );

    let waited = lead
        .call_ok(COORDINATE, json!({"action": "wait", "task_id": job}))
        .await;
    assert_eq!(waited["ended"], true);
    assert_eq!(waited["task"]["state"], "completed");
    let news = task_notice(&mut lead, waited).await;
    assert!(
        news.starts_with(&format!("job {job} completed: port the parser"))
            && news.contains("action=results"),
        "{news}"
    );
    let results = lead
        .call_ok(COORDINATE, json!({"action": "results", "task_id": job}))
        .await;
    assert_eq!(
        results["result"]["text"],
        "the lexer is ported\n\nthe grammar, too"
    );
    assert_eq!(
        (&results["complete"], &results["missing"]),
        (&json!(true), &json!([]))
    );
    lead.close().await;
    worker.close().await;
}

#[tokio::test]
async fn what_was_said_arrives_as_the_contract_has_it() {
    let env = TestEnv::with_coordination().await;
    std::fs::create_dir_all(env.folder.path().join(".git")).unwrap();
    std::fs::write(env.folder.path().join("a.rs"), "hello").unwrap();
    let mut client = env.connected().await;
    let submitted = submit(
        &mut client,
        json!({
            "files": ["a.rs", "src/**"], "steps": ["read", "write"], "requirements": ["rust"], "executor": "agent",
            "priority": 3, "delay_seconds": 60, "deadline_seconds": 600, "timeout_seconds": 30, "max_attempts": 5,
            "on_failure": "continue", "merge": "last", "strategy": "capability", "approval": "both",
            "payload": {"deep": [1, {"x": null}]}, "split": "never",
        }),
    )
    .await;
    let sent = env
        .coordination()
        .requests::<SubmitTaskRequest>("SubmitTask")
        .remove(0);
    assert_eq!(sent.submitted_by, submitted["session_id"]);
    let files: Vec<_> = sent
        .files
        .iter()
        .map(|f| (f.path.as_str(), f.size_bytes))
        .collect();
    assert_eq!(files, [("a.rs", 5), ("src/**", 0)]);
    let root = env.folder.path().canonicalize().unwrap();
    assert_eq!(sent.workspace, root.to_str().unwrap());
    let requirements = sent.requirements.clone().unwrap();
    assert_eq!(
        (requirements.capabilities.as_slice(), requirements.executor),
        (["rust".to_owned()].as_slice(), 2)
    );
    assert_eq!(
        (
            sent.priority,
            sent.max_attempts,
            sent.on_failure,
            sent.merge,
            sent.strategy,
            sent.split
        ),
        (3, 5, 2, 4, 3, 2)
    );
    assert_eq!(
        (sent.delay.unwrap().seconds, sent.timeout.unwrap().seconds),
        (60, 30)
    );
    let left = sent.deadline.unwrap().seconds
        - prost_types::Timestamp::from(std::time::SystemTime::now()).seconds;
    assert!((590..=600).contains(&left), "{left}");
    assert!(sent.approval.unwrap().before_start && sent.approval.unwrap().before_result);
    assert_eq!(
        submitted["task"]["payload"],
        json!({"deep": [1, {"x": null}]})
    );
    submit(&mut client, json!({"schedule": "0 6 * * 1"})).await;
    let sent = env
        .coordination()
        .requests::<SubmitTaskRequest>("SubmitTask");
    assert_eq!(sent[1].schedule, "0 6 * * 1");
    client.close().await;
}

#[tokio::test]
async fn waiting_goes_on_from_its_cursor_and_tells_what_needs_somebody() {
    let env = EnvBuilder::with_coordination()
        .set("tasks.stuck_after", "1s")
        .build()
        .await;
    let (mut lead, mut worker) = (env.connected().await, env.connected().await);
    let job = task_id(&submit(&mut lead, json!({"subtasks": [{"id": "a", "goal": "a"}]})).await);
    let wait = |cursor: &Value, seconds: u64| json!({"action": "wait", "task_id": job, "cursor": cursor, "wait_seconds": seconds});
    let first = lead.call_ok(COORDINATE, wait(&Value::Null, 0)).await;
    assert_eq!(
        (&first["ended"], &first["events"][0]["kind"]),
        (&json!(false), &json!("submitted"))
    );
    let again = lead.call(COORDINATE, wait(&first["cursor"], 0)).await;
    let text = again["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("Still waiting") && text.contains("action=wait with this cursor"),
        "{text}"
    );
    assert_eq!(again["structuredContent"]["cursor"], first["cursor"]);
    let claimed = worker.call_ok(WORK, json!({"action": "claim"})).await;
    assert_eq!(claimed["task"]["id"], "a");
    let stuck_event = |waited: &Value| {
        let mut events = waited["events"].as_array().unwrap().iter();
        events.find(|event| event["kind"] == "stuck").cloned()
    };
    let mut waited = first;
    let stuck = within(async {
        loop {
            waited = lead.call_ok(COORDINATE, wait(&waited["cursor"], 5)).await;
            if let Some(stuck) = stuck_event(&waited) {
                return stuck;
            }
        }
    });
    assert_eq!(stuck.await["id"], "a");
    assert_eq!(waited["ended"], false);
    lead.close().await;
    worker.close().await;
}

#[tokio::test]
async fn decisions_about_a_job_are_carried_out_and_their_limits_told() {
    let env = TestEnv::with_coordination().await;
    let mut lead = env.connected().await;
    let gated = submit(&mut lead, json!({"approval": "start"})).await;
    assert_eq!(gated["task"]["state"], "awaiting_approval");
    let on = |action: &str, id: &str| json!({"action": action, "task_id": id});
    let id = task_id(&gated);
    let approved = lead.call_ok(COORDINATE, on("approve", &id)).await;
    assert_eq!(approved["task"]["state"], "ready");
    let (error, text) = lead.call_refused(COORDINATE, on("approve", &id)).await;
    assert_eq!(error["reason"], "TASK_NOT_AWAITING_APPROVAL");
    assert!(text.contains("action=status"), "{text}");
    let (error, _) = lead.call_refused(COORDINATE, on("retry", &id)).await;
    assert_eq!(error["reason"], "TASK_NOT_RETRYABLE");
    let cancelled = lead.call_ok(COORDINATE, on("cancel", &id)).await;
    assert_eq!(
        (&cancelled["changed"], &cancelled["task"]["state"]),
        (&json!(1), &json!("cancelled"))
    );
    assert_eq!(
        lead.call_ok(COORDINATE, on("cancel", &id)).await["changed"],
        0
    );
    let retried = lead.call_ok(COORDINATE, on("retry", &id)).await;
    assert_eq!(retried["task"]["state"], "ready");
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for action in ["status", "wait", "results", "cancel"] {
        let (error, text) = lead.call_refused(COORDINATE, on(action, unknown)).await;
        assert_eq!(error["reason"], "TASK_NOT_FOUND");
        assert!(text.contains("view=tasks"), "{text}");
    }
    lead.close().await;
}

#[tokio::test]
async fn jobs_parts_queues_and_busy_workers_can_be_looked_at() {
    let env = TestEnv::with_coordination().await;
    let (mut lead, mut worker) = (env.connected().await, env.connected().await);
    let parts = json!({"subtasks": [{"id": "a", "goal": "do a"}, {"id": "b", "goal": "do b"}]});
    let job = task_id(&submit(&mut lead, parts).await);
    let queue = lead.call(STATUS, json!({"view": "queue"})).await;
    let text = queue["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("any worker | 2 | 0 | 0 |") && text.contains("Starving"),
        "{text}"
    );
    assert_eq!(
        queue["structuredContent"]["queue"]["queues"][0]["waiting"],
        2
    );

    let claimed = worker
        .call_ok(WORK, json!({"action": "claim", "capabilities": ["rust"]}))
        .await;
    let is_busy = async || {
        let workers = env.stack.live_workers().await;
        workers.iter().any(|worker| worker.running == 1)
    };
    until(is_busy).await;
    let workers = lead.call(STATUS, json!({"view": "workers"})).await;
    let text = workers["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("1/1 running, can: rust") && text.contains("at do a (0 % done)"),
        "{text}"
    );
    assert_eq!(
        workers["structuredContent"]["workers"][0]["tasks"][0]["task_id"],
        claimed["task"]["task_id"]
    );

    let jobs = lead.call(STATUS, json!({"view": "tasks"})).await;
    let text = jobs["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("\"port the parser\" | running | 0 % | 0/2 | 50 |"),
        "{text}"
    );
    let tree = lead
        .call(STATUS, json!({"view": "tasks", "query": job}))
        .await;
    let text = tree["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("a | running | 0 % | story in"), "{text}");
    assert_eq!(tree["structuredContent"]["subtasks"][1]["state"], "ready");
    let uri = json!({"uri": format!("shim://tasks/{job}")});
    let read = lead.request("resources/read", uri).await;
    let read = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(read.contains("\"goal\": \"port the parser\""), "{read}");
    lead.close().await;
    worker.close().await;
}

#[tokio::test]
async fn a_wait_for_a_service_that_dies_says_so_and_its_cursor_stays_good() {
    let mut env = TestEnv::with_coordination().await;
    let mut lead = env.connected().await;
    let job = task_id(&submit(&mut lead, json!({})).await);
    let wait = |cursor: &Value| json!({"action": "wait", "task_id": job, "cursor": cursor, "wait_seconds": 1});
    let first = lead.call_ok(COORDINATE, wait(&Value::Null)).await;
    let (error, text) = {
        let kill = async {
            env.coordination()
                .until(|link| link.calls("WatchTask") > 1)
                .await;
            env.kill_coordination();
        };
        tokio::join!(lead.call_refused(COORDINATE, wait(&first["cursor"])), kill).0
    };
    assert_eq!(error["reason"], "Unavailable");
    assert!(text.contains("try again in a moment"), "{text}");
    lead.close().await;
}
