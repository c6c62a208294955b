//! MCP sessions over HTTP: each is its caller's, and there are at most so many.

use std::time::Duration;

use serde_json::json;
use shim_runtime::auth::{Auth, TokenFile};
use shim_runtime::limits::Limits;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use shim_gateway_stories::TestEnv;

use super::http::{ask, hello, post, serve_within};

const ANN: &str = "Authorization: Bearer 0123456789abcdef\r\n";
const BOB: &str = "Authorization: Bearer fedcba9876543210\r\n";

fn two_callers(env: &TestEnv) -> Auth {
    let file = env.folder.path().join("tokens");
    let tokens = "0123456789abcdef name=ann\nfedcba9876543210 name=bob\n";
    std::fs::write(&file, tokens).unwrap();
    Auth::new(Some(TokenFile::open(&file).unwrap()))
}

fn few(sessions: usize) -> Limits {
    Limits {
        mcp_sessions: sessions,
        ..Limits::default()
    }
}

/// The header that names the session which an answer began.
fn session_of(answer: &str) -> String {
    let mut lines = answer.lines();
    let line = lines.find(|line| line.to_lowercase().starts_with("mcp-session-id:"));
    format!("{}\r\n", line.unwrap_or_else(|| panic!("{answer}")).trim())
}

async fn begin(port: u16, token: &str) -> String {
    session_of(&post(port, "/mcp", "localhost", token, &hello()).await)
}

/// The status of a request within a session.
async fn status(port: u16, token: &str, session: &str) -> u16 {
    let extra = format!("{token}{session}");
    let ping = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answer = post(port, "/mcp", "localhost", &extra, &ping).await;
    answer[9..12].parse().unwrap()
}

async fn delete(port: u16, token: &str, session: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}{session}\r\n"
    );
    ask(&mut stream, &request, "\r\n\r\n").await
}

#[tokio::test]
async fn a_session_is_its_callers_alone() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve_within(&env, two_callers(&env), few(8)).await;
    let session = begin(port, ANN).await;
    assert_eq!(status(port, BOB, &session).await, 404);
    assert!(
        delete(port, BOB, &session)
            .await
            .starts_with("HTTP/1.1 404")
    );
    assert_eq!(status(port, ANN, &session).await, 202);
    assert!(
        delete(port, ANN, &session)
            .await
            .starts_with("HTTP/1.1 202")
    );
    assert_eq!(status(port, ANN, &session).await, 404);
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn the_longest_idle_session_makes_room_and_others_keep_theirs() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve_within(&env, two_callers(&env), few(8)).await;
    let kept = begin(port, BOB).await;
    let (first, second) = (begin(port, ANN).await, begin(port, ANN).await);
    assert_eq!(status(port, ANN, &first).await, 202);
    let third = begin(port, ANN).await;
    assert_eq!(
        status(port, ANN, &second).await,
        404,
        "it was idle for longest"
    );
    for session in [&first, &third] {
        assert_eq!(status(port, ANN, session).await, 202);
    }
    for _ in 0..30 {
        begin(port, ANN).await;
    }
    assert_eq!(
        status(port, BOB, &kept).await,
        202,
        "a quarter is the most of one caller"
    );
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn sessions_at_work_are_not_closed_and_a_further_one_is_told_when_to_come_back() {
    let env = TestEnv::new().await;
    let (port, shutdown, serving) = serve_within(&env, two_callers(&env), few(4)).await;
    let session = begin(port, ANN).await;
    let listen = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{ANN}{session}\r\n"
    );
    let mut events = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut events, &listen, "text/event-stream").await;
    let answer = post(port, "/mcp", "localhost", ANN, &hello()).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    for said in [
        "retry-after: 5",
        "OVERLOADED",
        "4 in all and 1 of one caller",
        "limits.mcp_sessions",
    ] {
        assert!(answer.contains(said), "{said}: {answer}");
    }
    begin(port, BOB).await;
    drop(events);
    while post(port, "/mcp", "localhost", ANN, &hello())
        .await
        .starts_with("HTTP/1.1 503")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.begin();
    serving.await.unwrap();
}

#[tokio::test]
async fn an_idle_session_ends_by_itself() {
    let env = TestEnv::new().await;
    let limits = Limits {
        mcp_session_idle: Duration::from_secs(1),
        ..Limits::default()
    };
    let (port, shutdown, serving) = serve_within(&env, two_callers(&env), limits).await;
    let session = begin(port, ANN).await;
    let listen = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{ANN}{session}Connection: close\r\n\r\n"
    );
    let mut events = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    ask(&mut events, &listen, "text/event-stream").await;
    // Its streams end with it.
    events.read_to_end(&mut Vec::new()).await.unwrap();
    while status(port, ANN, &session).await != 404 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.begin();
    serving.await.unwrap();
}
