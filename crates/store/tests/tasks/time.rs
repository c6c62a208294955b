//! What the time brings: deadlines, silence, and that finished jobs are forgotten.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{TaskEventKind, TaskState};
use shim_redis_harness::Redis;
use shim_store::tasks::{Submission, SweepConfig};

use super::invariants;
use super::test_store::{TestStore, graph, once, patient, single};

fn due_in(mut plan: Submission, time: Duration) -> Submission {
    plan.root.deadline = Some((SystemTime::now() + time).into());
    plan
}

fn keys(redis: &Redis) -> BTreeSet<String> {
    let script = "return table.concat(redis.call('KEYS', '*'), '\\n')";
    let all = redis.command(&["EVAL", script, "0"]).unwrap();
    all.text().unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_near_its_deadline_goes_before_all_others_and_fails_after_it() {
    let env = TestStore::new().await;
    env.submit(single("other")).await;
    let ids = env
        .submit(due_in(graph(&[&[], &[0]]), Duration::from_millis(100)))
        .await;
    let escalated = async || {
        env.sweep().await;
        env.wait_until_relayed().await;
        env.task(&ids[1]).await.priority == 1
    };
    while !escalated().await {}
    let first = env.claim("w").await.unwrap();
    assert_eq!(first.task.task_id, ids[1]);
    let expired = loop {
        let swept = env.sweep().await;
        if !swept.expired.is_empty() {
            break swept.expired;
        }
    };
    assert_eq!(expired, [ids[0].clone()]);
    let (job, count) = env.store.tasks.expire(&once(), &ids[0]).await.unwrap();
    assert_eq!((job.state(), count), (TaskState::Failed, 3));
    assert_eq!(job.error.unwrap().reason, "DEADLINE_EXCEEDED");
    assert!(env.report(&first, 0.5).await.is_err());
    assert!(env.sweep().await.expired.is_empty());
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_task_is_reported_as_stuck_until_its_next_report() {
    let env = TestStore::new().await;
    let ids = env.submit(single("slow")).await;
    let claimed = env.claim("w").await.unwrap();
    let impatient = SweepConfig {
        stuck_after: Duration::from_millis(1),
        ..patient()
    };
    while !env.task(&ids[0]).await.stuck {
        env.store.tasks.sweep(&impatient).await.unwrap();
    }
    assert_eq!(env.state(&ids[0]).await, "RUNNING");
    assert!(!env.report(&claimed, 0.1).await.unwrap().stuck);
    let events = env.store.tasks.events(&ids[0], "", 100).await.unwrap();
    let stuck = events
        .iter()
        .filter(|event| event.kind() == TaskEventKind::Stuck);
    assert_eq!(stuck.count(), 1);
    env.complete(&claimed, "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_time_came_is_ready() {
    let env = TestStore::new().await;
    let mut plan = single("later");
    plan.delay = Duration::from_secs(1);
    let ids = env.submit(plan).await;
    assert_eq!(env.state(&ids[0]).await, "DELAYED");
    assert!(env.claim("w").await.is_none());
    while env.state(&ids[0]).await != "READY" {
        env.sweep().await;
    }
    assert_eq!(env.claim_soon("w").await.task.task_id, ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_forgotten_job_nothing_is_left() {
    let env = TestStore::new().await;
    // What stays of any job at all.
    let warm = env.submit(single("first")).await;
    let claimed = env.claim("w").await.unwrap();
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    let forgetful = SweepConfig {
        keep: Duration::ZERO,
        ..patient()
    };
    let forgotten = env.store.tasks.sweep(&forgetful).await.unwrap().forgotten;
    assert_eq!(forgotten, 1);
    assert!(env.store.tasks.get(&warm[0]).await.unwrap().is_none());
    let before = keys(&env.redis);

    let mut plans = vec![
        single("one"),
        graph(&[&[], &[0], &[0, 1]]),
        graph(&[&[], &[0]]),
    ];
    for plan in &mut plans {
        for (index, task) in plan.subtasks.iter_mut().enumerate() {
            task.workspace = "w".to_owned();
            task.files = vec![format!("file-{index}")];
        }
    }
    for plan in plans {
        env.submit(plan).await;
    }
    for _ in 0..4 {
        let claimed = env.claim_soon("w").await;
        env.report(&claimed, 0.5).await.unwrap();
        env.complete(&claimed, "done").await;
    }
    for job in invariants::jobs(&env.store).await {
        env.cancel(&job.root.task_id).await;
    }
    env.wait_until_relayed().await;
    while env.store.tasks.sweep(&forgetful).await.unwrap().forgotten > 0 {}
    let transient = |key: &&String| {
        // Answers to repeated requests and counts of the last minute go by themselves; the clock of a workspace and
        // where the files of tasks were last go when they were quiet for long.
        [":did:", ":ended", ":near:", "{ns:w}"]
            .iter()
            .any(|what| key.contains(what))
    };
    let after = keys(&env.redis);
    let left: Vec<_> = after
        .difference(&before)
        .filter(|key| !transient(key))
        .collect();
    assert_eq!(left, Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_are_kept_than_may_be() {
    let env = TestStore::new().await;
    for _ in 0..30 {
        env.submit(single("one")).await;
        let claimed = env.claim("w").await.unwrap();
        env.complete(&claimed, "done").await;
    }
    env.wait_until_relayed().await;
    let few = SweepConfig {
        keep_jobs: 10,
        ..patient()
    };
    env.store.tasks.sweep(&few).await.unwrap();
    assert_eq!(invariants::jobs(&env.store).await.len(), 10);
}
