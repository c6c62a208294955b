//! Children that live as long as their handles.

use std::time::Duration;

use shim_checks::{Lifeline, within};
use shim_exec::GroupChild;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::test_env::TestEnv;

#[tokio::test]
async fn a_child_answers_line_by_line_for_as_long_as_it_lives() {
    let env = TestEnv::new();
    let launch = env.script("while read -r line; do echo \"<$line>\"; done; exit 7");
    let mut child = GroupChild::spawn(&launch, &env.groups).await.unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for request in ["one", "two"] {
        input
            .write_all(format!("{request}\n").as_bytes())
            .await
            .unwrap();
        let answer = within(lines.next_line()).await.unwrap().unwrap();
        assert_eq!(answer, format!("<{request}>"));
    }
    drop(input);
    assert_eq!(within(child.wait()).await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_child_that_ignores_the_end_is_killed_with_its_group_after_the_grace() {
    let env = TestEnv::new();
    let mut lifeline = Lifeline::at(&env.path("lifeline"));
    let script = format!(
        "trap '' TERM; {} (trap '' TERM; sleep 1000) & while :; do sleep 1000; done",
        Lifeline::HOLD
    );
    let mut child = GroupChild::spawn(&env.script(&script), &env.groups)
        .await
        .unwrap();
    lifeline.opened().await;
    let status = within(child.terminate(Duration::from_millis(100))).await;
    assert_eq!(status.unwrap().code(), None);
    lifeline.closed().await;
}

#[tokio::test]
async fn a_dropped_child_leaves_no_process_and_no_record() {
    let env = TestEnv::new();
    let mut lifeline = Lifeline::at(&env.path("lifeline"));
    let script = format!("{} sleep 1000 & sleep 1000", Lifeline::HOLD);
    let child = GroupChild::spawn(&env.script(&script), &env.groups)
        .await
        .unwrap();
    lifeline.opened().await;
    drop(child);
    lifeline.closed().await;
    assert_eq!(std::fs::read_dir(env.path("groups")).unwrap().count(), 0);
}
