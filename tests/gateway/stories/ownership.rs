//! Who owns a session: opened once, adopted when nobody has it, never taken back silently, left in good order.

use serde_json::json;
use shim_proto::checkpoint::v1::attach_session_request::Message;
use shim_proto::checkpoint::v1::*;

use shim_runtime::process;

use shim_gateway_stories::{Client, EnvBuilder, FaultProxy, TestEnv, until};
use shim_runtime::lifecycle::Shutdown;
use tonic::Status;

/// What the gateways said on their streams.
fn said(link: &FaultProxy) -> impl Iterator<Item = Message> {
    let messages = link.requests::<AttachSessionRequest>("AttachSession");
    messages.into_iter().filter_map(|request| request.message)
}

fn heartbeats(link: &FaultProxy) -> usize {
    said(link)
        .filter(|message| matches!(message, Message::Heartbeat(_)))
        .count()
}

fn detach_reasons(link: &FaultProxy) -> Vec<String> {
    let reason = |message| match message {
        Message::Detach(detach) => Some(detach.reason),
        _ => None,
    };
    said(link).filter_map(reason).collect()
}

#[tokio::test]
async fn calls_without_a_session_share_one_and_new_starts_another() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let first = client.save("a").await;
    let second = client.save("b").await;
    assert_eq!(first["session_id"], second["session_id"]);
    assert_eq!(second["checkpoint"]["number"], 2);
    let arguments = json!({"current_task": "c", "progress": 1, "session_id": "new"});
    let other = client.call_ok("shim_auto_checkpoint", arguments).await;
    assert_ne!(other["session_id"], first["session_id"]);
    assert_eq!(client.save("d").await["session_id"], other["session_id"]);
    let arguments = json!({"current_task": "e", "progress": 1, "session_id": first["session_id"]});
    assert_eq!(
        client.call_ok("shim_auto_checkpoint", arguments).await["checkpoint"]["number"],
        3
    );
    client.close().await;
}

#[tokio::test]
async fn a_closed_client_detaches_its_sessions() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    client.save("a").await;
    client.close().await;
    let expected = ["the client closed the connection"];
    assert_eq!(detach_reasons(&env.checkpoint), expected);
    let session = env.stack.sessions().await.remove(0);
    assert_eq!(session.status(), SessionStatus::Interrupted);
    let cause = session.interruption.unwrap().cause();
    assert_eq!(cause, InterruptionCause::ClientClosed);
}

#[tokio::test]
async fn a_client_that_died_takes_no_leave() {
    let env = TestEnv::new().await;
    let mut program = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let dead = process::identity(program.id());
    let mut client = Client::of(env.gateway_for(dead, Shutdown::new()));
    client.initialize().await;
    let saved = client.save("a").await;
    program.kill().unwrap();
    program.wait().unwrap();
    client.close().await;
    let session = env.stack.session(saved["session_id"].as_str().unwrap());
    assert_eq!(session.await.status(), SessionStatus::Active);
    assert!(detach_reasons(&env.checkpoint).is_empty());
}

#[tokio::test]
async fn a_save_whose_answer_was_lost_is_sent_again_and_saved_once() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    client.save("a").await;
    for _ in 0..2 {
        let broken = Status::unavailable("the connection broke");
        env.checkpoint.lose_answer("SaveCheckpoint", broken);
    }
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    assert_eq!(env.checkpoint.calls("SaveCheckpoint"), 4);
    assert_eq!(env.stack.checkpoint_count().await, 2);
    client.close().await;
}

#[tokio::test]
async fn a_service_that_comes_back_gets_its_sessions_back() {
    let mut env = EnvBuilder::new()
        .set("checkpoint.lease", "3s")
        .build()
        .await;
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let id = saved["session_id"].as_str().unwrap().to_owned();
    until(async || env.stack.session(&id).await.attached).await;
    env.checkpoint.kill();
    until(async || !env.stack.session(&id).await.attached).await;
    let before = heartbeats(&env.checkpoint);
    env.checkpoint.resume();
    until(async || env.stack.session(&id).await.attached).await;
    env.checkpoint
        .until(|link| heartbeats(link) >= before + 2)
        .await;
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    assert_eq!(env.stack.session(&id).await.epoch, 1);
    client.close().await;
}

#[tokio::test]
async fn a_session_restored_elsewhere_is_refused_until_it_is_restored_here() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let id = saved["session_id"].as_str().unwrap().to_owned();
    let thief = env.stack.steal(&id).await;
    for _ in 0..2 {
        let arguments = json!({"current_task": "b", "progress": 0.6});
        let (error, text) = client.call_refused("shim_auto_checkpoint", arguments).await;
        assert_eq!(error["reason"], "STALE_OWNER");
        assert!(text.contains("action=restore"), "{text}");
    }
    let (error, text) = client
        .call_refused(
            "shim_check_recovery",
            json!({"action": "restore", "session_id": id}),
        )
        .await;
    assert_eq!(error["reason"], "SESSION_OWNED");
    assert!(
        text.contains("end what holds it") && !text.contains("take_over"),
        "{text}"
    );
    thief.leave().await;
    env.stack
        .until_status(&id, SessionStatus::Interrupted)
        .await;
    client
        .call_ok(
            "shim_check_recovery",
            json!({"action": "restore", "session_id": id}),
        )
        .await;
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    client.close().await;
}

