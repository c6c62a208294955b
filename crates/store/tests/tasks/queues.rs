//! Queues: a refused job leaves none, what nobody needs is forgotten, and some always have a place.

use std::time::Duration;

use shim_proto::coordination::v1::{Requirements, Task, WorkerKind};
use shim_proto::limits::task::{MAX_CALLER_QUEUES, MAX_QUEUES};
use shim_redis_harness::Reply;
use shim_store::tasks::{Class, Submission};
use shim_store::{Error, IdempotencyKey};

use super::test_store::{TestStore, claim_in, graph, once, plan, single, task};

fn needs(capability: &str) -> Option<Requirements> {
    Some(Requirements {
        executor: WorkerKind::Unspecified.into(),
        capabilities: vec![capability.to_owned()],
    })
}

/// A job of one task that asks for a capability.
fn asking_for(capability: &str) -> Submission {
    let mut plan = single(capability);
    plan.root.requirements = needs(capability);
    plan
}

/// A job whose parts each ask for something else.
fn asking_for_many(name: &str, count: usize) -> Submission {
    let root = task(name);
    let parts = (0..count).map(|n| Task {
        root_id: root.task_id.clone(),
        key: n.to_string(),
        requirements: needs(&format!("{name}-{n}")),
        ..task("part")
    });
    let parts = parts.collect();
    plan(root, parts)
}

fn by(caller: &str, plan: Submission) -> Submission {
    Submission {
        caller: caller.to_owned(),
        ..plan
    }
}

async fn refused(env: &TestStore, plan: &Submission) -> Error {
    env.store.tasks.submit(&once(), plan).await.unwrap_err()
}

/// The queues that workers look into, beside the plain one.
async fn known(env: &TestStore) -> Vec<String> {
    let classes = env.store.tasks.classes().await.unwrap().into_iter();
    let names = classes.map(|class| class.name);
    names.filter(|name| name != "work").collect()
}

/// Lets the time pass after which idle queues are looked at, and looks.
async fn forget_idle(env: &TestStore) {
    let idle = "{shim.tasks}:queues-idle";
    let members = env.redis.command(&["ZRANGE", idle, "0", "-1"]).unwrap();
    for queue in members.items().iter().filter_map(Reply::text) {
        env.redis.command(&["ZADD", idle, "0", queue]).unwrap();
    }
    env.sweep().await;
}

async fn follow_all(env: &TestStore) {
    for queue in known(env).await {
        env.store.tasks.follow(&queue).await.unwrap();
    }
}

/// Lets as much time pass as it takes to forget all queues.
async fn forget_all(env: &TestStore) {
    for _ in 0..MAX_QUEUES {
        follow_all(env).await;
        forget_idle(env).await;
        if known(env).await.is_empty() {
            return;
        }
    }
    panic!("{:?} are not forgotten", known(env).await);
}

