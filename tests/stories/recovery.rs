//! The story SHIM exists for: a client and its gateway die in the middle of work, and the work comes back.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, EndSessionRequest, Session};
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::service_error::decode;
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::python::SdkClient;
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use shim_tests::{calls, process};

const SAVE: &str = "shim_auto_checkpoint";
const RECOVER: &str = "shim_check_recovery";

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(arguments);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A project with history and three files in use.
fn project_under_git(temp: &TempEnv) {
    let project = temp.project();
    for (name, text) in [
        ("parser.rs", "fn parse() {}\n"),
        ("lexer.rs", "fn lex() {}\n"),
        ("plan.md", "# plan\n"),
    ] {
        std::fs::write(project.join(name), text).unwrap();
    }
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "begin"]);
}

/// Saves twice; the first save's step is finished by the second. Returns the session's id.
async fn work(client: &mut SdkClient) -> String {
    let first = json!({
        "current_task": "write a parser", "progress": 0.2, "active_files": ["parser.rs", "lexer.rs", "plan.md"],
        "decisions": ["recursive descent"], "next_steps": ["write the lexer", "write the parser"],
    });
    client.call(SAVE, first).await;
    let second = json!({
        "current_task": "write a parser", "progress": 0.6, "active_files": ["parser.rs", "lexer.rs", "plan.md"],
        "completed_steps": ["write the lexer"], "next_steps": ["write the parser"], "trigger": "milestone",
    });
    let saved = client.call(SAVE, second).await;
    assert_eq!(
        saved["structuredContent"]["checkpoint"]["number"], 2,
        "{saved}"
    );
    saved["structuredContent"]["session_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The stack's own gRPC door.
fn checkpoint_client(temp: &TempEnv) -> CheckpointServiceClient<Channel> {
    let endpoint = Endpoint::Unix(temp.stack().socket());
    CheckpointServiceClient::new(connect(&endpoint, None).unwrap())
}

async fn candidates(gateway: &mut Gateway) -> Vec<Value> {
    let detected = gateway.call(RECOVER, json!({"action": "detect"})).await;
    detected["structuredContent"]["candidates"]
        .as_array()
        .unwrap_or_else(|| panic!("{detected}"))
        .clone()
}

/// Asks until the session is a candidate: the loss is noticed at once, but not before it happened.
async fn candidate(gateway: &mut Gateway, session_id: &str) -> Value {
    for _ in 0..200 {
        if let Some(found) = candidates(gateway)
            .await
            .into_iter()
            .find(|found| found["session_id"] == session_id)
        {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("session {session_id} was not found for recovery");
}

fn verdict<'a>(claims: &'a [Value], subject: &str) -> &'a str {
    let about = claims
        .iter()
        .find(|claim| claim["subject"].as_str().unwrap().ends_with(subject));
    about.unwrap_or_else(|| panic!("nothing is claimed of {subject}: {claims:?}"))["verdict"]
        .as_str()
        .unwrap()
}

#[tokio::test]
async fn work_killed_in_the_middle_comes_back() {
    let temp = TempEnv::new();
    project_under_git(&temp);
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut client = SdkClient::open(&launch, "legacy").await;
    let session_id = work(&mut client).await;

    // Kill both with a save under way.
    let files = ["parser.rs", "lexer.rs", "plan.md"];
    let third = json!({
        "current_task": "write a parser", "progress": 0.7, "active_files": files, "next_steps": ["write the parser"],
    });
    client
        .send(&json!({"do": "call", "name": SAVE, "arguments": third}))
        .await;
    for gateway in process::children(client.pid()) {
        process::signal(gateway, nix::sys::signal::Signal::SIGKILL);
    }
    client.kill().await;
    std::fs::write(
        temp.project().join("parser.rs"),
        "fn parse() { /* changed since */ }\n",
    )
    .unwrap();
    std::fs::remove_file(temp.project().join("plan.md")).unwrap();
    git(&temp.project(), &["commit", "-q", "-a", "-m", "go on"]);

    let mut gateway = launch.open().await;
    let found = candidate(&mut gateway, &session_id).await;
    assert_eq!(found["interruption"]["cause"], "killed", "{found}");
    assert!(
        found["interruption"]["confidence"].as_f64().unwrap() > 0.5,
        "{found}"
    );
    assert!(found["confidence"].as_f64().unwrap() > 0.5, "{found}");
    assert_eq!(found["same_project"], json!(true), "{found}");
    assert_eq!(
        found["next_steps"],
        json!(["write the parser"]),
        "what is finished is not proposed again: {found}"
    );

    let restored = gateway
        .call(
            RECOVER,
            json!({"action": "restore", "session_id": session_id}),
        )
        .await;
    assert_ne!(restored["isError"], json!(true), "{restored}");
    let facts = &restored["structuredContent"];
    let claims = facts["claims"].as_array().unwrap();
    for (subject, expected) in [
        ("lexer.rs", "unchanged"),
        ("parser.rs", "changed"),
        ("plan.md", "missing"),
        ("HEAD", "changed"),
    ] {
        assert_eq!(verdict(claims, subject), expected, "{subject}: {claims:?}");
    }
    assert_eq!(verdict(claims, "write the lexer"), "done");
    assert_eq!(verdict(claims, "write the parser"), "open");
    let prompt = restored["content"][0]["text"].as_str().unwrap();
    for fact in [
        "write a parser",
        "recursive descent",
        "parser.rs",
        "plan.md",
    ] {
        assert!(prompt.contains(fact), "{fact}: {prompt}");
    }
    assert_eq!(facts["session_id"], json!(session_id), "{facts}");

    let old_owner = Session {
        id: session_id.clone(),
        epoch: 1,
        ..Session::default()
    };
    let late = CheckpointState {
        current_task: "too late".into(),
        ..CheckpointState::default()
    };
    let refusal = calls::save(&mut checkpoint_client(&temp), &old_owner, late)
        .await
        .expect_err("the old owner lost it");
    assert_eq!(decode(&refusal).reason, "STALE_OWNER", "{refusal}");

    let go_on = json!({"current_task": "write a parser", "progress": 1.0, "completed_steps": ["write the parser"]});
    let saved = gateway.call(SAVE, go_on).await;
    assert_eq!(
        saved["structuredContent"]["session_id"],
        json!(session_id),
        "the restored session goes on: {saved}"
    );
}

#[tokio::test]
async fn finished_and_dismissed_work_is_not_proposed_again() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let save = |task: &str| json!({"current_task": task, "progress": 0.5, "next_steps": ["go on"]});
    let mut sessions = Vec::new();
    for task in ["to be finished", "to be dismissed", "to be left"] {
        let mut gateway = launch.open().await;
        let saved = gateway.call(SAVE, save(task)).await;
        sessions.push(
            saved["structuredContent"]["session_id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        if task == "to be finished" {
            let request = EndSessionRequest {
                request_id: calls::request_id(),
                session_id: sessions[0].clone(),
                epoch: 1,
                ..Default::default()
            };
            checkpoint_client(&temp).end_session(request).await.unwrap();
        }
        gateway.kill().await;
    }
    let mut gateway = launch.open().await;
    candidate(&mut gateway, &sessions[1]).await;
    gateway
        .call(
            RECOVER,
            json!({"action": "dismiss", "session_id": sessions[1]}),
        )
        .await;
    candidate(&mut gateway, &sessions[2]).await;
    let proposed: Vec<_> = candidates(&mut gateway)
        .await
        .iter()
        .map(|found| found["session_id"].clone())
        .collect();
    assert_eq!(proposed, [json!(sessions[2])]);
}

#[tokio::test]
async fn work_whose_steps_are_all_done_is_not_proposed_again() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut first = launch.open().await;
    let done =
        json!({"current_task": "all of it", "progress": 1.0, "completed_steps": ["all of it"]});
    let saved = first.call(SAVE, done).await;
    let mut open = launch.open().await;
    let going_on =
        json!({"current_task": "half of it", "progress": 0.5, "next_steps": ["the rest"]});
    let left = open.call(SAVE, going_on).await["structuredContent"]["session_id"].clone();
    first.kill().await;
    open.kill().await;
    let mut gateway = launch.open().await;
    candidate(&mut gateway, left.as_str().unwrap()).await;
    let finished = &saved["structuredContent"]["session_id"];
    assert!(
        candidates(&mut gateway)
            .await
            .iter()
            .all(|found| found["session_id"] != *finished)
    );
}

/// A frozen owner misses its lease; thawed, it must not write over the one who took its place.
#[tokio::test]
async fn an_owner_that_wakes_up_late_is_refused() {
    let temp = TempEnv::new();
    // Heartbeats come every 5 s.
    let service = Launch::checkpoint(&temp.data_dir())
        .env("SHIM_CHECKPOINT_LEASE", "7s")
        .start()
        .await
        .unwrap();
    let launch =
        GatewayLaunch::new(&temp.data_dir(), &temp.project()).with_service(service.socket());
    let save = |task: &str| json!({"current_task": task, "progress": 0.5, "next_steps": ["go on"]});
    let mut sleeper = launch.open().await;
    let saved = sleeper.call(SAVE, save("fall asleep")).await;
    let session_id = saved["structuredContent"]["session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    sleeper.freeze();

    let mut successor = launch.open().await;
    let found = candidate(&mut successor, &session_id).await;
    assert_eq!(found["interruption"]["cause"], "lease_expired", "{found}");
    let restored = successor
        .call(
            RECOVER,
            json!({"action": "restore", "session_id": session_id}),
        )
        .await;
    assert_ne!(restored["isError"], json!(true), "{restored}");

    sleeper.thaw();
    let late = sleeper.call(SAVE, save("as if nothing had happened")).await;
    assert_eq!(late["isError"], json!(true), "{late}");
    let text = late["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("restore"),
        "it says what happened and what to do: {text}"
    );
    assert_sees_only(&service, &session_id, &["fall asleep"]).await;
    let saved = successor.call(SAVE, save("go on")).await;
    assert_eq!(
        saved["structuredContent"]["checkpoint"]["number"], 2,
        "{saved}"
    );
}

async fn assert_sees_only(service: &Service, session_id: &str, tasks: &[&str]) {
    let history = calls::history(&mut service.client(), session_id, 0)
        .await
        .unwrap();
    let seen: Vec<_> = history
        .checkpoints
        .iter()
        .map(|checkpoint| checkpoint.current_task.as_str())
        .collect();
    assert_eq!(seen, tasks);
}

#[tokio::test]
async fn a_client_that_hangs_up_in_good_order_is_told_apart_from_a_killed_one() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut leaving = launch.open().await;
    let save = json!({"current_task": "leave", "progress": 0.5, "next_steps": ["come back"]});
    let saved = leaving.call(SAVE, save).await;
    leaving.close().await;
    let mut gateway = launch.open().await;
    let found = candidate(
        &mut gateway,
        saved["structuredContent"]["session_id"].as_str().unwrap(),
    )
    .await;
    assert_eq!(found["interruption"]["cause"], "client_closed", "{found}");
}
