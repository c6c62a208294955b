//! Streamable HTTP: one endpoint, both kinds of refusal, the same server behind it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use shim_runtime::auth::{Auth, TokenFile};
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::limits::Limits;
use shim_runtime::process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use shim_gateway::EmbeddedGateway;
use shim_gateway_stories::{TestEnv, gateway_without_services};

/// Sends one request on its own connection and returns the whole answer.
pub(super) async fn post(port: u16, path: &str, host: &str, extra: &str, body: &Value) -> String {
    post_text(port, path, host, extra, &body.to_string()).await
}

async fn post_text(port: u16, path: &str, host: &str, extra: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: close\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Calls a tool as stateless clients do.
async fn call(port: u16, tool: &str, arguments: Value, extra: &str) -> String {
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "story", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    let headers = format!(
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{extra}"
    );
    post(port, "/mcp", "localhost", &headers, &call).await
}

pub(super) fn hello() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "story", "version": "1"},
    }})
}

pub(super) type Serving = (u16, Shutdown, JoinHandle<()>);

async fn serve(env: &TestEnv, auth: Auth) -> Serving {
    serve_within(env, auth, Limits::default()).await
}

pub(super) async fn serve_within(env: &TestEnv, auth: Auth, limits: Limits) -> Serving {
    let shutdown = Shutdown::new();
    let gateway = env.gateway_for(Some(process::own()), shutdown.clone());
    listen(gateway, auth, limits, shutdown).await
}

/// Serves what needs no service.
async fn serve_alone(folder: &Path) -> Serving {
    let shutdown = Shutdown::new();
    let gateway = gateway_without_services(folder, shutdown.clone());
    listen(gateway, Auth::default(), Limits::default(), shutdown).await
}

async fn listen(
    gateway: EmbeddedGateway,
    auth: Auth,
    limits: Limits,
    shutdown: Shutdown,
) -> Serving {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(gateway.serve_http(listener, auth, limits));
    (port, shutdown, serving)
}