/// Keys that name a queue.
fn traces_of(env: &TestStore, queue: &str) -> Vec<String> {
    let holds = |(key, value): (String, Reply)| {
        let is_trace = key.contains(queue) || format!("{value:?}").contains(queue);
        // The task's own record says which queue it was in.
        (is_trace && !key.contains(":task:")).then_some(key)
    };
    env.redis.contents().into_iter().filter_map(holds).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_job_leaves_nothing_behind() {
    let env = TestStore::new().await;
    env.submit(asking_for("used")).await;
    let before = env.redis.contents();
    let too_many = asking_for_many("made-up", MAX_QUEUES + 1);
    let Error::TooManyQueues {
        asked, in_use, max, ..
    } = refused(&env, &too_many).await
    else {
        panic!("the queues are what is too much");
    };
    assert_eq!((asked, in_use, max), (513, 1, 512));
    let orphan = Submission {
        root: Task {
            parent_id: uuid::Uuid::now_v7().to_string(),
            ..asking_for("below").root
        },
        ..asking_for("below")
    };
    assert!(matches!(
        refused(&env, &orphan).await,
        Error::TaskNotFound(_)
    ));
    assert_eq!(env.redis.contents(), before);
    let key = once();
    let first = IdempotencyKey {
        fingerprint: "a".to_owned(),
        ..key.clone()
    };
    env.store
        .tasks
        .submit(&first, &asking_for("used"))
        .await
        .unwrap();
    let with_first = env.redis.contents();
    let reused = env.store.tasks.submit(&key, &asking_for("other")).await;
    assert_eq!(reused.unwrap_err(), Error::RequestIdReused);
    assert_eq!(env.redis.contents(), with_first);
    env.submit(single("plain")).await;
    env.submit(asking_for("another")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_leaves_places_to_others_and_some_queues_always_have_one() {
    let env = TestStore::new().await;
    env.submit(by("ann", asking_for_many("a", MAX_CALLER_QUEUES)))
        .await;
    let more = by("ann", asking_for("one-more"));
    let full = Error::TooManyQueues {
        asked: 1,
        in_use: 256,
        max: 256,
        caller: "ann".to_owned(),
    };
    let refused_with = refused(&env, &more).await;
    assert_eq!(refused_with, full);
    assert!(
        refused_with
            .to_string()
            .ends_with("256 of at most 256 are in use by ann")
    );
    env.submit(by("ann", asking_for("a-7"))).await;
    let rest = MAX_QUEUES - MAX_CALLER_QUEUES;
    env.submit(by("bob", asking_for_many("b", rest))).await;
    let nobody = by("eve", asking_for("c"));
    assert!(matches!(
        refused(&env, &nobody).await,
        Error::TooManyQueues { .. }
    ));
    // The plain queues, and those of configured executors.
    let mut chat = single("for a window");
    chat.root.requirements.as_mut().unwrap().executor = WorkerKind::Chat.into();
    env.submit(by("ann", chat)).await;
    env.submit(by("ann", single("plain"))).await;
    let configured = [Class::of(needs("c").as_ref())];
    let kept = env
        .store
        .tasks
        .keep_queues(&configured, Duration::from_secs(60));
    kept.await.unwrap();
    env.submit(nobody).await;
    let health = env.store.tasks.health().await.unwrap();
    assert_eq!((health.queues_in_use, health.own_queues), (515, 256));
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_free_again_when_jobs_ended_and_idle_queues_go_with_all_their_keys() {
    let env = TestStore::new().await;
    let job = env
        .submit(by("ann", asking_for_many("a", MAX_CALLER_QUEUES)))
        .await;
    assert!(matches!(
        refused(&env, &by("ann", asking_for("b"))).await,
        Error::TooManyQueues { .. }
    ));
    env.cancel(&job[0]).await;
    // At once, before any queue is forgotten.
    let next = env
        .submit(by("ann", asking_for_many("b", MAX_CALLER_QUEUES)))
        .await;
    env.cancel(&next[0]).await;
    env.wait_until_relayed().await;
    forget_all(&env).await;
    assert_eq!(traces_of(&env, "work.any"), Vec::<String>::new());
    assert_eq!(env.store.tasks.health().await.unwrap().own_queues, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_ended_jobs_stays_a_while_and_one_in_use_or_paused_stays() {
    let env = TestStore::new().await;
    let class = Class::of(needs("c").as_ref());
    let alone = std::slice::from_ref(&class.name);
    env.submit(asking_for("c")).await;
    forget_idle(&env).await;
    assert_eq!(known(&env).await, alone);
    let claimed = claim_in(&env.store, &class.name, "w").await.unwrap();
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    env.store.tasks.follow(&class.name).await.unwrap();
    forget_idle(&env).await;
    assert_eq!(known(&env).await, alone, "people may look at its job");
    env.store
        .tasks
        .set_paused(&once(), alone, true)
        .await
        .unwrap();
    env.store.tasks.follow(&class.name).await.unwrap();
    forget_idle(&env).await;
    assert_eq!(known(&env).await, alone, "somebody paused it");
    env.store
        .tasks
        .set_paused(&once(), alone, false)
        .await
        .unwrap();
    env.store.tasks.follow(&class.name).await.unwrap();
    forget_idle(&env).await;
    assert_eq!(known(&env).await, Vec::<String>::new());
    let task = env.task(&claimed.task.task_id).await;
    assert_eq!(task.result.unwrap().text, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_taken_up_again_brings_its_queue_back() {
    let env = TestStore::new().await;
    let class = Class::of(needs("c").as_ref());
    let ids = env.submit(asking_for("c")).await;
    env.cancel(&ids[0]).await;
    env.wait_until_relayed().await;
    env.store.tasks.follow(&class.name).await.unwrap();
    forget_idle(&env).await;
    assert_eq!(known(&env).await, Vec::<String>::new());
    env.retry(&ids[0]).await;
    env.sweep().await;
    let classes = env.store.tasks.classes().await.unwrap();
    assert!(classes.contains(&class), "{classes:?}");
    env.wait_until_relayed().await;
    let claimed = claim_in(&env.store, &class.name, "w").await.unwrap();
    assert_eq!(claimed.task.task_id, ids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_of_an_older_version_go_when_its_jobs_are_over() {
    let env = TestStore::new().await;
    let ids = env.submit(asking_for("old")).await;
    let more = Class::of(needs("older").as_ref());
    let queues = "{shim.tasks}:queues";
    let slot = |name: &str| format!("{{shim.tasks}}:{name}");
    // As if neither had been counted.
    env.redis
        .command(&["HSET", queues, &more.name, ""])
        .unwrap();
    env.redis
        .command(&["DEL", &slot("queue-tasks"), &slot("queues-counted")])
        .unwrap();
    env.redis
        .command(&["HDEL", &slot(&format!("task:{}", ids[0])), "used"])
        .unwrap();
    env.sweep().await;
    forget_idle(&env).await;
    assert_eq!(
        known(&env).await.len(),
        2,
        "a task of that time may need them"
    );
    env.cancel(&ids[0]).await;
    env.wait_until_relayed().await;
    forget_all(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_queues_share_their_connections() {
    let env = TestStore::new().await;
    let clients = || {
        let listed = env.redis.command(&["CLIENT", "LIST"]).unwrap();
        listed.text().unwrap().lines().count()
    };
    let before = clients();
    env.submit(asking_for_many("a", 252)).await;
    env.wait_until_relayed().await;
    assert_eq!(clients(), before + 1, "one for all queues");
    for class in env.store.tasks.classes().await.unwrap() {
        let claimed = claim_in(&env.store, &class.name, "w").await;
        assert_eq!(claimed.is_some(), class.name != "work", "{}", class.name);
        if let Some(claimed) = claimed {
            env.complete(&claimed, "done").await;
        }
    }
    env.wait_until_relayed().await;
    // Two for each of the 16 that take jobs out, and one for all queues; closed ones take a moment to go.
    while clients() > before + 1 + 2 * 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(env.submit(graph(&[&[]])).await.len(), 2);
}
