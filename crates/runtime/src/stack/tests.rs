#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn one_of_many_gets_the_lock_and_death_frees_it() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::at(&folder.path().join("new"));
    assert_eq!(stack.state(), StackState::Stopped);
    let mut lock = stack.acquire().unwrap();
    assert_eq!(stack.state(), StackState::Starting);
    assert!(matches!(stack.acquire(), Err(StackError::AlreadyRunning)));
    let info = StackInfo {
        pid: 1,
        version: "0".into(),
        started_unix_ms: 1,
        socket: stack.socket(),
        tcp: None,
        token_file: None,
        redis: None,
        surroundings: None,
    };
    let room = || std::fs::metadata(stack.lock_path()).unwrap().len();
    let before = room();
    lock.publish(&info).unwrap();
    assert_eq!(stack.state(), StackState::Running(info));
    assert_eq!(room(), before, "publishing needs no further room");
    drop(lock);
    assert_eq!(stack.state(), StackState::Stopped);
    stack.acquire().unwrap();
}

#[test]
fn while_a_folder_is_held_no_stack_starts_there() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::at(folder.path());
    let hold = Hold::take(&stack, "a backup is being restored").unwrap();
    assert_eq!(
        stack.state(),
        StackState::Held("a backup is being restored".into())
    );
    assert!(matches!(stack.acquire(), Err(StackError::Held(why)) if why.contains("backup")));
    assert!(matches!(
        Hold::take(&stack, "another"),
        Err(StackError::Held(_))
    ));
    let under = hold.lock_stack().unwrap();
    assert!(matches!(stack.state(), StackState::Held(_)));
    drop(under);
    drop(hold);
    assert_eq!(stack.state(), StackState::Stopped);
    stack.acquire().unwrap();
}

#[test]
fn a_stack_that_runs_keeps_its_lock_and_is_seen_beside_a_hold() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::at(folder.path());
    let lock = stack.acquire().unwrap();
    let hold = Hold::take(&stack, "an upgrade").unwrap();
    assert!(matches!(hold.lock_stack(), Err(StackError::AlreadyRunning)));
    drop(lock);
    hold.lock_stack().unwrap();
}

#[test]
fn a_folder_in_which_another_has_a_hand_is_held_and_nothing_in_it_is_believed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&folder, open).unwrap();
    let stack = Stack::at(&folder);
    assert!(matches!(stack.state(), StackState::Held(why) if why.contains("chmod -R go-w")));
    assert!(matches!(stack.acquire(), Err(StackError::Untrusted(_))));
    assert!(matches!(
        Hold::take(&stack, "work"),
        Err(StackError::Untrusted(_))
    ));
    assert!(!stack.lock_path().exists());
    stack.in_folder(Sharing::Shared).acquire().unwrap();
}

#[test]
fn a_lock_that_is_a_link_is_neither_read_nor_written() {
    let home = tempfile::tempdir().unwrap();
    let (folder, other) = (home.path().join("data"), home.path().join("precious"));
    std::fs::create_dir(&folder).unwrap();
    for name in ["stack.lock", "hold.lock"] {
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, folder.join(name)).unwrap();
        for sharing in [Sharing::Private, Sharing::Shared] {
            let stack = Stack::at(&folder).in_folder(sharing);
            assert!(matches!(stack.state(), StackState::Held(_)), "{name}");
            assert!(stack.acquire().is_err() && Hold::take(&stack, "work").is_err());
        }
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
        std::fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn the_socket_is_the_folders_whatever_the_lock_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::at(folder.path());
    let mut lock = stack.acquire().unwrap();
    let elsewhere = StackInfo {
        pid: 1,
        version: "0".into(),
        started_unix_ms: 1,
        socket: "/tmp/elsewhere.sock".into(),
        tcp: None,
        token_file: None,
        redis: None,
        surroundings: None,
    };
    lock.publish(&elsewhere).unwrap();
    let StackState::Running(info) = stack.state() else {
        panic!("the lock is held");
    };
    assert_eq!(info.socket, stack.socket());
    let holder = lock_holder(&stack.lock_path());
    if cfg!(target_os = "linux") {
        assert_eq!(holder, Some(std::process::id()));
    }
    drop(lock);
    assert_eq!(lock_holder(&stack.lock_path()), None);
}

/// A program in the place of a stack's, with this shell script.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&path, runs).unwrap();
    path
}

#[tokio::test]
async fn a_start_that_fails_is_told_at_once_with_its_own_reason() {
    let home = tempfile::tempdir().unwrap();
    let stack = Stack::at(&home.path().join("data"));
    stack.prepare_folder().unwrap();
    std::fs::write(stack.log_path(), "error: of an earlier start\n").unwrap();
    let wait = Duration::from_secs(60);
    for (script, expected) in [
        (
            "echo 'error: the disk is full' >&2; echo 'hint: x' >&2; exit 1",
            "the disk is full",
        ),
        ("echo 'dyld: no library' >&2; exit 2", "dyld: no library"),
        ("exit 1", "it said nothing"),
    ] {
        let exe = program(home.path(), script);
        let failed = stack.ensure_running(&exe, wait).await.unwrap_err();
        assert!(
            matches!(&failed, StackError::Failed(why, _) if why == expected),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_start_that_gave_way_to_one_that_failed_is_made_again() {
    let home = tempfile::tempdir().unwrap();
    let stack = Stack::at(&home.path().join("data"));
    let exe = program(
        home.path(),
        "test -e \"$0.second\" && { echo 'error: why' >&2; exit 1; }; touch \"$0.second\"",
    );
    let failed = stack.ensure_running(&exe, Duration::from_secs(60)).await;
    assert!(matches!(failed, Err(StackError::Failed(why, _)) if why == "why"));
}
