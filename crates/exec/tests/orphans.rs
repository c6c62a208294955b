//! Programs whose owner was killed: the orphan guard ends them at once, or else the next owner does.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use shim_checks::Lifeline;
use shim_runtime::process;
use tempfile::TempDir;

use crate::owner::{OwnerProcess, open};
use crate::test_env::WORK;

fn spawn_owner(folder: &Path) -> OwnerProcess {
    let script = format!("{} (sleep 1000 & sleep 1000) & sleep 1000", Lifeline::HOLD);
    OwnerProcess::spawn(folder, &script, false)
}

/// The process group that is recorded.
fn group_in(folder: &Path) -> i32 {
    let mut records = std::fs::read_dir(folder.join("groups")).unwrap();
    let record = records.next().unwrap().unwrap();
    record.file_name().to_str().unwrap().parse().unwrap()
}

fn children(parent: u32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map(|(_, fields)| fields.to_owned());
            let parent_of =
                after_name.and_then(|fields| fields.split_whitespace().nth(1)?.parse().ok());
            parent_of == Some(parent)
        })
        .collect()
}

#[tokio::test]
async fn programs_die_with_an_owner_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::at(&folder.path().join("lifeline"));
    let owner = spawn_owner(folder.path());
    lifeline.opened().await;
    drop(owner);
    lifeline.closed().await;
}

/// A group that runs on after its guard and its owner were killed.
async fn orphaned(folder: &Path) -> (Lifeline, Pid) {
    let mut lifeline = Lifeline::at(&folder.join("lifeline"));
    let owner = spawn_owner(folder);
    lifeline.opened().await;
    let group = group_in(folder);
    let mut guards = children(owner.0.id());
    guards.retain(|pid| *pid != group);
    assert_eq!(guards.len(), 1);
    // While its owner lives, no other process touches the group.
    open(folder);
    kill(Pid::from_raw(guards[0]), Signal::SIGKILL).unwrap();
    drop(owner);
    assert!(lifeline.is_open());
    (lifeline, Pid::from_raw(group))
}

#[tokio::test]
async fn what_outlives_owner_and_guard_is_killed_by_the_next_owner() {
    let folder = tempfile::tempdir().unwrap();
    let (lifeline, _) = orphaned(folder.path()).await;
    open(folder.path());
    lifeline.closed().await;
}

#[tokio::test]
async fn grandchildren_are_found_without_their_leader() {
    let folder = tempfile::tempdir().unwrap();
    let (mut lifeline, leader) = orphaned(folder.path()).await;
    kill(leader, Signal::SIGKILL).unwrap();
    assert!(lifeline.is_open());
    open(folder.path());
    lifeline.closed().await;
}

/// A group that is recorded as left by a dead owner, with the recorded start moved by `shift` ticks.
fn orphan(folder: &TempDir, shift: u64, work_id: &str) -> (Child, Lifeline) {
    let groups = folder.path().join("groups");
    std::fs::create_dir_all(&groups).unwrap();
    let path = folder.path().join("lifeline");
    let lifeline = Lifeline::at(&path);
    let child = Command::new("sh")
        .args(["-c", &format!("{} sleep 1000", Lifeline::HOLD), "sh"])
        .arg(path)
        .env(WORK, work_id)
        .process_group(0)
        .spawn()
        .unwrap();
    let leader = process::identity(child.id()).unwrap();
    let mut gone = Command::new("true").spawn().unwrap();
    let gone_pid = gone.id();
    gone.wait().unwrap();
    let record = json!({
        "boot_id": process::boot_id(),
        "owner": {"pid": gone_pid, "start_ticks": 1},
        "leader": {"pid": leader.pid, "start_ticks": leader.start_ticks + shift},
        "task_id": "task-1",
    });
    std::fs::write(groups.join(child.id().to_string()), record.to_string()).unwrap();
    (child, lifeline)
}

#[tokio::test]
async fn only_the_very_process_that_was_recorded_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut lifeline) = orphan(&folder, 0, "");
    lifeline.opened().await;
    open(folder.path());
    lifeline.closed().await;
    child.wait().unwrap();
    assert_eq!(
        std::fs::read_dir(folder.path().join("groups"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn another_program_with_the_pid_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut lifeline) = orphan(&folder, 7, "another-task");
    lifeline.opened().await;
    open(folder.path());
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(
        std::fs::read_dir(folder.path().join("groups"))
            .unwrap()
            .count(),
        0
    );
    let group = Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::killpg(group, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_record_in_the_middle_of_its_write_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let groups = folder.path().join("groups");
    std::fs::create_dir_all(&groups).unwrap();
    let (fresh, old) = (groups.join("1000001"), groups.join("1000002"));
    std::fs::write(&fresh, "").unwrap();
    std::fs::File::create(&old)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3_600))
        .unwrap();
    open(folder.path());
    assert!(fresh.exists() && !old.exists());
}
