//! Programs whose children leave their group: none outlives its program, its owner or a dropped handle, and no other
//! program loses one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shim_checks::{Lifeline, within};
use shim_exec::{ExitCause, GroupChild, Groups};

use crate::owner::{OwnerProcess, SUPERVISOR};
use crate::test_env::TestEnv;

/// Ways out of a group; each leaves a process that holds the lifeline.
const ESCAPES: [&str; 4] = [
    "setsid sh -c 'sleep 1000' &",
    "setsid sh -c '(sleep 1000 &) &' &",
    "env -i setsid sh -c 'trap \"\" TERM HUP INT; setsid sleep 1000 & sleep 1000' &",
    "(setsid sh -c '(setsid env -i sleep 1000 &)' &);",
];

fn supervised() -> TestEnv {
    TestEnv::with(|groups| groups.supervised_by(SUPERVISOR.into()))
}

fn escaping(escape: &str, then: &str) -> String {
    format!("{} {escape} {then}", Lifeline::HOLD)
}

#[tokio::test]
async fn what_leaves_its_group_dies_with_its_program() {
    for escape in ESCAPES {
        let env = supervised();
        let lifeline = Lifeline::at(&env.path("lifeline"));
        let mut ended = within(env.run(&escaping(escape, "echo done; exit 3"), "")).await;
        assert!(matches!(ended.end, ExitCause::Exited(status) if status.code() == Some(3)));
        assert_eq!(ended.stdout.text().0, "done\n");
        lifeline.closed().await;
    }
}

#[tokio::test]
async fn what_leaves_its_group_dies_when_the_time_is_up_or_the_handle_is_dropped() {
    for escape in ESCAPES {
        let mut env = supervised();
        env.limits.timeout = Duration::from_millis(300);
        env.limits.grace = Duration::from_millis(100);
        let lifeline = Lifeline::at(&env.path("lifeline"));
        let ended = within(env.run(&escaping(escape, "sleep 1000"), "")).await;
        assert_eq!(ended.end, ExitCause::TimedOut);
        lifeline.closed().await;

        let env = supervised();
        let mut lifeline = Lifeline::at(&env.path("lifeline"));
        let launch = env.script(&escaping(escape, "sleep 1000"));
        let child = GroupChild::spawn(&launch, &env.groups).await.unwrap();
        lifeline.opened().await;
        drop(child);
        lifeline.closed().await;
    }
}

#[tokio::test]
async fn what_leaves_its_group_dies_with_an_owner_that_is_killed() {
    for escape in ESCAPES {
        let folder = tempfile::tempdir().unwrap();
        let mut lifeline = Lifeline::at(&folder.path().join("lifeline"));
        let script = escaping(escape, "sleep 1000");
        let owner = OwnerProcess::spawn(folder.path(), &script, true);
        lifeline.opened().await;
        drop(owner);
        lifeline.closed().await;
    }
}

#[tokio::test]
async fn another_programs_children_live_on() {
    let env = supervised();
    let mut lifeline = Lifeline::at(&env.path("lifeline"));
    let launch = env.script(&escaping(ESCAPES[1], "sleep 1000"));
    let child = GroupChild::spawn(&launch, &env.groups).await.unwrap();
    lifeline.opened().await;
    let other = supervised();
    let _other_line = Lifeline::at(&other.path("lifeline"));
    within(other.run(&escaping(ESCAPES[1], "true"), "")).await;
    within(env.run("setsid sleep 1000 & exit 0", "")).await;
    assert!(lifeline.is_open());
    drop(child);
    lifeline.closed().await;
}

#[tokio::test]
async fn a_supervised_program_ends_as_it_would_alone() {
    let env = supervised();
    for (script, code) in [
        ("exit 0", Some(0)),
        ("exit 127", Some(127)),
        ("kill -TERM $$", None),
    ] {
        let ended = within(env.run(script, "")).await;
        let ExitCause::Exited(status) = ended.end else {
            panic!("{script}: it exits");
        };
        assert_eq!(status.code(), code, "{script}");
    }
    let mut ended = within(env.run("cat; echo no >&2", "one\n")).await;
    assert_eq!(ended.stdout.text().0, "one\n");
    assert_eq!(ended.stderr.text().0, "no\n");
}

#[tokio::test]
async fn a_program_runs_without_its_supervisor_where_there_is_none() {
    for none in ["/no/such/supervisor", "/bin/true", "/bin/echo"] {
        let env = TestEnv::with(|groups: Groups| groups.supervised_by(Path::new(none).into()));
        let env = Arc::new(env);
        let mut ended = within(env.run("echo alone", "")).await;
        assert_eq!(ended.stdout.text().0, "alone\n", "{none}");
    }
}
