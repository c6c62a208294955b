//! The client itself: that it is the one the stories are made for, and still behaves as SHIM takes for granted.

use serde_json::json;
use shim_tests::binary;
use shim_tests::claude::{ClaudeLab, Window, WindowKind, shell, text, tools, with_usage, write};
use shim_tests::temp_env::TempEnv;

#[tokio::test]
async fn the_client_is_the_version_that_is_pinned() {
    let temp = TempEnv::new();
    let Some(mut lab) = ClaudeLab::open(temp.root()).await else {
        return;
    };
    let window = Window::new(&lab, "w", WindowKind::Headless, &temp.project());
    let said = window.command(&mut lab, &["--version"]).await;
    let version = binary::claude_version();
    let found = said.iter().any(|line| line.starts_with(&version));
    assert!(found, "{version} is pinned, and it says {said:?}");
}

#[tokio::test]
async fn it_does_what_the_script_says_and_shows_the_model_what_came_of_it() {
    let temp = TempEnv::new();
    let Some(mut lab) = ClaudeLab::open(temp.root()).await else {
        return;
    };
    let window = Window::new(&lab, "w", WindowKind::Headless, &temp.project());
    let file = temp.project().join("a.txt");
    let script = [
        tools(&[
            ("Write", json!({"file_path": file, "content": "one\n"})),
            ("Bash", json!({"command": "echo from the shell"})),
        ]),
        with_usage(text("all written"), 5_000, 100),
    ];
    lab.script(window.key(), &script).await;
    let result = window.run(&mut lab, "write it").await;
    assert_eq!(result["result"], "all written", "{result}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\n");
    lab.turn(window.key()).await;
    let second = lab.turn(window.key()).await["messages"].to_string();
    assert!(second.contains("from the shell"), "{second}");

    // A conversation that is gone on with counts its whole cost, and says apart what is new. SHIM sums up the latter.
    lab.script(window.key(), &[with_usage(text("again"), 5_000, 100)])
        .await;
    let id = result["session_id"].as_str().unwrap();
    let resumed = window.clone().args(&["--resume", id]);
    let second = resumed.run(&mut lab, "again").await;
    let (before, total) = (&result["total_cost_usd"], &second["total_cost_usd"]);
    let (before, total) = (before.as_f64().unwrap(), total.as_f64().unwrap());
    assert!(total > before && before > 0.0, "{before} {total}");
    let own = second["model_usage_since_last_result"].as_object().unwrap();
    let own: f64 = own.values().map(|it| it["costUSD"].as_f64().unwrap()).sum();
    assert!((total - before - own).abs() < 1e-6, "{second}");
}

#[tokio::test]
async fn a_terminal_is_typed_into_and_its_live_session_is_known_by_its_process() {
    let temp = TempEnv::new();
    let Some(mut lab) = ClaudeLab::open(temp.root()).await else {
        return;
    };
    let window = Window::new(&lab, "w", WindowKind::Interactive, &temp.project());
    let file = temp.project().join("b.txt");
    lab.script(
        window.key(),
        &[shell("echo shown"), write(&file, "two"), text("WRITTEN")],
    )
    .await;
    let pid = window.start(&mut lab, "write the second file").await;
    window.shows(&mut lab, "WRITTEN").await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
    let turn = lab.turn(window.key()).await;
    let live = window.live(pid).unwrap();
    assert_eq!(live["sessionId"], turn["conversation"], "{live}");
    window.type_line(&mut lab, "/exit").await;
    assert_eq!(lab.ended("w").await["code"], 0);
}
