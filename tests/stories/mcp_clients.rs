//! The MCP Python SDK drives the gateway over stdio, in both eras of the protocol.

use serde_json::{Value, json};
use shim_tests::mcp::{GatewayLaunch, PROTOCOL};
use shim_tests::python::SdkClient;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;

const TOOLS: [&str; 6] = [
    "shim_auto_checkpoint",
    "shim_check_recovery",
    "shim_monitor_signals",
    "shim_session_status",
    "shim_coordinate_task",
    "shim_worker_task",
];
const READ_ONLY: [&str; 1] = ["shim_session_status"];
/// The era without `initialize`.
const STATELESS: &str = "2026-07-28";

/// A client, its gateway and a checkpoint service.
struct SdkEnv {
    temp: TempEnv,
    _service: Service,
    client: SdkClient,
}

impl SdkEnv {
    async fn open(mode: &str) -> Self {
        let temp = TempEnv::new();
        let service = Service::start(&temp.data_dir()).await;
        let launch =
            GatewayLaunch::new(&temp.data_dir(), &temp.project()).with_service(service.socket());
        let client = SdkClient::open(&launch, mode).await;
        Self {
            temp,
            _service: service,
            client,
        }
    }

    async fn order(&mut self, order: Value) -> Value {
        let mut answer = self.client.order(&order).await;
        assert!(answer.get("error").is_none(), "{order}: {answer}");
        answer["ok"].take()
    }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

/// Claude Desktop reads only `content`, Claude Code only `structuredContent`: both must tell of the session.
fn assert_told_twice(result: &Value) {
    assert_ne!(result["isError"], json!(true), "{result}");
    let facts = &result["structuredContent"];
    let session_id = facts["session_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{result}"));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(session_id), "{text}");
    let step = facts["next_step"].as_str().unwrap();
    assert!(text.contains(step), "{step}: {text}");
}

async fn tools_are_listed(env: &mut SdkEnv) -> Value {
    let listed = env.order(json!({"do": "tools"})).await;
    assert_eq!(names(&listed["tools"]), TOOLS);
    for tool in listed["tools"].as_array().unwrap() {
        assert!(
            tool["title"].is_string() && tool["description"].is_string(),
            "{tool}"
        );
        assert!(tool["description"].as_str().unwrap().len() < 2048, "{tool}");
        assert!(
            tool["inputSchema"]["properties"].is_object() && tool["outputSchema"].is_object(),
            "{tool}"
        );
        assert!(tool["inputSchema"].get("anyOf").is_none(), "{tool}");
        let read_only = READ_ONLY.contains(&tool["name"].as_str().unwrap());
        assert_eq!(
            tool["annotations"]["readOnlyHint"],
            json!(read_only),
            "{tool}"
        );
        for hint in ["destructiveHint", "idempotentHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{tool}");
        }
    }
    listed
}

