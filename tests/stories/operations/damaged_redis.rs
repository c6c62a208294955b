//! An append-only file with a torn end, as a loss of power leaves it: the reason is told, and one step mends it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    assert!(
        fixed.contains("a Redis started on the mended files, and holds"),
        "{fixed}"
    );
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

/// What is done to the parts of an append-only file: a folder with a snapshot, commands and a manifest.
type Act = fn(&Path);

const BASE: &str = ".base.rdb";
const COMMANDS: &str = ".incr.aof";
const MANIFEST: &str = ".manifest";

fn part(folder: &Path, ending: &str) -> PathBuf {
    let mut entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .find(|path| path.to_string_lossy().ends_with(ending))
        .unwrap()
}

fn change(folder: &Path, ending: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = part(folder, ending);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// A damage, and what `--fix` says of it.
const DAMAGES: [(&str, Act, &str); 16] = [
    (
        "nothing",
        |_| {},
        "nothing to fix in Redis's files: a Redis started on a copy of them, and holds",
    ),
    (
        "an empty manifest",
        |folder| change(folder, MANIFEST, Vec::clear),
        MENDED,
    ),
    (
        "a zeroed manifest",
        |folder| change(folder, MANIFEST, |it| it.fill(0)),
        MENDED,
    ),
    (
        "a cut manifest",
        |folder| change(folder, MANIFEST, |it| it.truncate(it.len() - 20)),
        MENDED,
    ),
    (
        "a damaged line",
        |folder| change(folder, MANIFEST, |it| it.extend(b"junk\n")),
        MENDED,
    ),
    (
        "no manifest",
        |folder| std::fs::remove_file(part(folder, MANIFEST)).unwrap(),
        MENDED,
    ),
    (
        "a manifest of one too many",
        |folder| {
            change(folder, MANIFEST, |it| {
                it.extend(b"file appendonly.aof.9.incr.aof seq 9 type i\n");
            });
        },
        ONLY_A_BACKUP,
    ),
    (
        "a torn end",
        |folder| change(folder, COMMANDS, |it| it.extend([0; 12])),
        MENDED,
    ),
    (
        "an end that is cut",
        |folder| change(folder, COMMANDS, |it| it.truncate(it.len() - 5)),
        "a Redis started on a copy",
    ),
    (
        "garbage at the head of the commands",
        |folder| change(folder, COMMANDS, |it| it[..9].fill(b'x')),
        ONLY_A_BACKUP,
    ),
    (
        "no commands",
        |folder| std::fs::remove_file(part(folder, COMMANDS)).unwrap(),
        ONLY_A_BACKUP,
    ),
    (
        "no snapshot",
        |folder| std::fs::remove_file(part(folder, BASE)).unwrap(),
        ONLY_A_BACKUP,
    ),
    (
        "an empty snapshot",
        |folder| change(folder, BASE, Vec::clear),
        ONLY_A_BACKUP,
    ),
    (
        "half a snapshot",
        |folder| change(folder, BASE, |it| it.truncate(it.len() / 2)),
        ONLY_A_BACKUP,
    ),
    (
        "garbage in the snapshot",
        |folder| change(folder, BASE, |it| it[9..].fill(0xF3)),
        ONLY_A_BACKUP,
    ),
    (
        "a newer format",
        |folder| change(folder, BASE, |it| it[..9].copy_from_slice(b"REDIS0099")),
        "install the Redis that wrote it",
    ),
];
const MENDED: &str = "a Redis started on the mended files, and holds";
const ONLY_A_BACKUP: &str = "only a backup helps";

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_damage_is_mended_or_left_as_it_is_with_a_step() {
    let temp = TempEnv::new();
    up(&temp).await;
    for step in 0..30 {
        let value = format!("{{\"step\":{step}}}");
        shim(&temp, &["state", "put", &format!("plan{step}"), &value]).await;
    }
    shim(&temp, &["down"]).await;
    let redis = temp.data_dir().join("redis");
    let files = redis.join("appendonlydir");
    let whole = temp.root().join("whole");
    copy_folder(&files, &whole);
    for (name, damage, expected) in DAMAGES {
        std::fs::remove_dir_all(&files).unwrap();
        copy_folder(&whole, &files);
        damage(&files);
        let before = contents(&files);
        let said = run(&temp, &["doctor", "--fix"]).await.text;
        assert!(said.contains(expected), "{name}: {said}");
        assert!(
            !redis.join("t").exists(),
            "{name}: the trial is cleared away"
        );
        if expected == MENDED {
            assert_ne!(contents(&files), before, "{name}");
        } else {
            assert_eq!(contents(&files), before, "{name}: nothing was changed");
        }
    }
    // The other way on: without the data, the files set aside.
    let said = shim_or_doctor(&temp).await;
    assert!(said.contains("Redis begins without its data"), "{said}");
    up(&temp).await;
    shim(&temp, &["state", "put", "anew", "{}"]).await;
    let aside = std::fs::read_dir(&redis).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy()
            .starts_with("appendonlydir.set-aside-")
    });
    assert_eq!(aside.count(), 1);
}

/// The doctor may find other things to say on this machine, so its exit code is not looked at.
async fn shim_or_doctor(temp: &TempEnv) -> String {
    run(temp, &["doctor", "--new-redis"]).await.text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_manifest_is_told_by_the_doctor_and_not_as_a_password() {
    let temp = TempEnv::new();
    up(&temp).await;
    shim(&temp, &["state", "put", "plan", r#"{"step":7}"#]).await;
    shim(&temp, &["down"]).await;
    let files = temp.data_dir().join("redis/appendonlydir");
    change(&files, MANIFEST, Vec::clear);
    up(&temp).await;
    let doctor = wait_until_said(&temp, &["doctor"], "Found an empty AOF manifest").await;
    assert!(doctor.contains("shim doctor --fix"), "{doctor}");
    assert!(!doctor.contains("password"), "{doctor}");
    let refused = run(&temp, &["doctor", "--fix"]).await.text;
    assert!(refused.contains(MENDED), "{refused}");
    let kept = wait_until_said(&temp, &["state", "get", "plan"], "\"step\"").await;
    assert!(kept.contains('7'), "{kept}");
}
