//! Sessions as workers: registered, kept alive, found and reached by others, and gone in good order.

use serde_json::{Value, json};
use shim_proto::coordination::v1::*;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;

use shim_gateway_stories::{Client, TestEnv, until};

const WORK: &str = "shim_worker_task";
const BEAT: &str = "Heartbeat";

/// Why gateways took their workers out of the registry.
fn deregister_reasons(env: &TestEnv) -> Vec<String> {
    let service = env.coordination();
    let requests = service.requests::<DeregisterWorkerRequest>("DeregisterWorker");
    requests.into_iter().map(|request| request.reason).collect()
}

async fn register(client: &mut Client, capabilities: &[&str]) -> Value {
    let arguments = json!({"action": "register", "capabilities": capabilities});
    client.call_ok(WORK, arguments).await
}

#[tokio::test]
async fn a_registered_session_is_listed_kept_alive_and_leaves_in_good_order() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let registered = register(&mut client, &["rust", "tests"]).await;
    let worker = &registered["worker"];
    assert_eq!(worker["worker_id"], json!(null), "it is the session's");
    assert_eq!(
        (&worker["kind"], &worker["capabilities"]),
        (&json!("chat"), &json!(["rust", "tests"]))
    );
    let service = env.coordination();
    service.until(|link| link.calls(BEAT) >= 3).await;
    let view = json!({"view": "workers"});
    let listed = client.call("shim_session_status", view).await;
    let text = listed["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("story in")
            && text.contains("[chat, idle, healthy] 0/1 running, can: rust tests"),
        "{text}"
    );
    let now = &listed["structuredContent"]["workers"][0];
    assert!(now["is_own"] == true && now["heard"].is_string(), "{now}");
    for (name, fact) in worker.as_object().unwrap() {
        assert_eq!(&now[name], fact, "{name}");
    }
    client.close().await;
    assert!(env.stack.live_workers().await.is_empty());
    assert_eq!(
        deregister_reasons(&env),
        ["the client closed the connection"]
    );
}

#[tokio::test]
async fn registering_again_replaces_the_capabilities_of_the_same_worker() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let first = register(&mut client, &["rust"]).await;
    let second = register(&mut client, &["python"]).await;
    assert_eq!(first["session_id"], second["session_id"]);
    let service = env.coordination();
    let beats = service.calls(BEAT);
    service.until(|link| link.calls(BEAT) > beats + 2).await;
    let workers = env.stack.live_workers().await;
    assert_eq!(workers.len(), 1);
    assert_eq!(workers[0].capabilities, ["python"]);
    let last = service.requests::<HeartbeatRequest>(BEAT).pop().unwrap();
    assert_eq!(last.epoch, workers[0].epoch);
    client.close().await;
}

#[tokio::test]
async fn a_worker_the_registry_forgot_registers_itself_again() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    register(&mut client, &["rust"]).await;
    let forgotten = env.stack.live_workers().await.remove(0);
    env.redis().command(&["FLUSHALL"]).unwrap();
    until(async || !env.stack.live_workers().await.is_empty()).await;
    let again = env.stack.live_workers().await.remove(0);
    assert_eq!(again.worker_id, forgotten.worker_id);
    assert_eq!(again.capabilities, ["rust"]);

    let elsewhere = RegisterWorkerRequest {
        request_id: again.worker_id.clone(),
        worker_id: again.worker_id.clone(),
        name: again.name.clone(),
        kind: again.kind,
        capacity: again.capacity,
        session_id: again.session_id.clone(),
        ..Default::default()
    };
    let mut registry = env.stack.registry.clone();
    let stolen = registry.register_worker(elsewhere);
    let stolen = stolen.await.unwrap().into_inner().worker.unwrap();
    until(async || {
        let workers = env.stack.live_workers().await;
        workers[0].epoch > stolen.epoch && workers[0].capabilities == ["rust"]
    })
    .await;
    let service = env.coordination();
    let beats = service.calls(BEAT);
    service.until(|link| link.calls(BEAT) > beats + 1).await;
    client.close().await;
}

#[tokio::test]
async fn a_worker_whose_session_was_taken_is_left_to_the_new_owner() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let registered = register(&mut client, &["rust"]).await;
    client.save("a").await;
    let session = registered["session_id"].as_str().unwrap();
    let _thief = env.stack.steal(session).await;
    until(async || env.stack.live_workers().await.is_empty()).await;
    assert_eq!(
        deregister_reasons(&env),
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
    let env = TestEnv::with_coordination().await;
    let mut program = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let mut client = Client::of(env.gateway_for(process::identity(program.id()), Shutdown::new()));
    client.initialize().await;
    register(&mut client, &["rust"]).await;
    program.kill().unwrap();
    program.wait().unwrap();
    client.close().await;
    assert!(deregister_reasons(&env).is_empty());
    assert_eq!(env.stack.live_workers().await.len(), 1);
}

#[tokio::test]
async fn a_message_to_a_capability_reaches_every_worker_that_has_it() {
    let env = TestEnv::with_coordination().await;
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
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let arguments = json!({"action": "register", "capabilities": ["rust", "can do it"]});
    let (error, _) = client.call_refused(WORK, arguments).await;
    assert_eq!(error["fields"][0]["field"], "capabilities[1]");
    assert!(env.stack.sessions().await.is_empty());
    client.close().await;
}

#[tokio::test]
async fn workers_are_a_resource_and_in_the_prompt_of_whoever_supervises() {
    let env = TestEnv::with_coordination().await;
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
    let env = TestEnv::with_coordination().await;
    std::fs::create_dir(env.folder.path().join(".git")).unwrap();
    let mut client = env.connected().await;
    let saved = client.save("a").await;
    let root = env.folder.path().canonicalize().unwrap();
    let holder = saved["session_id"].as_str().unwrap();
    let acquire = AcquireFilesRequest {
        request_id: holder.into(),
        workspace: root.to_str().unwrap().into(),
        holder: holder.into(),
        purpose: "the lexer".into(),
        patterns: vec!["src/**".into()],
        mode: FileLeaseMode::Exclusive.into(),
        ttl: Some(prost_types::Duration {
            seconds: 600,
            nanos: 0,
        }),
        ..Default::default()
    };
    let mut locks = env.stack.locks.clone();
    locks.acquire_files(acquire).await.unwrap();
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
    let asked = env.coordination().requests::<ListFilesRequest>("ListFiles");
    let asked: Vec<_> = asked.into_iter().map(|request| request.workspace).collect();
    assert_eq!(asked, [root.to_str().unwrap()]);
    client.close().await;
}
