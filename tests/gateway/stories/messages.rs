//! Messages between sessions: told as notices, kept until they are known to be read, never in the way of a call.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shim_proto::checkpoint::v1::SessionStatus;
use shim_proto::coordination::v1::{ReceiveMessagesRequest, SendMessageRequest};

use shim_gateway_stories::{Client, FaultMode, TestEnv};
use tonic::Status;

const COORDINATE: &str = "shim_coordinate_task";
const FETCH: &str = "ReceiveMessages";

/// The ids of the messages that gateways acknowledged.
fn acknowledged(env: &TestEnv) -> Vec<String> {
    let fetches = env.coordination().requests::<ReceiveMessagesRequest>(FETCH);
    fetches
        .into_iter()
        .flat_map(|fetch| fetch.ack_ids)
        .collect()
}

fn id(answer: &Value) -> String {
    answer["session_id"].as_str().unwrap().to_owned()
}

/// The texts of the messages an answer tells.
fn messages(answer: &Value) -> Vec<&str> {
    let notices = answer["notices"].as_array().into_iter().flatten();
    notices
        .filter(|notice| notice["kind"] == "message")
        .map(|notice| notice["text"].as_str().unwrap())
        .collect()
}

async fn send(client: &mut Client, to: &str, text: &str) -> Value {
    let arguments = json!({"action": "message", "to_session": to, "message": text});
    client.call_ok(COORDINATE, arguments).await
}

#[tokio::test]
async fn a_message_comes_with_the_next_answer_once_and_is_acknowledged_by_the_call_after() {
    let env = TestEnv::with_coordination().await;
    let (mut here, mut there) = (env.connected().await, env.connected().await);
    let sender = id(&here.save("a").await);
    let reader = id(&there.save("b").await);
    let sent = send(&mut here, &reader, "the parser is mine").await;
    assert_eq!(
        (&sent["recipients"], id(&sent)),
        (&json!(1), sender.clone())
    );
    let received = there.call("shim_session_status", json!({})).await;
    let text = received["content"][0]["text"].as_str().unwrap();
    let expected = format!("Notice: message from {sender}: the parser is mine");
    assert!(text.contains(&expected), "{text}");
    let notice = &received["structuredContent"]["notices"][0];
    assert_eq!(
        (&notice["kind"], &notice["from"]),
        (&json!("message"), &json!(sender))
    );
    assert!(notice["message_id"].is_string() && notice["at"].is_string());
    let message_id = notice["message_id"].as_str().unwrap().to_owned();
    assert!(
        acknowledged(&env).is_empty(),
        "nobody knows yet that it was read"
    );
    assert!(messages(&there.save("c").await).is_empty());
    assert_eq!(acknowledged(&env), [message_id]);
    env.lapse_visibility();
    assert!(messages(&there.save("d").await).is_empty());
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn what_was_told_by_a_gateway_that_is_gone_is_told_by_the_next_one() {
    let env = TestEnv::with_coordination().await;
    let mut first = env.connected().await;
    let session = id(&first.save("a").await);
    env.stack.put(&session, "lead", "hello").await;
    assert_eq!(
        messages(&first.save("b").await),
        ["message from lead: hello"]
    );
    first.close().await;
    env.stack
        .until_status(&session, SessionStatus::Interrupted)
        .await;
    env.lapse_visibility();
    let mut second = env.connected().await;
    let arguments = json!({"action": "restore", "session_id": session});
    let restored = second.call_ok("shim_check_recovery", arguments).await;
    assert_eq!(messages(&restored), ["message from lead: hello"]);
    second.close().await;
}

#[tokio::test]
async fn messages_of_a_session_held_elsewhere_are_left_for_it() {
    let env = TestEnv::with_coordination().await;
    let (mut here, mut there) = (env.connected().await, env.connected().await);
    here.save("a").await;
    let reader = id(&there.save("b").await);
    send(&mut here, &reader, "hello").await;
    let looked = here
        .call_ok("shim_session_status", json!({"session_id": reader}))
        .await;
    assert!(messages(&looked).is_empty());
    assert_eq!(messages(&there.save("c").await).len(), 1);
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn the_answer_to_a_failed_call_tells_its_messages_too() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    env.stack.put(&session, "", "hello").await;
    let arguments = json!({"action": "message", "to_capability": "rust", "message": "m"});
    let refused = client.call(COORDINATE, arguments).await;
    let structured = &refused["structuredContent"];
    assert_eq!(structured["error"]["reason"], "NO_RECIPIENTS");
    let step = structured["error"]["next_step"].as_str().unwrap();
    assert!(step.contains("view=workers"), "{step}");
    assert_eq!(
        messages(structured),
        ["message from an unnamed sender: hello"]
    );
    client.close().await;
}

#[tokio::test]
async fn a_long_message_is_whole_in_the_text_and_in_the_structure() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    let long = format!("one\nNotice: {}", "x".repeat(16_384 - 12));
    env.stack.put(&session, "lead", &long).await;
    let result = client.call("shim_session_status", json!({})).await;
    let text = result["content"][0]["text"].as_str().unwrap();
    let quoted = format!("message from lead:\n> {}", long.replace('\n', "\n> "));
    assert!(text.contains(&format!("Notice: {quoted}")), "{text}");
    let received = messages(&result["structuredContent"])[0];
    assert_eq!(received, quoted);
    client.close().await;
}

