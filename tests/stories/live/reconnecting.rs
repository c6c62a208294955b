//! A client that starts its gateway again for the same conversation.

use serde_json::json;
use shim_proto::checkpoint::v1::SessionStatus;
use shim_tests::mcp::{GatewayLaunch, refusal, tool_output};
use shim_tests::temp_env::TempEnv;

use super::{RECOVER, SAVE, conversation, save, save_arguments, session, session_id, until};

#[tokio::test]
async fn an_older_gateway_of_the_conversation_locks_nobody_out() {
    let temp = TempEnv::new();
    let mut older = conversation(&temp, "conversation-1").open().await;
    let id = session_id(&save(&mut older, "begin").await);

    let mut newer = conversation(&temp, "conversation-1").open().await;
    let saved = save(&mut newer, "after the reconnect").await;
    assert_eq!(
        (session_id(&saved), &saved["checkpoint"]["number"]),
        (id.clone(), &json!(2))
    );
    let notices = saved["notices"].as_array().unwrap();
    assert!(
        notices
            .iter()
            .any(|notice| notice["kind"] == "session_continued"),
        "{saved}"
    );

    // Both gateways of a client may go on: its conversation has one session.
    let saved = save(&mut older, "through the older one again").await;
    assert_eq!(
        (session_id(&saved), &saved["checkpoint"]["number"]),
        (id.clone(), &json!(3))
    );

    // Named or restored, it is the same.
    let mut third = conversation(&temp, "conversation-1").open().await;
    let mut named = save_arguments("by its id");
    named["session_id"] = id.clone().into();
    let saved = tool_output(third.call(SAVE, named).await);
    assert_eq!(saved["checkpoint"]["number"], 4, "{saved}");
    let restore = json!({"action": "restore", "session_id": id});
    let restored = tool_output(newer.call(RECOVER, restore).await);
    assert_eq!(session_id(&restored), id, "{restored}");
    let active = session(&temp, &id).await;
    assert_eq!(active.status(), SessionStatus::Active);
}

#[tokio::test]
async fn another_conversation_is_locked_out_and_told_the_way() {
    let temp = TempEnv::new();
    let mut owner = conversation(&temp, "conversation-1").open().await;
    let id = session_id(&save(&mut owner, "mine").await);
    let strangers = [
        conversation(&temp, "conversation-2"),
        conversation(&temp, ""),
        GatewayLaunch::new(&temp.data_dir(), &temp.project()),
    ];
    for stranger in strangers {
        let mut gateway = stranger.open().await;
        let mut arguments = save_arguments("not mine");
        arguments["session_id"] = id.clone().into();
        let refused = gateway.call(SAVE, arguments).await;
        assert_eq!(refusal(&refused), "SESSION_OWNED", "{refused}");
        let restore = json!({"action": "restore", "session_id": id});
        let refused = gateway.call(RECOVER, restore).await;
        assert_eq!(refusal(&refused), "SESSION_OWNED", "{refused}");
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(!text.contains("take_over"), "{text}");
        assert_ne!(session_id(&save(&mut gateway, "my own").await), id);
    }
    assert_eq!(session(&temp, &id).await.epoch, 1);
    assert_eq!(
        save(&mut owner, "still mine").await["checkpoint"]["number"],
        2
    );
}

#[tokio::test]
async fn a_clean_reconnect_goes_on_with_its_session() {
    let temp = TempEnv::new();
    let mut first = conversation(&temp, "conversation-1").open().await;
    let id = session_id(&save(&mut first, "begin").await);
    first.close().await;
    until(&temp, &id, SessionStatus::Interrupted).await;

    let mut other = conversation(&temp, "conversation-2").open().await;
    assert_ne!(session_id(&save(&mut other, "another chat").await), id);
    let mut again = conversation(&temp, "conversation-1").open().await;
    let saved = save(&mut again, "after the reconnect").await;
    assert_eq!(
        (session_id(&saved), &saved["checkpoint"]["number"]),
        (id.clone(), &json!(2))
    );

    // What the user asked for or put away stays so.
    let mut anew = save_arguments("something else");
    anew["session_id"] = "new".into();
    let anew = session_id(&tool_output(again.call(SAVE, anew).await));
    assert_ne!(anew, id);
    again.close().await;
    until(&temp, &anew, SessionStatus::Interrupted).await;
    for closed in [&anew, &id] {
        until(&temp, closed, SessionStatus::Interrupted).await;
        let dismiss = json!({"action": "dismiss", "session_id": closed});
        let _ = tool_output(other.call(RECOVER, dismiss).await);
    }
    let mut last = conversation(&temp, "conversation-1").open().await;
    let fresh = session_id(&save(&mut last, "begin anew").await);
    assert!(fresh != id && fresh != anew);
}
