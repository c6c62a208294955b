//! Sessions as workers: registered, kept alive, found and reached by others, and gone in good order.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use serde_json::{Value, json};
use shim_proto::coordination::v1::{FileLease, FileLeaseMode};
use shim_runtime::process;

use super::client::{Client, TestEnv};

const WORK: &str = "shim_worker_task";

async fn register(client: &mut Client, capabilities: &[&str]) -> Value {
    let arguments = json!({"action": "register", "capabilities": capabilities});
    client.call_ok(WORK, arguments).await
}

#[tokio::test]
async fn a_registered_session_is_listed_kept_alive_and_leaves_in_good_order() {
    let env = TestEnv::with_coordination();
    let mut client = env.connected().await;
    let registered = register(&mut client, &["rust", "tests"]).await;
    let worker = &registered["worker"];
    assert_eq!(worker["worker_id"], registered["session_id"]);
    assert_eq!(
        (&worker["kind"], &worker["capabilities"]),
        (&json!("chat"), &json!(["rust", "tests"]))
    );
    let service = env.coordination();
    service.until(|store| store.heartbeats >= 3).await;
    let view = json!({"view": "workers"});
    let listed = client.call("shim_session_status", view).await;
    let text = listed["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("story in")
            && text.contains("[chat, idle, healthy] 0/1 running, can: rust tests"),
        "{text}"
    );
    assert_eq!(listed["structuredContent"]["workers"][0], *worker);
    client.close().await;
    let store = service.store.lock().unwrap();
    assert!(store.workers.is_empty());
    assert_eq!(
        store.deregister_reasons,
        ["the client closed the connection"]
    );
}

#[tokio::test]
async fn registering_again_replaces_the_capabilities_of_the_same_worker() {
    let env = TestEnv::with_coordination();
    let mut client = env.connected().await;
    let first = register(&mut client, &["rust"]).await;
    let second = register(&mut client, &["python"]).await;
    assert_eq!(first["worker"]["worker_id"], second["worker"]["worker_id"]);
    let service = env.coordination();
    let beats = service.store.lock().unwrap().heartbeats;
    service.until(|store| store.heartbeats > beats + 2).await;
    {
        let store = service.store.lock().unwrap();
        let worker = store.workers.values().next().unwrap();
        assert_eq!(
            (worker.epoch, worker.capabilities.as_slice()),
            (2, ["python".to_owned()].as_slice())
        );
    }
    client.close().await;
}

#[tokio::test]
async fn a_worker_the_registry_forgot_registers_itself_again() {
    let env = TestEnv::with_coordination();
    let mut client = env.connected().await;
    register(&mut client, &["rust"]).await;
    let service = env.coordination();
    service.store.lock().unwrap().workers.clear();
    service.until(|store| !store.workers.is_empty()).await;
    {
        let mut store = service.store.lock().unwrap();
        let worker = store.workers.values_mut().next().unwrap();
        assert_eq!(worker.capabilities, ["rust"]);
        worker.epoch = 100;
    }
    let beats = service.store.lock().unwrap().heartbeats;
    service.until(|store| store.heartbeats > beats + 1).await;
    client.close().await;
}

#[tokio::test]
async fn a_worker_whose_session_was_taken_is_left_to_the_new_owner() {
    let env = TestEnv::with_coordination();
    let mut client = env.connected().await;
    let registered = register(&mut client, &["rust"]).await;
    env.service
        .steal(registered["session_id"].as_str().unwrap())
        .await;
    let service = env.coordination();
    service.until(|store| store.workers.is_empty()).await;
    let deregister_reasons = service.store.lock().unwrap().deregister_reasons.clone();
    assert_eq!(
        deregister_reasons,
        ["the session is not held by this gateway any more"]
    );
    let (error, _) = client
        .call_refused(WORK, json!({"action": "register", "capabilities": []}))
        .await;
    assert_eq!(error["reason"], "STALE_OWNER");
    client.close().await;
}