async fn every_tool_answers(env: &mut SdkEnv) -> Value {
    std::fs::write(env.temp.project().join("notes.md"), "written before\n").unwrap();
    let arguments = json!({
        "current_task": "teach the gateway", "progress": 0.4, "active_files": ["notes.md"],
        "decisions": ["stdio first"], "next_steps": ["then HTTP"],
    });
    let saved = env.client.call("shim_auto_checkpoint", arguments).await;
    assert_told_twice(&saved);
    let facts = saved["structuredContent"].clone();
    assert_eq!(facts["checkpoint"]["number"], 1);
    assert_eq!(facts["kept"]["open_steps"], 1, "{facts}");
    let gone = facts.get("active_files");
    assert_eq!(gone, None, "the file is there: {facts}");

    let signals = env
        .client
        .call("shim_monitor_signals", json!({"estimated_tokens": 10_000}))
        .await;
    assert_told_twice(&signals);
    for view in ["session", "sessions"] {
        let status = env
            .client
            .call("shim_session_status", json!({"view": view}))
            .await;
        assert_ne!(status["isError"], json!(true), "{status}");
    }
    let found = env
        .client
        .call(
            "shim_session_status",
            json!({"view": "search", "query": "gateway"}),
        )
        .await;
    assert!(
        found["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("teach"),
        "{found}"
    );
    let detected = env.client.call("shim_check_recovery", json!({})).await;
    assert!(
        detected["structuredContent"]["candidates"].is_array(),
        "{detected}"
    );
    for (tool, arguments) in [
        (
            "shim_coordinate_task",
            json!({"action": "submit", "goal": "a goal"}),
        ),
        ("shim_worker_task", json!({"action": "claim"})),
    ] {
        let missing = env.client.call(tool, arguments).await;
        assert_eq!(
            missing["isError"],
            json!(true),
            "the service does not exist yet: {missing}"
        );
        assert!(
            missing["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("service"),
            "{missing}"
        );
    }
    facts
}

async fn prompts_and_resources_are_served(env: &mut SdkEnv, saved: &Value) {
    let listed = env.order(json!({"do": "prompts"})).await;
    assert_eq!(names(&listed["prompts"]), ["resume", "supervise", "work"]);
    for name in ["resume", "supervise", "work"] {
        let prompt = env.order(json!({"do": "prompt", "name": name})).await;
        let text = prompt["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(text.len() > 40, "{name}: {text}");
    }
    let templates = env.order(json!({"do": "templates"})).await;
    let templates = templates["resourceTemplates"].as_array().unwrap();
    assert!(
        templates
            .iter()
            .any(|template| template["uriTemplate"] == "shim://sessions/{id}"),
        "{templates:?}"
    );
    env.order(json!({"do": "resources"})).await;

    let (session, checkpoint) = (&saved["session_id"], &saved["checkpoint"]["checkpoint_id"]);
    for uri in [session, checkpoint]
        .into_iter()
        .zip(["sessions", "checkpoints"])
    {
        let uri = format!("shim://{}/{}", uri.1, uri.0.as_str().unwrap());
        let read = env.order(json!({"do": "read", "uri": uri})).await;
        let text = read["contents"][0]["text"].as_str().unwrap();
        assert!(text.contains("teach the gateway"), "{uri}: {text}");
    }
    let unknown =
        json!({"do": "read", "uri": "shim://sessions/01890a5d-ac96-774b-bcce-b302099a8057"});
    let refused = env.client.order(&unknown).await;
    let code = refused["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("{refused}"));
    assert!(
        code == -32002 || code == -32602,
        "not found, not broken: {refused}"
    );
}

#[tokio::test]
async fn the_python_sdk_uses_everything_after_a_handshake() {
    let mut env = SdkEnv::open("legacy").await;
    assert_eq!(env.client.protocol(), PROTOCOL);
    tools_are_listed(&mut env).await;
    let saved = every_tool_answers(&mut env).await;
    prompts_and_resources_are_served(&mut env, &saved).await;
    env.client.close().await;
}

#[tokio::test]
async fn the_python_sdk_uses_everything_without_a_handshake() {
    let mut env = SdkEnv::open(STATELESS).await;
    assert_eq!(env.client.protocol(), STATELESS);
    let listed = tools_are_listed(&mut env).await;
    assert!(
        listed["ttlMs"].is_u64(),
        "list results say how long they hold: {listed}"
    );
    assert!(
        ["public", "private"].contains(&listed["cacheScope"].as_str().unwrap()),
        "{listed}"
    );
    let saved = every_tool_answers(&mut env).await;
    prompts_and_resources_are_served(&mut env, &saved).await;
    env.client.close().await;
}

#[tokio::test]
async fn a_client_that_asks_first_learns_of_the_stateless_era() {
    let env = SdkEnv::open("auto").await;
    assert_eq!(env.client.protocol(), STATELESS);
    env.client.close().await;
}

#[tokio::test]
async fn unknown_tools_prompts_and_resources_are_errors_of_the_protocol() {
    let mut env = SdkEnv::open("legacy").await;
    for order in [
        json!({"do": "call", "name": "shim_no_such_tool", "arguments": {}}),
        json!({"do": "prompt", "name": "no_such_prompt"}),
        json!({"do": "read", "uri": "file:///etc/passwd"}),
        json!({"do": "read", "uri": "shim://sessions/../../etc/passwd"}),
        json!({"do": "read", "uri": "shim://workers"}),
    ] {
        let answer = env.client.order(&order).await;
        let code = answer["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{order}: {answer}"));
        assert!(
            code != -32603,
            "an internal error is nobody's fault but ours: {order}: {answer}"
        );
    }
}
