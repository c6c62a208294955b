//! Redis goes away and comes back, as one server, as a set behind Sentinels, and as a Cluster.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::Usage;
use shim_redis_harness::{Cluster, Sentinels};
use shim_runtime::lifecycle::Shutdown;
use shim_store::tasks::{Claimed, Submission};
use shim_store::{Error, Store};

use super::invariants;
use super::test_store::{TestStore, claimer, graph, once, patient, result, single, store_at};

/// Nobody waits longer for an answer, of whatever kind.
const PROMPT: Duration = Duration::from_millis(1_500);

/// Does something until it succeeds; each answer comes promptly.
async fn at_last<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let since = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = attempt().await;
        assert!(asked.elapsed() < PROMPT, "{what}: {:?}", asked.elapsed());
        match answer {
            Ok(done) => return done,
            Err(error) => assert!(since.elapsed() < Duration::from_secs(30), "{what}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn submit(store: &Store, plan: Submission) {
    let once = once();
    at_last("submit", async || store.tasks.submit(&once, &plan).await).await;
}

async fn claim(store: &Store) -> Claimed {
    at_last("claim", async || {
        let _ = store.tasks.sweep(&patient()).await;
        let claimed = store.tasks.take("work", &claimer("w")).await?;
        claimed.ok_or_else(|| Error::Unavailable("nothing to claim".to_owned()))
    })
    .await
}

async fn complete(store: &Store, claimed: &Claimed) {
    let (once, done, usage) = (once(), result("done"), Usage::default());
    let (id, lease) = (&claimed.task.task_id, claimed.lease);
    at_last("complete", async || {
        store.tasks.complete(&once, id, lease, &done, &usage).await
    })
    .await;
}

async fn quiet(store: &Store) {
    while at_last("health", async || store.tasks.health().await)
        .await
        .outbox
        > 0
    {
        let _ = store.tasks.sweep(&patient()).await;
    }
    invariants::assert_hold(store).await;
    invariants::assert_quiet(store, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_loses_no_task() {
    let mut env = TestStore::lasting().await;
    let store = env.store.clone();
    submit(&store, graph(&[&[], &[], &[0, 1]])).await;
    let first = claim(&store).await;
    env.redis.kill();
    let since = Instant::now();
    let down = store.tasks.submit(&once(), &single("not now")).await;
    assert!(matches!(down, Err(Error::Unavailable(_))), "{down:?}");
    let down = store.tasks.take("work", &claimer("w")).await;
    assert!(matches!(down, Err(Error::Unavailable(_))), "{down:?}");
    assert!(since.elapsed() < PROMPT * 2);
    tokio::task::block_in_place(|| env.redis.restart());
    complete(&store, &first).await;
    let second = claim(&store).await;
    tokio::task::block_in_place(|| env.redis.restart());
    complete(&store, &second).await;
    let third = claim(&store).await;
    complete(&store, &third).await;
    quiet(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_killed_at_any_moment_loses_no_task() {
    let mut env = TestStore::lasting().await;
    let store = env.store.clone();
    let work = async {
        for _ in 0..60 {
            submit(&store, single("one")).await;
            let claimed = claim(&store).await;
            complete(&store, &claimed).await;
        }
    };
    let killing = async {
        loop {
            let pause = Duration::from_millis(rand::random_range(50..300));
            tokio::time::sleep(pause).await;
            tokio::task::block_in_place(|| env.redis.restart());
        }
    };
    tokio::select! {
        () = work => {}
        () = killing => {}
    }
    quiet(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_on_after_a_failover() {
    let mut set = tokio::task::block_in_place(Sentinels::start);
    let shutdown = Shutdown::new();
    let store = store_at(&set.url(), &shutdown).await;
    submit(&store, graph(&[&[], &[0]])).await;
    let first = claim(&store).await;
    tokio::task::block_in_place(|| drop(set.master().command(&["WAIT", "1", "1000"])));
    tokio::task::block_in_place(|| set.failover());
    complete(&store, &first).await;
    let second = claim(&store).await;
    complete(&store, &second).await;
    quiet(&store).await;
    shutdown.begin();
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_live_in_a_cluster() {
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let shutdown = Shutdown::new();
    let store = store_at(&cluster.url(), &shutdown).await;
    let mut plan = graph(&[&[], &[0]]);
    for part in &mut plan.subtasks {
        part.workspace = "repo".to_owned();
        part.files = vec!["x".to_owned()];
    }
    submit(&store, plan).await;
    let first = claim(&store).await;
    for node in 0..3 {
        tokio::task::block_in_place(|| cluster.node(node).restart());
    }
    tokio::task::block_in_place(|| cluster.wait_until_ok());
    complete(&store, &first).await;
    let second = claim(&store).await;
    complete(&store, &second).await;
    quiet(&store).await;
    shutdown.begin();
}
