//! The local stack: one however many gateways ask for it, and back by itself when it is killed.

use futures::future::join_all;
use serde_json::json;
use shim_runtime::stack::{StackInfo, StackState};
use shim_tests::mcp::GatewayLaunch;
use shim_tests::process;
use shim_tests::temp_env::TempEnv;

const RACERS: usize = 4;

fn running(temp: &TempEnv) -> StackInfo {
    match temp.stack().state() {
        StackState::Running(info) => info,
        other => panic!("no stack runs: {other:?}"),
    }
}

/// Processes that serve this data folder.
fn stacks(temp: &TempEnv) -> Vec<u32> {
    let data_dir = temp.data_dir().display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let serves = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy)
            .collect();
        words.iter().any(|word| *word == data_dir) && words.iter().any(|word| word == "up")
    };
    pids.filter(serves).collect()
}

#[tokio::test]
async fn gateways_that_race_end_up_on_one_stack() {
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut gateways = join_all((0..RACERS).map(|_| launch.open())).await;
    let saves = gateways.iter_mut().enumerate().map(|(n, gateway)| {
        gateway.call(
            "shim_auto_checkpoint",
            json!({"current_task": format!("racer {n}"), "progress": 0.1}),
        )
    });
    let saved = join_all(saves).await;
    for answer in &saved {
        assert_ne!(answer["isError"], json!(true), "{answer}");
    }
    let info = running(&temp);
    // The losers of the race leave as soon as they find the lock taken.
    for _ in 0..500 {
        if stacks(&temp) == [info.pid] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(stacks(&temp), [info.pid]);
    let listed = gateways[0]
        .call("shim_session_status", json!({"view": "sessions"}))
        .await;
    let text = listed["content"][0]["text"].as_str().unwrap();
    for n in 0..RACERS {
        assert!(text.contains(&format!("racer {n}")), "{text}");
    }
}

#[tokio::test]
async fn a_killed_stack_comes_back_and_the_session_goes_on() {
    let temp = TempEnv::new();
    let mut gateway = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let save = |task: &str| json!({"current_task": task, "progress": 0.3, "next_steps": ["go on"]});
    let before = gateway
        .call("shim_auto_checkpoint", save("before the kill"))
        .await;
    let first = running(&temp);
    process::signal(first.pid, nix::sys::signal::Signal::SIGKILL);

    let after = gateway
        .call("shim_auto_checkpoint", save("after the kill"))
        .await;
    assert_ne!(after["isError"], json!(true), "{after}");
    assert_eq!(
        after["structuredContent"]["session_id"],
        before["structuredContent"]["session_id"]
    );
    assert_eq!(
        after["structuredContent"]["checkpoint"]["number"], 2,
        "{after}"
    );
    assert_ne!(running(&temp).pid, first.pid);
}
