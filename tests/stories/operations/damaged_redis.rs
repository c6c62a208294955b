//! An append-only file with a torn end, as a loss of power leaves it: the reason is told, and one step mends it.

use std::io::Write;
use std::path::PathBuf;

use shim_tests::temp_env::TempEnv;

use super::{command, ended, run, shim, up, wait_until_said};

/// The newest part of the append-only file.
fn newest_part(temp: &TempEnv) -> PathBuf {
    let entries = std::fs::read_dir(temp.data_dir().join("redis/appendonlydir")).unwrap();
    let mut parts: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .collect();
    parts.sort();
    parts.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_append_only_file_is_named_and_mended() {
    let temp = TempEnv::new();
    up(&temp).await;
    let whole = shim(&temp, &["doctor", "--fix"]).await;
    assert!(whole.contains("nothing to fix"), "{whole}");
    shim(&temp, &["state", "put", "plan", r#"{"step":7}"#]).await;
    shim(&temp, &["down"]).await;
    let part = newest_part(&temp);
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&part)
        .unwrap();
    file.write_all(&[0; 12]).unwrap();
    drop(file);

    up(&temp).await;
    let doctor = wait_until_said(&temp, &["doctor"], "it ends at each start").await;
    for part in ["Bad file format", "redis.log", "shim doctor --fix"] {
        assert!(doctor.contains(part), "{part}: {doctor}");
    }
    let status = run(&temp, &["status"]).await.text;
    assert!(
        status.contains("Bad file format") && status.contains("--fix"),
        "{status}"
    );

    let fixed = ended(&mut command(&temp, &["doctor", "--fix"])).await.text;
    assert!(
        fixed.contains("a copy of Redis's files as they were"),
        "{fixed}"
    );
    assert!(
        fixed.contains("ends with its last whole command again"),
        "{fixed}"
    );
    assert!(fixed.contains("the stack runs again"), "{fixed}");
    let copies = std::fs::read_dir(temp.data_dir().join("redis")).unwrap();
    let copies = copies.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("appendonlydir.damaged-")
    });
    assert_eq!(copies.count(), 1);
    let kept = wait_until_said(&temp, &["state", "get", "plan"], "\"step\"").await;
    assert!(kept.contains('7'), "nothing acknowledged is lost: {kept}");
    let doctor = run(&temp, &["doctor"]).await.text;
    assert!(doctor.contains("it runs; its log is"), "{doctor}");
}
