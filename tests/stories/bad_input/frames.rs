//! Messages that cannot be read as they come, over stdio and HTTP: answered with their id, the place and the remedy, or
//! mended; and said once in the log.

use std::fmt::Write as _;

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;

use super::cases::MEBIBYTE;
use super::tools::SAVE;

/// A call whose arguments are written as they are.
fn save(id: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{SAVE}","arguments":{arguments}}}}}"#
    )
}

async fn answer(gateway: &mut Gateway, line: &[u8]) -> Value {
    gateway.send_bytes(line).await;
    gateway.send_bytes(b"\n").await;
    gateway.next_message().await
}

#[tokio::test]
async fn a_damaged_message_is_answered_or_mended_and_said_once() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let log = temp.root().join("gateway.log");
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .with_service(service.socket())
        .with_log(&log);
    let mut gateway = launch.open().await;

    let long = save(
        "4",
        &format!(r#"{{"current_task":"{}"}}"#, "x".repeat(17 * MEBIBYTE)),
    );
    let late_id = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"x":NaN},"id":"late"}"#;
    let refused = [
        (
            save("1", r#"{"current_task":"t","progress":NaN}"#),
            json!(1),
            "progress",
        ),
        (
            save(r#""two""#, r#"{"current_task":"t","progress":0.5,}"#),
            json!("two"),
            "comma",
        ),
        (long, json!(4), "16"),
        (late_id.to_owned(), json!("late"), "params.x"),
        ("nonsense".to_owned(), Value::Null, "JSON-RPC"),
        (format!("[{}]", save("5", "{}")), json!(5), "batches"),
        (
            save("6", &format!("{}1{}", "[".repeat(500), "]".repeat(500))),
            json!(6),
            "128",
        ),
    ];
    for (line, id, says) in &refused {
        let answer = answer(&mut gateway, line.as_bytes()).await;
        let said = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(answer["id"] == *id && said.contains(says), "{answer}");
    }
    let mended = [
        r#"{"current_task":"fix \ud82d","progress":0.1}"#,
        r#"{"current_task":"\ude00 fix","progress":0.2,"decisions":["\ud83d\ud83d\ude00"]}"#,
    ];
    for arguments in mended {
        let answer = answer(&mut gateway, save("7", arguments).as_bytes()).await;
        let text = answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_default();
        assert!(answer["id"] == 7 && text.contains("saved"), "{answer}");
    }
    gateway.close().await;

    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(
        log.matches("a message was refused").count(),
        refused.len(),
        "{log}"
    );
    assert_eq!(
        log.matches("half characters was read").count(),
        mended.len(),
        "{log}"
    );
}

/// One request of HTTP/1.1; the answer with its headers.
async fn post(address: &str, body: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = String::new();
    write!(
        request,
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_damaged_message_over_http_is_answered_or_mended() {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let launch =
        GatewayLaunch::new(&temp.data_dir(), &temp.project()).with_service(service.socket());
    let mut words = launch.command().to_vec();
    words.extend(["--http".to_owned(), address.clone()]);
    let mut child = tokio::process::Command::new(&words[0])
        .args(&words[1..])
        .envs(launch.environment().iter().cloned())
        .env("SHIM_AUTH_OPEN", "true")
        .current_dir(temp.project())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while tokio::net::TcpStream::connect(&address).await.is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the gateway left");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"cut \ud83d","version":"1"}}}"#;
    let mended = post(&address, hello.as_bytes()).await;
    assert!(
        mended.starts_with("HTTP/1.1 200") && mended.contains("2025-11-25"),
        "{mended}"
    );
    let refused = post(&address, save("31", r#"{"progress":NaN}"#).as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert!(
        refused.contains(r#""id":31"#) && refused.contains("params.arguments.progress"),
        "{refused}"
    );
    let large = save(
        "32",
        &format!(r#"{{"current_task":"{}"}}"#, "x".repeat(5 * MEBIBYTE)),
    );
    let refused = post(&address, large.as_bytes()).await;
    assert!(
        refused.starts_with("HTTP/1.1 413") && refused.contains(r#""id":32"#),
        "{refused}"
    );
}
