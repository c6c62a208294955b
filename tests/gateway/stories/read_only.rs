//! What is only read: status, search, signals, prompts and resources.

use serde_json::json;

use shim_gateway_stories::TestEnv;

#[tokio::test]
async fn looking_around_opens_no_session() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let looked = client.call_ok("shim_session_status", json!({})).await;
    assert!(looked["session_id"].is_null());
    client
        .call_ok("shim_session_status", json!({"view": "sessions"}))
        .await;
    client.call_ok("shim_check_recovery", json!({})).await;
    assert!(env.stack.sessions().await.is_empty());
    client.close().await;
}

#[tokio::test]
async fn status_shows_the_session_its_history_and_what_a_search_finds() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    client.save("write the parser").await;
    client.save("test the lexer").await;
    let session = client.call_ok("shim_session_status", json!({})).await;
    assert_eq!(session["session"]["checkpoints"], 2);
    assert_eq!(session["session"]["current_task"], "test the lexer");
    assert_eq!(session["checkpoints"][0]["current_task"], json!(null));
    assert_eq!(
        session["checkpoints"][1]["current_task"],
        "write the parser"
    );
    assert_eq!(session["risk"]["level"], "safe");
    let found = client
        .call_ok(
            "shim_session_status",
            json!({"view": "search", "query": "parser"}),
        )
        .await;
    assert_eq!(found["hits"][0]["number"], 1);
    let all = client
        .call_ok(
            "shim_session_status",
            json!({"view": "sessions", "limit": 5}),
        )
        .await;
    assert_eq!(all["sessions"].as_array().unwrap().len(), 1);
    client.close().await;
}

#[tokio::test]
async fn the_text_and_the_structure_of_an_answer_tell_the_same() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let arguments = json!({"current_task": "t", "progress": 0.25, "active_files": ["gone.rs"]});
    let result = client.call("shim_auto_checkpoint", arguments).await;
    let text = result["content"][0]["text"].as_str().unwrap();
    let structured = &result["structuredContent"];
    assert!(
        text.contains("gone.rs is missing")
            && text.ends_with(structured["session_id"].as_str().unwrap()),
        "{text}"
    );
    let step = structured["next_step"].as_str().unwrap();
    assert!(text.contains(&format!("Next: {step}.")), "{text}");
    assert_eq!(structured["active_files"][0]["presence"], "missing");
    assert!(text.contains(structured["session_id"].as_str().unwrap()));
    assert!(text.contains(structured["checkpoint"]["checkpoint_id"].as_str().unwrap()));
    client.close().await;
}

#[tokio::test]
async fn signals_answer_with_the_raised_factors_and_what_they_mean() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let result = client
        .call("shim_monitor_signals", json!({"estimated_tokens": 160_000}))
        .await;
    let structured = &result["structuredContent"];
    assert_eq!(
        (&structured["level"], &structured["factors"][0]["limit"]),
        (&json!("warning"), &json!(150_000.0))
    );
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("tokens: 160000 tokens (limit 150000, warning)"),
        "{text}"
    );
    assert!(!structured["advice"].as_array().unwrap().is_empty());
    client.close().await;
}

#[tokio::test]
async fn the_resume_prompt_tells_what_waits() {
    let mut env = TestEnv::new().await;
    let left = env.stack.add_interrupted(&env.project(), None).await;
    let mut client = env.connected().await;
    let text =
        |answer: serde_json::Value| answer["result"]["messages"][0]["content"]["text"].to_string();
    let prompt = text(
        client
            .request("prompts/get", json!({"name": "resume"}))
            .await,
    );
    assert!(
        prompt.contains(&left) && prompt.contains("killed") && prompt.contains("write tests"),
        "{prompt}"
    );
    let arguments = json!({"name": "resume", "arguments": {"session_id": left}});
    let prompt = text(client.request("prompts/get", arguments).await);
    assert!(prompt.contains("port the parser"), "{prompt}");
    for name in ["supervise", "work"] {
        let prompt = text(client.request("prompts/get", json!({"name": name})).await);
        assert!(
            prompt.contains("No coordination service is connected"),
            "{prompt}"
        );
    }
    let wrong = json!({"name": "resume", "arguments": {"session_id": "x"}});
    assert_eq!(
        client.request("prompts/get", wrong).await["error"]["code"],
        -32602
    );
    env.checkpoint.kill();
    client.close().await;
}

#[tokio::test]
async fn sessions_and_checkpoints_are_resources_and_the_rest_is_not_found() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let saved = client.save("t").await;
    let id = saved["session_id"].as_str().unwrap();
    let listed = client
        .request("resources/list", json!({}))
        .await
        .to_string();
    assert!(
        listed.contains(&format!("shim://sessions/{id}")),
        "{listed}"
    );
    let uri = format!(
        "shim://checkpoints/{}",
        saved["checkpoint"]["checkpoint_id"].as_str().unwrap()
    );
    let read = client.request("resources/read", json!({"uri": uri})).await;
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert!(text.contains("\"current_task\": \"t\""), "{text}");
    for uri in [
        "shim://sessions/01890a5d-ac96-774b-bcce-b302099a8057",
        "shim://sessions/../x",
        "shim://tasks/1",
        "shim://workers",
        "file:///etc/passwd",
    ] {
        let read = client.request("resources/read", json!({"uri": uri})).await;
        assert_eq!(read["error"]["code"], -32002, "{uri}: {read}");
    }
    client.close().await;
}