/// The names of all tools.
async fn tool_names(env: &TestEnv) -> Vec<String> {
    let mut client = env.connected().await;
    let listed = client.request("tools/list", json!({})).await;
    client.close().await;
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_endpoint_answers_and_strange_hosts_and_paths_are_refused() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve(&env, Auth::default()).await;
    let answer = post(port, "/mcp", "localhost", "", &hello()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("2025-11-25"),
        "{answer}"
    );
    assert!(
        post(port, "/", "localhost", "", &hello())
            .await
            .starts_with("HTTP/1.1 404")
    );
    assert!(
        post(port, "/mcp", "evil.example", "", &hello())
            .await
            .starts_with("HTTP/1.1 403")
    );
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_configured_token_is_asked_for() {
    let env = TestEnv::new().await;
    let file = env.folder.path().join("token");
    std::fs::write(&file, "0123456789abcdef").unwrap();
    let auth = Auth::new(Some(TokenFile::open(&file).unwrap()));
    let (port, shutdown, serving) = serve(&env, auth).await;
    assert!(
        post(port, "/mcp", "localhost", "", &hello())
            .await
            .starts_with("HTTP/1.1 401")
    );
    let token = "Authorization: Bearer 0123456789abcdef\r\n";
    assert!(
        post(port, "/mcp", "localhost", token, &hello())
            .await
            .starts_with("HTTP/1.1 200")
    );
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_token_to_read_calls_the_tool_that_only_looks_and_no_other() {
    let env = TestEnv::new().await;
    let file = env.folder.path().join("tokens");
    std::fs::write(
        &file,
        "0123456789abcdef role=read\nfedcba9876543210 role=write\n",
    )
    .unwrap();
    let auth = Auth::new(Some(TokenFile::open(&file).unwrap()));
    let (port, shutdown, serving) = serve(&env, auth).await;
    let save = json!({"current_task": "t", "progress": 0});
    let read = "Authorization: Bearer 0123456789abcdef\r\n";
    for tool in tool_names(&env).await.iter().map(String::as_str) {
        let answer = call(port, tool, save.clone(), read).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let is_refused = answer.contains("ROLE_REFUSED") && answer.contains("the role write");
        assert_eq!(
            is_refused,
            tool != "shim_session_status",
            "{tool}: {answer}"
        );
    }
    assert_eq!(env.stack.checkpoint_count().await, 0);
    let write = "Authorization: Bearer fedcba9876543210\r\n";
    let answer = call(port, "shim_auto_checkpoint", save, write).await;
    assert!(answer.contains("checkpoint_id"), "{answer}");
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_caller_too_fast_is_told_when_to_come_back() {
    let env = TestEnv::new().await;
    let limits = Limits {
        calls_per_second: Some(1),
        burst: Some(2),
        ..Limits::default()
    };
    let (port, shutdown, serving) = serve_within(&env, Auth::default(), limits).await;
    let mut last = String::new();
    for _ in 0..10 {
        last = post(port, "/mcp", "localhost", "", &hello()).await;
        if last.starts_with("HTTP/1.1 429") {
            break;
        }
    }
    assert!(last.starts_with("HTTP/1.1 429"), "{last}");
    assert!(
        last.contains("retry-after: 1") && last.contains("TOO_FAST"),
        "{last}"
    );
    shutdown.begin();
    serving.await.unwrap();
}

/// Asks on a connection that stays open, until the answer says `wanted`.
pub(super) async fn ask(stream: &mut TcpStream, request: &str, wanted: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if text.contains(wanted) {
            return text;
        }
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{text}");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_told_when_to_come_back_and_the_others_live() {
    let env = TestEnv::new().await;
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let (port, shutdown, serving) = serve_within(&env, Auth::default(), limits).await;
    let elsewhere = "GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut first = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut first, elsewhere, "the MCP endpoint is /mcp").await;

    let answer = post(port, "/mcp", "localhost", "", &hello()).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("retry-after: 5") && answer.contains("OVERLOADED"),
        "{answer}"
    );
    ask(&mut first, elsewhere, "the MCP endpoint is /mcp").await;

    drop(first);
    while post(port, "/mcp", "localhost", "", &hello())
        .await
        .starts_with("HTTP/1.1 503")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_stream_of_events_ends_when_its_token_is_taken_away() {
    let env = TestEnv::new().await;
    let file = env.folder.path().join("tokens");
    let write = |content: &str| {
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, content).unwrap();
        std::fs::rename(&fresh, &file).unwrap();
    };
    write("0123456789abcdef\nfedcba9876543210\n");
    let auth = Auth::new(Some(TokenFile::open(&file).unwrap()));
    let (port, shutdown, serving) = serve(&env, auth).await;
    let token = "Authorization: Bearer 0123456789abcdef\r\n";
    let answer = post(port, "/mcp", "localhost", token, &hello()).await;
    let session = answer
        .lines()
        .find(|line| line.to_lowercase().starts_with("mcp-session-id:"))
        .unwrap();
    let listen = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{token}{session}\r\nConnection: close\r\n\r\n"
    );
    let mut events = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut events, &listen, "text/event-stream").await;

    write("fedcba9876543210\n");
    events.read_to_end(&mut Vec::new()).await.unwrap();
    let answer = post(port, "/mcp", "localhost", token, &hello()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_still_sent_is_refused_when_its_token_is_taken_away() {
    let env = TestEnv::new().await;
    let file = env.folder.path().join("tokens");
    std::fs::write(&file, "0123456789abcdef").unwrap();
    let auth = Auth::new(Some(TokenFile::open(&file).unwrap()));
    let (port, shutdown, serving) = serve(&env, auth).await;
    let begin = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\nContent-Length: 1000\r\n\
                 Authorization: Bearer 0123456789abcdef\r\nExpect: 100-continue\r\n\r\n";
    let mut sender = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut sender, begin, "100 Continue").await;

    let fresh = file.with_extension("new");
    std::fs::write(&fresh, "fedcba9876543210").unwrap();
    std::fs::rename(&fresh, &file).unwrap();
    let answer = ask(&mut sender, "{", "TOKEN_REFUSED").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn headers_have_a_bound_and_bodies_may_be_larger() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve(&env, Auth::default()).await;
    let large = "x".repeat(20 * 1024);
    let header = format!("X-Large: {large}\r\n");
    let answer = post(port, "/mcp", "localhost", &header, &hello()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut body = hello();
    body["params"]["clientInfo"]["name"] = large.into();
    let answer = post(port, "/mcp", "localhost", "", &body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_damaged_or_deep_message_is_answered_under_its_id() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve(&env, Auth::default()).await;
    let call = |id: usize, arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"shim_session_status","arguments":{arguments}}}}}"#
        )
    };
    let mut bodies = vec![
        (call(7, "{}").replace("\"2.0\",", "\"2.0\" "), 7),
        (call(8, r#"{"a":[1,2}"#), 8),
        (call(9, "{}") + &call(9, "{}"), 9),
    ];
    for depth in [127, 128, 129, 10_000] {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        bodies.push((call(depth, &deep), depth));
    }
    for (body, id) in bodies {
        let answer = post_text(port, "/mcp", "localhost", "", &body).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{id}: {answer}");
        assert!(answer.contains(&format!("\"id\":{id},")), "{id}: {answer}");
    }
    shutdown.begin();
    serving.await.unwrap();
}

/// Longer than any limit of a connection; the clock of these stories jumps.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_connection_that_sends_half_a_header_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _shutdown, _serving) = serve_alone(folder.path()).await;
    let half = "GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n";
    for is_new in [true, false] {
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if !is_new {
            let whole = format!("{half}\r\n");
            ask(&mut client, &whole, "the MCP endpoint is /mcp").await;
        }
        client.write_all(half.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(LONG, client.read_to_end(&mut rest)).await;
        closed.expect("it is closed").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_greets_and_does_not_answer_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _shutdown, _serving) = serve_alone(folder.path()).await;
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    client.write_all(greeting).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(LONG, client.read_to_end(&mut rest)).await;
    closed.expect("it is closed").unwrap();
}

#[tokio::test]
async fn a_stateless_call_over_http_saves() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve(&env, Auth::default()).await;
    let arguments = json!({"current_task": "t", "progress": 0});
    let answer = call(port, "shim_auto_checkpoint", arguments, "").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("checkpoint_id"),
        "{answer}"
    );
    assert_eq!(env.stack.checkpoint_count().await, 1);
    shutdown.begin();
    serving.await.unwrap();
}
