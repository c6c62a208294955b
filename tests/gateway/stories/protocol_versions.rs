//! Both eras of the protocol, and what is listed.

use serde_json::{Value, json};

use shim_gateway_stories::TestEnv;

const CLIENT_TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What every request of the stateless era carries.
fn stateless(params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "story", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
        "traceparent": CLIENT_TRACE,
    });
    params
}

#[tokio::test]
async fn a_client_of_the_present_era_initializes_lists_and_calls() {
    let env = TestEnv::new().await;
    let mut client = env.client();
    let hello = client.initialize().await;
    assert_eq!(hello["protocolVersion"], "2025-11-25");
    assert_eq!(hello["serverInfo"]["name"], "shim");
    assert!(hello["instructions"].as_str().unwrap().len() < 2_048);
    let tools = client.request("tools/list", json!({})).await;
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 6);
    let saved = client.save("write the parser").await;
    assert_eq!(saved["checkpoint"]["number"], 1);
    assert!(saved["session_id"].is_string() && saved["next_step"].is_string());
    client.close().await;
}

#[tokio::test]
async fn a_stateless_client_discovers_lists_with_cache_hints_and_calls() {
    let env = TestEnv::new().await;
    let mut client = env.client();
    let found = client
        .request("server/discover", stateless(json!({})))
        .await;
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(
        versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2025-11-25")),
        "{found}"
    );
    for (method, key) in [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let list = client.request(method, stateless(json!({}))).await;
        assert!(list["result"][key].is_array(), "{list}");
        assert!(
            list["result"]["ttlMs"].is_u64() && list["result"]["cacheScope"].is_string(),
            "{list}"
        );
    }
    let call =
        json!({"name": "shim_auto_checkpoint", "arguments": {"current_task": "t", "progress": 0}});
    let saved = client.request("tools/call", stateless(call)).await;
    assert_eq!(
        saved["result"]["structuredContent"]["checkpoint"]["number"], 1,
        "{saved}"
    );
    assert_eq!(saved["result"]["resultType"], "complete");
    let id = saved["result"]["structuredContent"]["session_id"]
        .as_str()
        .unwrap();
    let read = client
        .request(
            "resources/read",
            stateless(json!({"uri": format!("shim://sessions/{id}")})),
        )
        .await;
    assert!(
        read["result"]["ttlMs"].is_u64() && read["result"]["contents"][0]["text"].is_string(),
        "{read}"
    );
    client.close().await;
}

#[tokio::test]
async fn the_trace_of_the_request_reaches_the_service() {
    let env = TestEnv::new().await;
    let mut client = env.client();
    let call =
        json!({"name": "shim_auto_checkpoint", "arguments": {"current_task": "t", "progress": 0}});
    client.request("tools/call", stateless(call)).await;
    let traces = env.checkpoint.traces("OpenSession");
    // This process exports no spans, so to the service the client is the caller: a span that nobody exports would leave
    // its children without a parent.
    assert_eq!(traces[0], CLIENT_TRACE);
    client.close().await;
}

#[tokio::test]
async fn lists_are_answered_although_no_service_is_there() {
    let mut env = TestEnv::new().await;
    env.checkpoint.kill();
    let mut client = env.connected().await;
    for method in [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let answer = client.request(method, json!({})).await;
        assert!(answer["error"].is_null(), "{answer}");
    }
    client.close().await;
}

#[tokio::test]
async fn an_unknown_tool_is_a_protocol_error_that_names_the_known_ones() {
    let env = TestEnv::new().await;
    let mut client = env.connected().await;
    let answer = client
        .request(
            "tools/call",
            json!({"name": "force_checkpoint", "arguments": {}}),
        )
        .await;
    assert_eq!(answer["error"]["code"], -32602);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("shim_auto_checkpoint")
    );
    client.close().await;
}
