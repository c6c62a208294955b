//! A task from its submission to its end.

use shim_store::Error;

use super::test_store::{TestStore, graph, once, single};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_claimed_reported_on_and_completed() {
    let env = TestStore::new().await;
    let ids = env.submit(single("one thing")).await;
    assert_eq!(env.state(&ids[0]).await, "READY");

    let claimed = env.claim("w").await.unwrap();
    assert_eq!(claimed.task.task_id, ids[0]);
    assert_eq!(claimed.task.goal, "one thing");
    assert!(env.claim("v").await.is_none());
    let reported = env.report(&claimed, 0.5).await.unwrap();
    assert!((reported.progress - 0.5).abs() < f64::EPSILON);

    env.complete(&claimed, "done").await;
    let task = env.store.tasks.get(&ids[0]).await.unwrap().unwrap();
    assert_eq!(task.result.unwrap().text, "done");
    assert_eq!(env.state(&ids[0]).await, "COMPLETED");
    let late = env.report(&claimed, 0.7).await;
    assert!(matches!(late, Err(Error::StaleLease { .. })), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_task_starts_when_it_is_done_and_the_job_ends_with_the_last() {
    let env = TestStore::new().await;
    let ids = env.submit(graph(&[&[], &[], &[0, 1]])).await;
    let first = env.claim("a").await.unwrap();
    let second = env.claim("b").await.unwrap();
    assert!(env.claim("c").await.is_none());
    env.complete(&first, "1").await;
    assert_eq!(env.state(&ids[3]).await, "PENDING");
    env.complete(&second, "2").await;
    let third = loop {
        if let Some(third) = env.claim("c").await {
            break third;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(third.task.task_id, ids[3]);
    env.complete(&third, "3").await;
    assert_eq!(env.state(&ids[0]).await, "COMPLETED");
    let job = env.store.tasks.job(&ids[0], true).await.unwrap().unwrap();
    assert_eq!(job.root.subtasks.unwrap().completed, 3);
    assert!((job.root.progress - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submission_is_one_job() {
    let env = TestStore::new().await;
    let (once, plan) = (once(), single("once"));
    let first = env.store.tasks.submit(&once, &plan).await.unwrap();
    let again = env
        .store
        .tasks
        .submit(&once, &single("once"))
        .await
        .unwrap();
    assert_eq!(first.root.task_id, again.root.task_id);
    assert!(env.claim("w").await.is_some());
    assert!(env.claim("w").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_task_has_its_events_without_a_log_and_keeps_them_with_the_next() {
    let env = TestStore::new().await;
    let ids = env.submit(single("one thing")).await;
    let log = format!("{{shim.tasks}}:log:{}", ids[0]);
    let is_kept = || env.redis.command(&["EXISTS", &log]).unwrap().integer() == Some(1);
    let events = async |after: &str, count| {
        let events = env.store.tasks.events(&ids[0], after, count).await;
        let events = events.unwrap().into_iter();
        events.map(|event| (event.cursor, event.kind)).collect()
    };
    let queued: Vec<_> = events("", 10).await;
    let first: Vec<_> = events("", 1).await;
    let second: Vec<_> = events(&queued[0].0, 10).await;
    assert_eq!([first, second].concat(), queued);
    assert!(!is_kept());
    env.claim("w").await.unwrap();
    let started: Vec<_> = events("", 10).await;
    assert_eq!((&started[..2], started.len()), (&queued[..], 3));
    assert!(is_kept());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_task_of_an_older_version_keeps_its_log() {
    let env = TestStore::new().await;
    let ids = env.submit(single("one thing")).await;
    let older = "redis.call('HDEL', KEYS[1], 'brief')
        redis.call('RPUSH', KEYS[2], cmsgpack.pack({1, 1, '', '', 0, ''}), cmsgpack.pack({2, 2, '', '', 0, ''}))";
    let keys = ["task", "log"].map(|kind| format!("{{shim.tasks}}:{kind}:{}", ids[0]));
    let command = ["EVAL", older, "2", &keys[0], &keys[1]];
    env.redis.command(&command).unwrap();
    env.claim("w").await.unwrap();
    let events = env.store.tasks.events(&ids[0], "", 10).await.unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!((&*events[0].cursor, &*events[1].cursor), ("1-1", "2-2"));
}