#[tokio::test]
async fn the_worker_of_a_client_that_died_is_left_to_be_found_dead() {
    let env = TestEnv::with_coordination();
    let mut program = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let mut client = Client::of(env.gateway_for(process::identity(program.id())));
    client.initialize().await;
    register(&mut client, &["rust"]).await;
    program.kill().unwrap();
    program.wait().unwrap();
    client.close().await;
    let store = env.coordination().store.lock().unwrap();
    assert!(store.deregister_reasons.is_empty() && store.workers.len() == 1);
}

#[tokio::test]
async fn a_message_to_a_capability_reaches_every_worker_that_has_it() {
    let env = TestEnv::with_coordination();
    let (mut lead, mut one, mut two) = (
        env.connected().await,
        env.connected().await,
        env.connected().await,
    );
    register(&mut one, &["rust"]).await;
    register(&mut two, &["rust", "docs"]).await;
    let arguments =
        json!({"action": "message", "to_capability": "rust", "message": "who is free?"});
    let sent = lead.call_ok("shim_coordinate_task", arguments).await;
    assert_eq!(sent["recipients"], 2);
    for worker in [&mut one, &mut two] {
        let saved = worker.save("a").await;
        assert_eq!(saved["notices"][0]["from"], sent["session_id"]);
    }
    for client in [lead, one, two] {
        client.close().await;
    }
}

#[tokio::test]
async fn odd_capabilities_are_named() {
    let env = TestEnv::with_coordination();
    let mut client = env.connected().await;
    let arguments = json!({"action": "register", "capabilities": ["rust", "can do it"]});
    let (error, _) = client.call_refused(WORK, arguments).await;
    assert_eq!(error["fields"][0]["field"], "capabilities[1]");
    assert!(env.service.store.lock().unwrap().sessions.is_empty());
    client.close().await;
}

#[tokio::test]
async fn workers_are_a_resource_and_in_the_prompt_of_whoever_supervises() {
    let env = TestEnv::with_coordination();
    let mut client = env.connected().await;
    register(&mut client, &["rust"]).await;
    let listed = client
        .request("resources/list", json!({}))
        .await
        .to_string();
    assert!(listed.contains("shim://workers"), "{listed}");
    let uri = json!({"uri": "shim://workers"});
    let read = client.request("resources/read", uri).await;
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(text.contains("\"kind\": \"chat\""), "{text}");
    let task = client
        .request("resources/read", json!({"uri": "shim://tasks/1"}))
        .await;
    assert_eq!(task["error"]["code"], -32002, "{task}");
    let prompt = |answer: Value| answer["result"]["messages"][0]["content"]["text"].to_string();
    let supervise = json!({"name": "supervise", "arguments": {"goal": "port it"}});
    let supervise = prompt(client.request("prompts/get", supervise).await);
    for word in [
        "port it",
        "1 living worker(s)",
        "can: rust",
        "action=submit",
    ] {
        assert!(supervise.contains(word), "{supervise}");
    }
    let work = prompt(client.request("prompts/get", json!({"name": "work"})).await);
    assert!(
        work.contains("action=claim") && work.contains("action=complete"),
        "{work}"
    );
    client.close().await;
}

#[tokio::test]
async fn the_session_shows_the_files_it_has_leased() {
    let env = TestEnv::with_coordination();
    std::fs::create_dir(env.folder.path().join(".git")).unwrap();
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let until = SystemTime::now() + Duration::from_secs(600);
    let lease = FileLease {
        lease_id: "l".into(),
        holder: saved["session_id"].as_str().unwrap().into(),
        purpose: "the lexer".into(),
        patterns: vec!["src/**".into()],
        mode: FileLeaseMode::Exclusive.into(),
        expires_at: Some(Timestamp::from(until)),
        ..FileLease::default()
    };
    env.coordination().store.lock().unwrap().leases = vec![lease];
    let looked = client.call("shim_session_status", json!({})).await;
    let text = looked["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("holds files src/** (exclusive, 9 min ")
            && text.contains(" left): the lexer"),
        "{text}"
    );
    assert_eq!(
        looked["structuredContent"]["files"][0]["patterns"][0],
        "src/**"
    );
    let root = env.folder.path().canonicalize().unwrap();
    let asked = env
        .coordination()
        .store
        .lock()
        .unwrap()
        .workspaces_asked
        .clone();
    assert_eq!(asked, [root.to_str().unwrap()]);
    client.close().await;
}
