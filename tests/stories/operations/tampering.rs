//! What was changed in the data folder is told by the program, and nothing of a changed archive is taken in.

use serde_json::{Value, json};
use shim_tests::mcp::{GatewayLaunch, tool_output};
use shim_tests::temp_env::TempEnv;

use super::{run, shim, up};

/// Runs SQL on the database, as a program of the same user could.
fn sql(temp: &TempEnv, statements: &str) {
    let db = rusqlite::Connection::open(temp.data_dir().join("checkpoints.db")).unwrap();
    db.execute_batch(statements).unwrap();
}

async fn three_saves(temp: &TempEnv) {
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    for step in 1..=3 {
        let state = json!({"current_task": format!("step {step}"), "progress": 0.3, "next_steps": ["go on"]});
        let _told = tool_output(window.call("shim_auto_checkpoint", state).await);
        let signals = json!({"message_count": step});
        let _told = tool_output(window.call("shim_monitor_signals", signals).await);
    }
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_database_is_told_by_verify_and_doctor() {
    let temp = TempEnv::new();
    up(&temp).await;
    three_saves(&temp).await;
    let clean = shim(&temp, &["sessions", "verify"]).await;
    assert!(clean.contains("all intact"), "{clean}");
    sql(
        &temp,
        "UPDATE sessions SET project = '/elsewhere'; DELETE FROM signals WHERE row_id = 2;
         UPDATE checkpoints SET id = randomblob(16) WHERE number = 2; DELETE FROM checkpoints WHERE number = 3",
    );
    let told = run(&temp, &["sessions", "verify"]).await;
    assert!(!told.is_success, "{}", told.text);
    for fault in [
        "its column project",
        "2 signal snapshots",
        "#2 its column id",
        "#3 is missing",
    ] {
        assert!(told.text.contains(fault), "{fault}: {}", told.text);
    }
    let told = run(&temp, &["sessions", "verify", "--json"]).await;
    let report: Value = serde_json::from_str(&told.text).unwrap();
    assert!(
        !told.is_success && report["intact"] == json!(false),
        "{report}"
    );
    assert_eq!(
        report["fault_count"],
        json!(report["faults"].as_array().unwrap().len())
    );
    let doctor = run(&temp, &["doctor"]).await;
    assert!(
        !doctor.is_success && doctor.text.contains("sessions verify"),
        "{}",
        doctor.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_cut_or_changed_is_refused_with_its_line() {
    let (temp, other) = (TempEnv::new(), TempEnv::new());
    up(&temp).await;
    up(&other).await;
    three_saves(&temp).await;
    let file = other.project().join("archive.jsonl");
    let name = file.to_str().unwrap().to_owned();
    shim(&temp, &["sessions", "export", "--output", &name]).await;
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert!(lines.last().unwrap().contains("trailer"), "{whole}");
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let mut doubled = lines.clone();
    doubled.insert(3, lines[3]);
    for (archive, why) in [
        (joined(&lines[..4]), "cut off"),
        (joined(&doubled), "line 4"),
        (whole.replace("step 2", "step 9"), "line"),
        (
            joined(&lines[..2]) + "{}\n" + &joined(&lines[2..]),
            "line 3",
        ),
        (
            joined(&lines[..2]) + "nonsense\n" + &joined(&lines[2..]),
            "line 3",
        ),
        (whole.replace("\"format\":2", "\"format\":3"), "format 3"),
        (joined(&lines) + &joined(&lines), "trailer"),
    ] {
        std::fs::write(&file, archive).unwrap();
        let refused = run(&other, &["sessions", "import", &name]).await;
        assert!(
            !refused.is_success && refused.text.contains(why),
            "{why}: {}",
            refused.text
        );
        let listed = shim(&other, &["sessions", "list", "--json"]).await;
        assert!(!listed.contains("step"), "{why}: {listed}");
    }
    std::fs::write(&file, whole).unwrap();
    let taken = shim(&other, &["sessions", "import", &name]).await;
    assert!(taken.contains("3 checkpoints"), "{taken}");
    assert!(
        shim(&other, &["sessions", "verify"])
            .await
            .contains("all intact")
    );
}
