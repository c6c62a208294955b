//! What comes first: priority, then age; and what was given back before all of its priority.

use shim_proto::coordination::v1::{Requirements, WorkerKind};
use shim_store::tasks::{Class, Submission};

use super::test_store::{TestStore, claim_in, once, single};

fn with_priority(goal: &str, priority: u32) -> Submission {
    let mut plan = single(goal);
    plan.root.priority = priority;
    plan
}

async fn goals(env: &TestStore, count: usize) -> Vec<String> {
    let mut goals = Vec::new();
    for _ in 0..count {
        goals.push(env.claim("w").await.unwrap().task.goal);
    }
    goals
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_goes_before_age() {
    let env = TestStore::new().await;
    for (goal, priority) in [("d", 100), ("b", 2), ("a", 1), ("c", 2)] {
        env.submit(with_priority(goal, priority)).await;
    }
    assert_eq!(goals(&env, 4).await, ["a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_back_goes_before_all_of_its_priority() {
    let env = TestStore::new().await;
    for goal in ["a", "b", "c"] {
        env.submit(with_priority(goal, 2)).await;
    }
    let (first, second) = (env.claim("w").await.unwrap(), env.claim("v").await.unwrap());
    let tasks = &env.store.tasks;
    // One by its worker, one because its worker died: the older first.
    tasks
        .release(&once(), &second.task.task_id, second.lease, "")
        .await
        .unwrap();
    assert_eq!(env.release_worker_tasks("w", true).await, 1);
    env.wait_until_relayed().await;
    env.submit(with_priority("first of all", 1)).await;
    assert_eq!(first.task.goal, "a");
    let goals = async {
        let mut goals = Vec::new();
        for _ in 0..4 {
            goals.push(env.claim("u").await.unwrap().task.goal);
        }
        goals
    };
    assert_eq!(goals.await, ["first of all", "a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_in_order_across_queues() {
    let env = TestStore::new().await;
    let needs = |capability: &str| Requirements {
        executor: WorkerKind::Unspecified.into(),
        capabilities: vec![capability.to_owned()],
    };
    let mut queues = vec!["work".to_owned()];
    for (goal, priority, capability) in [
        ("old", 5, ""),
        ("rust", 5, "rust"),
        ("urgent", 1, "sql"),
        ("young", 5, ""),
    ] {
        let mut plan = with_priority(goal, priority);
        if !capability.is_empty() {
            plan.root.requirements = Some(needs(capability));
            queues.push(Class::of(plan.root.requirements.as_ref()).name);
        }
        env.submit(plan).await;
        // Age counts in milliseconds.
        env.next_millisecond().await;
    }
    let names: Vec<&str> = queues.iter().map(String::as_str).collect();
    let heads = env.heads(&names, 10).await;
    let order: Vec<&str> = heads.iter().map(|head| head.queue.as_str()).collect();
    assert_eq!(order, [names[2], names[0], names[1], names[0]]);
    let urgent = claim_in(&env.store, names[2], "w").await.unwrap();
    assert_eq!(urgent.task.goal, "urgent");
}
