//! Who owns a session: opened once, adopted when nobody has it, never taken back silently, left in good order.

use serde_json::json;
use shim_proto::checkpoint::v1::{FilePresence, FileState, SessionStatus};

use shim_runtime::process;

use super::client::{Client, TestEnv};

#[tokio::test]
async fn calls_without_a_session_share_one_and_new_starts_another() {
    let env = TestEnv::new();
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
    let env = TestEnv::new();
    let mut client = env.connected().await;
    client.save("a").await;
    client.close().await;
    let detach_reasons = env.service.store.lock().unwrap().detach_reasons.clone();
    assert_eq!(detach_reasons, ["the client closed the connection"]);
}

#[tokio::test]
async fn a_client_that_died_takes_no_leave() {
    let env = TestEnv::new();
    let mut program = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let dead = process::identity(program.id());
    let mut client = Client::of(env.gateway_for(dead));
    client.initialize().await;
    let saved = client.save("a").await;
    program.kill().unwrap();
    program.wait().unwrap();
    client.close().await;
    let store = env.service.store.lock().unwrap();
    let session = &store.sessions[saved["session_id"].as_str().unwrap()];
    assert!(store.detach_reasons.is_empty() && session.status() == SessionStatus::Active);
}

#[tokio::test]
async fn a_save_whose_answer_was_lost_is_sent_again_and_saved_once() {
    let env = TestEnv::new();
    let mut client = env.connected().await;
    client.save("a").await;
    env.service.store.lock().unwrap().lose_answers = 2;
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    assert_eq!(env.service.store.lock().unwrap().checkpoints.len(), 2);
    client.close().await;
}

#[tokio::test]
async fn a_service_that_comes_back_gets_its_sessions_back() {
    let mut env = TestEnv::new();
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let id = saved["session_id"].as_str().unwrap().to_owned();
    env.service.kill();
    env.service
        .store
        .lock()
        .unwrap()
        .sessions
        .get_mut(&id)
        .unwrap()
        .attached = false;
    env.service.resume();
    env.service
        .until(|store| store.sessions[&id].attached && store.heartbeats >= 2)
        .await;
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    assert_eq!(env.service.store.lock().unwrap().sessions[&id].epoch, 1);
    client.close().await;
}

#[tokio::test]
async fn a_session_restored_elsewhere_is_refused_until_it_is_restored_here() {
    let env = TestEnv::new();
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let id = saved["session_id"].as_str().unwrap().to_owned();
    env.service.steal(&id).await;
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
        text.contains("close the client") && !text.contains("take_over"),
        "{text}"
    );
    env.service
        .store
        .lock()
        .unwrap()
        .sessions
        .get_mut(&id)
        .unwrap()
        .set_status(SessionStatus::Interrupted);
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
    let env = TestEnv::new();
    let left = env
        .service
        .add_interrupted(&env.project(), FileState::default());
    let mut first = env.connected().await;
    let arguments = json!({"current_task": "go on", "progress": 0.6, "session_id": left});
    assert_eq!(
        first
            .call_ok("shim_auto_checkpoint", arguments.clone())
            .await["checkpoint"]["number"],
        2
    );
    assert_eq!(env.service.store.lock().unwrap().sessions[&left].epoch, 2);
    let mut second = env.connected().await;
    let (error, _) = second
        .call_refused("shim_auto_checkpoint", arguments.clone())
        .await;
    assert_eq!(error["reason"], "SESSION_OWNED");
    first.close().await;
    env.service
        .until(|store| store.sessions[&left].status() == SessionStatus::Interrupted)
        .await;
    second.call_ok("shim_auto_checkpoint", arguments).await;
    second.close().await;
}

#[tokio::test]
async fn restoring_picks_the_project_s_session_checks_its_files_and_makes_it_the_default() {
    let env = TestEnv::new();
    std::fs::write(env.folder.path().join("parser.rs"), "now").unwrap();
    let file = FileState {
        path: "parser.rs".into(),
        ..FileState::default()
    };
    let left = env.service.add_interrupted(&env.project(), file);
    env.service
        .add_interrupted("/elsewhere", FileState::default());
    let mut client = env.connected().await;
    let found = client.call_ok("shim_check_recovery", json!({})).await;
    assert_eq!(found["candidates"].as_array().unwrap().len(), 2);
    let back = client
        .call_ok("shim_check_recovery", json!({"action": "restore"}))
        .await;
    assert_eq!(back["session_id"], left);
    assert_eq!(back["resume_prompt"], "Goal: port the parser");
    let asked = env.service.store.lock().unwrap().restores[0].clone();
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
    let env = TestEnv::new();
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let found = client.call_ok("shim_check_recovery", json!({})).await;
    assert_eq!(found["own_session"]["session_id"], saved["session_id"]);
    let arguments = json!({"action": "restore", "session_id": saved["session_id"]});
    client.call_ok("shim_check_recovery", arguments).await;
    assert!(env.service.store.lock().unwrap().restores[0].take_over);
    assert_eq!(client.save("b").await["checkpoint"]["number"], 2);
    client.close().await;
}

#[tokio::test]
async fn with_nothing_of_the_project_to_restore_the_others_are_listed() {
    let env = TestEnv::new();
    let other = env
        .service
        .add_interrupted("/elsewhere", FileState::default());
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
    let env = TestEnv::new();
    let other = env
        .service
        .add_interrupted("/elsewhere", FileState::default());
    let mut client = env.connected().await;
    let arguments = json!({"action": "restore", "session_id": other});
    client.call_ok("shim_check_recovery", arguments).await;
    let files = json!({"current_task": "t", "progress": 0.1, "active_files": ["a.rs"]});
    let there = client.call_ok("shim_auto_checkpoint", files.clone()).await;
    let whole = env.folder.path().join("a.rs").display().to_string();
    assert_eq!(there["active_files"][0]["path"], whole);
    let mut here = files;
    here["session_id"] = "new".into();
    let here = client.call_ok("shim_auto_checkpoint", here).await;
    assert_eq!(here["active_files"][0]["path"], "a.rs");
    client.close().await;
}
