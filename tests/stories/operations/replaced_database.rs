//! The database's file is removed or replaced under a running stack: nothing more is acknowledged, it is said loudly, and what is
//! printed helps.

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch, tool_output};
use shim_tests::temp_env::TempEnv;

use super::{run, shim, up, wait_until_said};

const SAVE: &str = "shim_auto_checkpoint";

fn task(text: &str) -> Value {
    json!({"current_task": text, "progress": 0.3, "next_steps": ["go on"]})
}

async fn refused(window: &mut Gateway) -> String {
    let answer = window.call(SAVE, task("lost")).await;
    assert_eq!(answer["isError"], json!(true), "{answer}");
    answer["content"][0]["text"].as_str().unwrap().to_owned()
}

/// The first command of the command line that a text quotes and that begins so, as its words.
fn quoted<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let mut commands = quoted.filter_map(|quoted| quoted.strip_prefix("shim "));
    let command = commands.find(|command| command.starts_with(begin));
    command
        .unwrap_or_else(|| panic!("no `shim {begin}`: {text}"))
        .split(' ')
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_database_is_told_and_what_it_held_comes_back() {
    let temp = TempEnv::new();
    up(&temp).await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let _saved = tool_output(window.call(SAVE, task("kept")).await);
    std::fs::remove_file(temp.data_dir().join("checkpoints.db")).unwrap();

    let said = refused(&mut window).await;
    assert!(
        said.contains("DATABASE_REPLACED") && said.contains("shim doctor"),
        "{said}"
    );
    let status = run(&temp, &["status"]).await;
    assert!(
        !status.is_success && status.text.contains("DATABASE_REPLACED"),
        "{}",
        status.text
    );
    let verified = run(&temp, &["sessions", "verify"]).await;
    assert!(
        !verified.is_success && verified.text.contains("DATABASE_REPLACED"),
        "{}",
        verified.text
    );
    let doctor = run(&temp, &["doctor"]).await;
    assert!(
        !doctor.is_success && doctor.text.contains("was removed"),
        "{}",
        doctor.text
    );
    assert!(
        !doctor.text.contains("ok    database") && !doctor.text.contains("restore-backup FILE"),
        "{}",
        doctor.text
    );

    shim(&temp, &quoted(&doctor.text, "sessions restore-backup")).await;
    let saved = tool_output(window.call(SAVE, task("on it goes")).await);
    assert_eq!(saved["checkpoint"]["number"], 2, "{saved}");
    assert!(run(&temp, &["status"]).await.is_success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_copied_over_is_refused_until_the_stack_takes_it() {
    let temp = TempEnv::new();
    up(&temp).await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let _saved = tool_output(window.call(SAVE, task("one")).await);
    shim(&temp, &["sessions", "backup", "backup.db"]).await;
    let _saved = tool_output(window.call(SAVE, task("two")).await);
    std::fs::copy(
        temp.project().join("backup.db"),
        temp.data_dir().join("checkpoints.db"),
    )
    .unwrap();

    // Without a call, too: an idle stack looks by itself.
    let doctor = wait_until_said(&temp, &["doctor"], "DATABASE_REPLACED").await;
    assert!(doctor.contains("overwritten"), "{doctor}");
    refused(&mut window).await;
    let verified = run(&temp, &["sessions", "verify"]).await;
    assert!(!verified.is_success, "{}", verified.text);
    shim(&temp, &["down"]).await;
    up(&temp).await;
    let saved = tool_output(window.call(SAVE, task("on it goes")).await);
    assert_eq!(saved["checkpoint"]["number"], 2, "{saved}");
    let verified = shim(&temp, &["sessions", "verify"]).await;
    assert!(
        verified.contains("all intact"),
        "no log was mixed in: {verified}"
    );
}