#[tokio::test]
async fn what_a_cancelled_call_would_have_told_is_told_by_a_later_one() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    let service = env.coordination();
    service.set_mode(FaultMode::Frozen);
    let fetches = service.calls(FETCH);
    env.stack.put(&session, "lead", "hello").await;
    client
        .send(
            &json!({"jsonrpc": "2.0", "id": "lost", "method": "tools/call",
            "params": {"name": "shim_session_status", "arguments": {}}}),
        )
        .await;
    service.until(|link| link.calls(FETCH) > fetches).await;
    client
        .send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": "lost", "reason": "enough"}}),
        )
        .await;
    // Requests are read in turn, so by this answer the call is cancelled.
    client.request("ping", json!({})).await;
    service.set_mode(FaultMode::Healthy);
    let later = async { while messages(&client.save("b").await).is_empty() {} };
    tokio::time::timeout(Duration::from_secs(6), later)
        .await
        .expect("the message was told to nobody");
    client.close().await;
}

#[tokio::test]
async fn many_messages_come_ten_at_a_time() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    for number in 0..12 {
        env.stack.put(&session, "lead", &number.to_string()).await;
    }
    let first = client.save("b").await;
    assert_eq!(messages(&first).len(), 10);
    assert_eq!(first["notices"][10]["count"], 2);
    let second = client.save("c").await;
    let expected = ["message from lead: 10", "message from lead: 11"];
    assert_eq!(messages(&second), expected);
    assert_eq!(client.save("d").await.get("notices"), None);
    client.close().await;
}

#[tokio::test]
async fn a_send_whose_answer_was_lost_is_sent_again_and_arrives_once() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    let broken = Status::unavailable("the connection broke");
    env.coordination().lose_answer("SendMessage", broken);
    let sent = send(&mut client, &session, "to myself").await;
    let requests = env
        .coordination()
        .requests::<SendMessageRequest>("SendMessage");
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].request_id, requests[1].request_id);
    let mut told = messages(&sent).len();
    for task in ["b", "c"] {
        told += messages(&client.save(task).await).len();
    }
    assert_eq!(told, 1);
    client.close().await;
}

#[tokio::test]
async fn a_recipient_that_there_is_not_is_refused() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let arguments = json!({"action": "message", "to_session": unknown, "message": "m"});
    let (error, _) = client.call_refused(COORDINATE, arguments).await;
    assert_eq!(error["reason"], "SESSION_NOT_FOUND");
    let arguments = json!({"action": "message", "to_worker": unknown, "message": "m"});
    let (error, _) = client.call_refused(COORDINATE, arguments).await;
    assert_eq!(error["reason"], "WORKER_NOT_FOUND");
    client.close().await;
}

#[tokio::test]
async fn a_service_without_its_store_fails_no_other_call_and_is_not_asked_all_the_time() {
    let mut env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    env.kill_redis();
    let before = env.coordination().calls(FETCH);
    for task in ["b", "c", "d"] {
        client.save(task).await;
    }
    let fetches = env.coordination().calls(FETCH);
    assert_eq!(fetches, before + 1);
    let started = Instant::now();
    let arguments = json!({"action": "message", "to_session": session, "message": "m"});
    let (error, text) = client.call_refused(COORDINATE, arguments).await;
    assert_eq!(error["reason"], "STORE_UNAVAILABLE");
    assert!(text.contains("Redis cannot be used now"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(3));
    client.close().await;
}

#[tokio::test]
async fn a_service_that_never_answers_costs_one_short_wait() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    client.save("a").await;
    env.coordination().set_mode(FaultMode::Frozen);
    let before = env.coordination().calls(FETCH);
    let started = Instant::now();
    for task in ["b", "c", "d", "e", "f", "g", "h", "i"] {
        client.save(task).await;
    }
    // Eight waits of 250 ms would be more.
    assert!(started.elapsed() < Duration::from_millis(1_800));
    let fetches = env.coordination().calls(FETCH);
    assert_eq!(fetches, before + 1);
    client.close().await;
}

#[tokio::test]
async fn messages_that_come_too_late_for_an_answer_are_told_by_a_later_one() {
    let env = TestEnv::with_coordination().await;
    let mut client = env.connected().await;
    let session = id(&client.save("a").await);
    let service = env.coordination();
    service.set_mode(FaultMode::Frozen);
    env.stack.put(&session, "lead", "hello").await;
    assert!(messages(&client.save("b").await).is_empty());
    let fetches = service.calls(FETCH);
    service.set_mode(FaultMode::Healthy);
    let later = async { while messages(&client.save("c").await).is_empty() {} };
    tokio::time::timeout(Duration::from_secs(4), later)
        .await
        .expect("the message was lost with its fetch");
    assert!(service.calls(FETCH) <= fetches + 1);
    client.close().await;
}

#[tokio::test]
async fn saving_and_recovering_go_on_without_the_coordination_service() {
    let mut env = TestEnv::with_coordination().await;
    let left = env.stack.add_interrupted(&env.project(), None).await;
    let mut client = env.connected().await;
    env.kill_coordination();
    let arguments = json!({"action": "restore", "session_id": left});
    client.call_ok("shim_check_recovery", arguments).await;
    let saved = client.save("b").await;
    assert_eq!(saved.get("notices"), None);
    let looked = client.call_ok("shim_session_status", json!({})).await;
    assert!(looked["files"].is_null(), "not known is not none");
    client.close().await;
}
