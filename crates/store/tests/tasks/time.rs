//! What the time brings: deadlines, silence, schedules, and that finished jobs are forgotten.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{TaskEventKind, TaskState};
use shim_redis_harness::Redis;
use shim_store::tasks::{Pace, Plan};

use super::house::{House, graph, once, patient, single};
use super::laws;

fn due_in(mut plan: Plan, time: Duration) -> Plan {
    plan.root.deadline = Some((SystemTime::now() + time).into());
    plan
}

fn keys(redis: &Redis) -> BTreeSet<String> {
    let script = "return table.concat(redis.call('KEYS', '*'), '\\n')";
    let all = redis.ask(&["EVAL", script, "0"]).unwrap();
    all.text().unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_near_its_deadline_goes_before_all_others_and_fails_after_it() {
    let house = House::new().await;
    house.submit(single("other")).await;
    let ids = house
        .submit(due_in(graph(&[&[], &[0]]), Duration::from_millis(100)))
        .await;
    let escalated = async || {
        house.sweep().await;
        house.carried_over().await;
        house.task(&ids[1]).await.priority == 1
    };
    while !escalated().await {}
    let first = house.claim("w").await.unwrap();
    assert_eq!(first.task.task_id, ids[1]);
    let expired = loop {
        let swept = house.sweep().await;
        if !swept.expired.is_empty() {
            break swept.expired;
        }
    };
    assert_eq!(expired, [ids[0].clone()]);
    let (job, count) = house.store.tasks.expire(&once(), &ids[0]).await.unwrap();
    assert_eq!((job.state(), count), (TaskState::Failed, 3));
    assert_eq!(job.error.unwrap().reason, "DEADLINE_EXCEEDED");
    assert!(house.report(&first, 0.5).await.is_err());
    assert!(house.sweep().await.expired.is_empty());
    laws::hold(&house.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_task_is_told_as_stuck_until_it_is_heard() {
    let house = House::new().await;
    let ids = house.submit(single("slow")).await;
    let claimed = house.claim("w").await.unwrap();
    let impatient = Pace {
        stuck_after: Duration::from_millis(1),
        ..patient()
    };
    while !house.task(&ids[0]).await.stuck {
        house.store.tasks.sweep(&impatient).await.unwrap();
    }
    assert_eq!(house.state(&ids[0]).await, "RUNNING");
    assert!(!house.report(&claimed, 0.1).await.unwrap().stuck);
    let events = house.store.tasks.events(&ids[0], "", 100).await.unwrap();
    let stuck = events
        .iter()
        .filter(|event| event.kind() == TaskEventKind::Stuck);
    assert_eq!(stuck.count(), 1);
    house.complete(&claimed, "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_due_until_it_is_moved_and_called_off_for_good() {
    let house = House::new().await;
    let mut plan = graph(&[&[]]);
    plan.root.schedule = "* * * * *".to_owned();
    plan.schedule_next = Some(SystemTime::now());
    let ids = house.submit(plan).await;
    assert_eq!(house.state(&ids[0]).await, "DELAYED");
    assert!(house.claim("w").await.is_none());
    let due = house.sweep().await.due;
    assert_eq!(due.len(), 1);
    let (id, since) = &due[0];
    assert_eq!((id, house.sweep().await.due.len()), (&ids[0], 1));
    let next = since + 60_000;
    house
        .store
        .tasks
        .reschedule(id, *since, next)
        .await
        .unwrap();
    assert!(house.sweep().await.due.is_empty());
    // Somebody who did not know that it was moved moves nothing.
    house
        .store
        .tasks
        .reschedule(id, *since, *since)
        .await
        .unwrap();
    assert!(house.sweep().await.due.is_empty());
    assert_eq!(house.cancel(id).await, 2);
    laws::hold(&house.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_time_came_is_ready() {
    let house = House::new().await;
    let mut plan = single("later");
    plan.delay = Duration::from_secs(1);
    let ids = house.submit(plan).await;
    assert_eq!(house.state(&ids[0]).await, "DELAYED");
    assert!(house.claim("w").await.is_none());
    while house.state(&ids[0]).await != "READY" {
        house.sweep().await;
    }
    assert_eq!(house.claim_soon("w").await.task.task_id, ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_forgotten_job_nothing_is_left() {
    let house = House::new().await;
    // What stays of any job at all.
    let warm = house.submit(single("first")).await;
    let claimed = house.claim("w").await.unwrap();
    house.complete(&claimed, "done").await;
    house.carried_over().await;
    let forgetful = Pace {
        keep: Duration::ZERO,
        ..patient()
    };
    let forgotten = house.store.tasks.sweep(&forgetful).await.unwrap().forgotten;
    assert_eq!(forgotten, 1);
    assert!(house.store.tasks.get(&warm[0]).await.unwrap().is_none());
    let before = keys(&house.redis);

    let mut plans = vec![
        single("one"),
        graph(&[&[], &[0], &[0, 1]]),
        graph(&[&[], &[0]]),
    ];
    for plan in &mut plans {
        for (place, task) in plan.subtasks.iter_mut().enumerate() {
            task.workspace = "w".to_owned();
            task.files = vec![format!("file-{place}")];
        }
    }
    for plan in plans {
        house.submit(plan).await;
    }
    for _ in 0..4 {
        let claimed = house.claim_soon("w").await;
        house.report(&claimed, 0.5).await.unwrap();
        house.complete(&claimed, "done").await;
    }
    for job in laws::jobs(&house.store).await {
        house.cancel(&job.root.task_id).await;
    }
    house.carried_over().await;
    while house.store.tasks.sweep(&forgetful).await.unwrap().forgotten > 0 {}
    let transient = |key: &&String| {
        // Answers to repeated requests and counts of the last minute go by themselves; the clock of a workspace and
        // where the files of tasks were last go when they were quiet for long.
        [":did:", ":ended", ":near:", "{ns:w}"]
            .iter()
            .any(|what| key.contains(what))
    };
    let after = keys(&house.redis);
    let left: Vec<_> = after
        .difference(&before)
        .filter(|key| !transient(key))
        .collect();
    assert_eq!(left, Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_are_kept_than_may_be() {
    let house = House::new().await;
    for _ in 0..30 {
        house.submit(single("one")).await;
        let claimed = house.claim("w").await.unwrap();
        house.complete(&claimed, "done").await;
    }
    house.carried_over().await;
    let few = Pace {
        keep_jobs: 10,
        ..patient()
    };
    house.store.tasks.sweep(&few).await.unwrap();
    assert_eq!(laws::jobs(&house.store).await.len(), 10);
}