#[tokio::test]
async fn an_interrupted_session_is_adopted_and_a_held_one_is_not() {
    let env = TestEnv::new().await;
    let left = env.stack.add_interrupted(&env.project(), None).await;
    let mut first = env.connected().await;
    let arguments = json!({"current_task": "go on", "progress": 0.6, "session_id": left});
    assert_eq!(
        first
            .call_ok("shim_auto_checkpoint", arguments.clone())
            .await["checkpoint"]["number"],
        2
    );
    assert_eq!(env.stack.session(&left).await.epoch, 2);
    let mut second = env.connected().await;
    let (error, _) = second
        .call_refused("shim_auto_checkpoint", arguments.clone())
        .await;
    assert_eq!(error["reason"], "SESSION_OWNED");
    first.close().await;
    env.stack
        .until_status(&left, SessionStatus::Interrupted)
        .await;
    second.call_ok("shim_auto_checkpoint", arguments).await;
    second.close().await;
}

#[tokio::test]
async fn restoring_picks_the_project_s_session_checks_its_files_and_makes_it_the_default() {
    let env = TestEnv::new().await;
    std::fs::write(env.folder.path().join("parser.rs"), "now").unwrap();
    let file = FileState {
        path: "parser.rs".into(),
        ..FileState::default()
    };
    let left = env.stack.add_interrupted(&env.project(), Some(file)).await;
    env.stack.add_interrupted("/elsewhere", None).await;
    let mut client = env.connected().await;
    let found = client.call_ok("shim_check_recovery", json!({})).await;
    assert_eq!(found["candidates"].as_array().unwrap().len(), 2);
    let back = client
        .call_ok("shim_check_recovery", json!({"action": "restore"}))
        .await;
    assert_eq!(back["session_id"], left);
    let prompt = back["resume_prompt"].as_str().unwrap();
    assert!(prompt.contains("port the parser"), "{prompt}");
    let asked = &env
        .checkpoint
        .requests::<RestoreCheckpointRequest>("RestoreCheckpoint")[0];
    assert_eq!((asked.expected_epoch, asked.take_over), (1, false));
    assert_eq!(asked.current_files[0].presence(), FilePresence::Present);
    assert_eq!(
        asked.current_files[0].blake3,
        blake3::hash(b"now").to_hex().as_str()
    );
    let saved = client.save("go on").await;
    assert_eq!(
        (&saved["session_id"], &saved["checkpoint"]["number"]),
        (&json!(left), &json!(2))
    );
    client.close().await;
}

#[tokio::test]
async fn a_second_chat_of_the_process_can_take_over_what_the_first_one_saved() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let found = client.call_ok("shim_check_recovery", json!({})).await;
    assert_eq!(found["session_id"], saved["session_id"]);
    assert_eq!(found["own_session"]["checkpoints"], 1);
    let arguments = json!({"action": "restore", "session_id": saved["session_id"]});
    client.call_ok("shim_check_recovery", arguments).await;
    let asked = env
        .checkpoint
        .requests::<RestoreCheckpointRequest>("RestoreCheckpoint");
    assert!(asked[0].take_over);
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    client.close().await;
}

#[tokio::test]
async fn with_nothing_of_the_project_to_restore_the_others_are_listed() {
    let env = TestEnv::new().await;
    let other = env.stack.add_interrupted("/elsewhere", None).await;
    let mut client = env.connected().await;
    let (error, text) = client
        .call_refused("shim_check_recovery", json!({"action": "restore"}))
        .await;
    assert_eq!(error["reason"], "NOTHING_TO_RESTORE");
    assert!(text.contains(&other), "{text}");
    client
        .call_ok(
            "shim_check_recovery",
            json!({"action": "dismiss", "session_id": other}),
        )
        .await;
    let found = client
        .call_ok("shim_check_recovery", json!({"action": "detect"}))
        .await;
    assert_eq!(found["candidates"], json!([]));
    client.close().await;
}

#[tokio::test]
async fn files_saved_to_a_session_of_another_project_keep_their_whole_path() {
    let env = TestEnv::new().await;
    let other = env.stack.add_interrupted("/elsewhere", None).await;
    let mut client = env.connected().await;
    let arguments = json!({"action": "restore", "session_id": other});
    client.call_ok("shim_check_recovery", arguments).await;
    let files = json!({"current_task": "t", "progress": 0.1, "active_files": ["a.rs"]});
    let there = client.call_ok("shim_auto_checkpoint", files.clone()).await;
    let whole = env.folder.path().join("a.rs").display().to_string();
    assert_eq!(there["active_files"][0]["path"], whole, "it is not there");
    let mut here = files;
    here["session_id"] = "new".into();
    let here = client.call_ok("shim_auto_checkpoint", here).await;
    assert_eq!(here["active_files"][0]["path"], "a.rs");
    client.close().await;
}
