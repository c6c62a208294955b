//! Installations that fail, race and are cut short. The npm of these tests is a script; one test in `tests.rs` has the real one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shim_checks::within;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use tokio_util::sync::CancellationToken;

use super::test_host::{TestHost, call, pid_of};
use super::*;

/// Places a package for each entry of the lock file, and notes that it did.
const PLACES_ALL: &str = r#"echo run >> "$(dirname "$0")/runs"
exec "$(dirname "$0")/node" -e '
const fs = require("fs");
for (const path of Object.keys(JSON.parse(fs.readFileSync("package-lock.json", "utf8")).packages)) {
  if (!path) continue;
  fs.mkdirSync(path, { recursive: true });
  fs.writeFileSync(path + "/package.json", JSON.stringify({ version: "1.2.3" }));
}'"#;

fn install_error(error: EvolutionError) -> HostError {
    match error {
        EvolutionError::Host(error) => error,
        other => panic!("{other:?}"),
    }
}

fn runs(test: &TestHost) -> usize {
    let noted = std::fs::read_to_string(test.path("runs")).unwrap_or_default();
    noted.lines().count()
}

#[tokio::test]
async fn an_installation_that_fails_leaves_nothing_and_says_what_to_do() {
    for (npm, code, says) in [
        (
            "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network request to registry failed, reason: getaddrinfo ENOTFOUND x' >&2; exit 1",
            tonic::Code::Unavailable,
            "does not reach its registry",
        ),
        (
            "echo 'npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write' >&2; exit 0",
            tonic::Code::ResourceExhausted,
            "the disk is full",
        ),
        (
            "echo 'npm error code ENOSPC' >&2; exit 228",
            tonic::Code::ResourceExhausted,
            "the disk is full",
        ),
        (
            "mkdir -p node_modules/half; exit 0",
            tonic::Code::Unavailable,
            "left out",
        ),
        ("kill -9 $$", tonic::Code::Unavailable, "ended by signal 9"),
    ] {
        let mut test = TestHost::bare();
        test.set_npm(npm);
        let (host, project) = (test.host(), test.project("p", false).await);
        let error = call(&host, &project, "ping", json!({})).await.unwrap_err();
        let status = tonic::Status::from(error);
        assert_eq!(status.code(), code, "{npm}: {status:?}");
        assert!(status.message().contains(says), "{npm}: {status:?}");
        assert_eq!(test.tools(), [""; 0], "{npm}");
    }
}

#[tokio::test]
async fn the_real_npm_without_a_network_fails_soon_and_says_so() {
    let mut test = TestHost::bare();
    let npm = shim_exec::find_program(Path::new("npm")).unwrap();
    // Nothing listens on port 9, and the cache is empty.
    let script = format!(
        "exec {} \"$@\" --registry=http://127.0.0.1:9 --cache=\"$(dirname \"$0\")/cache\"",
        npm.display()
    );
    test.set_npm(&script);
    let (host, project) = (test.host(), test.project("p", false).await);
    let why = install_error(call(&host, &project, "ping", json!({})).await.unwrap_err());
    assert!(matches!(why, HostError::Offline { .. }), "{why:?}");
    assert_eq!(test.tools(), [""; 0]);
}

#[tokio::test]
async fn two_hosts_at_the_same_time_install_once_and_the_other_is_told() {
    let mut test = TestHost::bare();
    test.set_npm(&format!("sleep 1; {PLACES_ALL}"));
    let project = test.project("p", false).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let progress = ProgressSink::new(move |it| noted.lock().unwrap().push(it.text));
    // As of two processes: they share nothing but the folder.
    let (first, second) = (test.host(), test.host());
    let never = CancellationToken::new();
    let (one, two) = tokio::join!(
        first.tools_dir(&progress, &never),
        second.tools_dir(&progress, &never)
    );
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(runs(&test), 1);
    let told = told.lock().unwrap().clone();
    assert!(
        told.iter()
            .any(|it| it == "another process installs the tools"),
        "{told:?}"
    );
    assert!(
        told.iter().any(|it| it == "the tools are installed"),
        "{told:?}"
    );
    assert_eq!(test.tools().len(), 1);
    assert_ne!(
        pid_of(&first, &project).await,
        pid_of(&second, &project).await
    );
}

