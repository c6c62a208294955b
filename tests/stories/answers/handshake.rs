//! A client that only looks what there is, as `claude mcp list` does: no folder, no file, no stack.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::process;
use shim_tests::temp_env::TempEnv;

const LISTS: [&str; 4] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];

/// What every request of the era without `initialize` carries.
fn stateless(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "claude-code", "version": "2"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

fn launch(temp: &TempEnv) -> GatewayLaunch {
    GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .with_env("HOME", &temp.root().display().to_string())
        .with_env("CLAUDE_CODE_SESSION_ID", "of a health check")
}

/// Names of everything in the home.
fn left_in(temp: &TempEnv) -> Vec<String> {
    let entries = std::fs::read_dir(temp.root()).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    names.sort();
    names
}

async fn ends_without_a_trace(temp: &TempEnv, gateway: Gateway, signal: Option<Signal>) {
    if let Some(signal) = signal {
        process::signal(gateway.pid(), signal);
    }
    gateway.close().await;
    assert_eq!(left_in(temp), ["project"]);
}

#[tokio::test]
async fn a_handshake_and_a_look_at_the_lists_leave_nothing_behind() {
    for signal in [Some(Signal::SIGINT), Some(Signal::SIGTERM), None] {
        let temp = TempEnv::new();
        let mut gateway = launch(&temp).open().await;
        for list in LISTS {
            gateway.request(list, json!({})).await.unwrap();
        }
        gateway.request("ping", json!({})).await.unwrap();
        assert_eq!(left_in(&temp), ["project"]);
        ends_without_a_trace(&temp, gateway, signal).await;
    }
}

#[tokio::test]
async fn a_client_without_a_handshake_is_answered_and_leaves_nothing_behind() {
    let temp = TempEnv::new();
    let mut gateway = launch(&temp).spawn();
    let found = gateway
        .request("server/discover", stateless(json!({})))
        .await;
    let found = found.unwrap();
    assert!(found["supportedVersions"].is_array(), "{found}");
    assert!(found["instructions"].as_str().unwrap().chars().count() <= 2_048);
    for list in LISTS {
        gateway.request(list, stateless(json!({}))).await.unwrap();
    }
    ends_without_a_trace(&temp, gateway, Some(Signal::SIGINT)).await;
}

#[tokio::test]
async fn a_probe_before_the_handshake_is_answered_at_once_either_way() {
    let temp = TempEnv::new();
    let mut gateway = launch(&temp).spawn();
    // An older server's answer, after which the client shakes hands: whichever it is, it is not silence.
    let probe = gateway
        .request("server/discover", stateless(json!({})))
        .await;
    assert!(probe.is_ok() || probe.unwrap_err()["code"] == -32601);
    let hello = gateway.initialize().await;
    assert_eq!(hello["serverInfo"]["name"], "shim");
    ends_without_a_trace(&temp, gateway, None).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_a_word_leaves_nothing_behind() {
    for signal in [Some(Signal::SIGINT), None] {
        let temp = TempEnv::new();
        let gateway = launch(&temp).spawn();
        ends_without_a_trace(&temp, gateway, signal).await;
    }
}