#[tokio::test]
async fn a_cancelled_installation_ends_npm_and_leaves_nothing() {
    let mut test = TestHost::bare();
    test.set_npm(
        "echo $$ > \"$(dirname \"$0\")/pid\"; mkdir -p node_modules/half; sleep 600 & wait",
    );
    let (host, cancel) = (test.host(), CancellationToken::new());
    let pid = test.path("pid");
    let cancelled = cancel.clone();
    let started = async {
        while !pid.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancelled.cancel();
    };
    let progress = ProgressSink::none();
    let (ended, ()) =
        within(async { tokio::join!(host.tools_dir(&progress, &cancel), started) }).await;
    assert_eq!(install_error(ended.unwrap_err()), HostError::Cancelled);
    let pid: u32 = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    within(async {
        while process::identity(pid).is_some() || !test.tools().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_half_installation_is_never_used_and_older_tools_make_room() {
    let mut test = TestHost::bare();
    test.set_npm(PLACES_ALL);
    let tools = &test.config.tools;
    let current = tools.join(scripts::packages_name());
    // Without its marker it is what a killed process left, or what somebody copied.
    for name in [
        current.clone(),
        tools.join(".installing-1"),
        tools.join(".removing-1"),
    ] {
        std::fs::create_dir_all(name.join("node_modules/half")).unwrap();
    }
    let (unused, used) = (
        tools.join("00000000000000aa"),
        tools.join("00000000000000bb"),
    );
    for older in [&unused, &used] {
        std::fs::create_dir_all(older).unwrap();
        std::fs::write(older.join(super::install::MARKER), "{}").unwrap();
    }
    let in_use = std::fs::File::open(used.join(super::install::MARKER)).unwrap();
    in_use.lock_shared().unwrap();
    let host = test.host();
    let folder = host
        .tools_dir(&ProgressSink::none(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(folder, current);
    assert!(!folder.join("node_modules/half").exists());
    let left = test.tools();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&"00000000000000bb".to_owned()));
}

#[tokio::test]
async fn tools_that_lost_a_package_are_installed_anew_once() {
    let mut test = TestHost::bare();
    test.set_npm(PLACES_ALL);
    let (host, project) = (test.host(), test.project("p", false).await);
    let versions = call(&host, &project, "versions", json!({})).await.unwrap();
    assert_eq!(
        (&versions["packages"]["eslint"], runs(&test)),
        (&json!("1.2.3"), 1)
    );
    let folder = host
        .tools_dir(&ProgressSink::none(), &CancellationToken::new())
        .await
        .unwrap();
    std::fs::remove_dir_all(folder.join("node_modules/eslint")).unwrap();
    let versions = call(&host, &project, "versions", json!({})).await.unwrap();
    assert_eq!(
        (&versions["packages"]["eslint"], runs(&test)),
        (&json!("1.2.3"), 2)
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let test = TestHost::bare();
    let (host, project) = (test.host(), test.project("p", false).await);
    std::fs::remove_dir_all(&test.config.tools).unwrap();
    std::fs::write(&test.config.tools, "a file in its place").unwrap();
    let why = install_error(call(&host, &project, "ping", json!({})).await.unwrap_err());
    assert!(matches!(why, HostError::Folder { .. }), "{why:?}");
}

#[tokio::test]
async fn what_a_killed_installation_left_is_removed_at_the_next_start() {
    let test = TestHost::bare();
    let half = test.config.tools.join(".installing-1/node_modules/half");
    std::fs::create_dir_all(&half).unwrap();
    let lock = std::fs::File::create(test.config.tools.join("install.lock")).unwrap();
    lock.lock().unwrap();
    let _while_another_installs = test.host();
    test.background.shutdown().begin();
    test.background.finish().await;
    assert!(half.exists());
    drop(lock);
    let test = TestHost {
        background: BackgroundTasks::new("test", &Shutdown::new()),
        ..test
    };
    let _host = test.host();
    within(async {
        while half.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
