//! Tasks with files: no two tasks have the same files at a time, and a task that waits for files gets them.

use std::time::Duration;

use shim_store::tasks::{Claimed, Submission};

use super::foreign::producer;
use super::invariants;
use super::test_store::{TestStore, once, single, worker_id};

const WORKSPACE: &str = "repo";

fn on(goal: &str, files: &[&str]) -> Submission {
    let mut plan = single(goal);
    plan.root.workspace = WORKSPACE.to_owned();
    plan.root.files = files.iter().map(|file| (*file).to_owned()).collect();
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_files_another_has_lets_the_next_go_first() {
    let env = TestStore::new().await;
    for plan in [
        on("a", &["src/**"]),
        on("b", &["src/lib.rs"]),
        on("c", &["docs/*"]),
    ] {
        env.submit(plan).await;
    }
    let first = env.claim("w").await.unwrap();
    let second = env.claim("w").await.unwrap();
    assert_eq!(
        (first.task.goal.as_str(), second.task.goal.as_str()),
        ("a", "c")
    );
    assert!(env.claim("w").await.is_none());
    env.complete(&first, "done").await;
    let third = env.claim_soon("w").await;
    assert_eq!(third.task.goal, "b");
    env.complete(&second, "done").await;
    env.complete(&third, "done").await;
    env.wait_until_relayed().await;
    invariants::assert_quiet(&env.store, &[WORKSPACE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_files_is_tried_as_soon_as_they_are_free() {
    let env = TestStore::new().await;
    env.submit(on("a", &["x"])).await;
    let mut holder = env.claim("w").await.unwrap();
    for goal in ["b", "c", "d"] {
        env.submit(on(goal, &["x"])).await;
    }
    // Each refusal doubles the pause, up to two seconds.
    let refused = async {
        for _ in 0..7 {
            assert!(env.claim("w").await.is_none());
            env.wait_for_file_waiters(3).await;
        }
    };
    refused.await;
    for goal in ["b", "c", "d"] {
        let since = std::time::Instant::now();
        env.complete(&holder, "done").await;
        holder = env.claim_soon("w").await;
        assert_eq!(holder.task.goal, goal);
        assert!(
            since.elapsed() < Duration::from_millis(500),
            "{:?}",
            since.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_given_back_keeps_its_files() {
    let env = TestStore::new().await;
    env.submit(on("a", &["x"])).await;
    let dead = env.claim("dead").await.unwrap();
    env.release_worker_tasks("dead", true).await;
    env.wait_until_relayed().await;
    let leases = env.leases(WORKSPACE).await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].holder, dead.task.task_id);
    let next = env.claim("w").await.unwrap();
    assert_eq!(next.task.task_id, dead.task.task_id);
    env.complete(&next, "done").await;
    env.wait_until_relayed().await;
    assert_eq!(env.leases(WORKSPACE).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_bullmq_hands_out_twice_costs_its_worker_no_files() {
    let env = TestStore::new().await;
    let ids = env.submit(on("a", &["x"])).await;
    let claimed = env.claim("w").await.unwrap();
    let queue = producer(&env).await;
    let job = queue.get_job(&ids[0]).await.unwrap().unwrap();
    job.move_to_wait(Some("shim")).await.unwrap();
    assert!(env.claim("other").await.is_none());
    assert_eq!(
        env.task(&ids[0]).await.worker_id,
        worker_id("w").to_string()
    );
    assert_eq!(env.leases(WORKSPACE).await.len(), 1);
    env.complete(&claimed, "done").await;
    env.wait_until_relayed().await;
    invariants::assert_quiet(&env.store, &[WORKSPACE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_free_however_a_task_ends() {
    let env = TestStore::new().await;
    for end in [
        "complete",
        "fail",
        "cancel",
        "cancel while it waits for them",
        "workers die",
    ] {
        let ids = env.submit(on(end, &["x"])).await;
        let claimed = env.claim_soon("w").await;
        match end {
            "complete" => env.complete(&claimed, "done").await,
            "fail" => drop(env.fail(&claimed, true).await),
            "cancel" => drop(env.cancel(&ids[0]).await),
            "cancel while it waits for them" => {
                let other = env.submit(on("other", &["x"])).await;
                assert!(env.claim("w").await.is_none());
                env.cancel(&other[0]).await;
                env.cancel(&ids[0]).await;
            }
            _ => dies_often(&env, claimed).await,
        }
        env.wait_until_relayed().await;
        invariants::assert_quiet(&env.store, &[WORKSPACE]).await;
    }
}

async fn dies_often(env: &TestStore, claimed: Claimed) {
    let id = claimed.task.task_id.clone();
    env.store
        .tasks
        .release(&once(), &id, claimed.lease, "")
        .await
        .unwrap();
    for death in 0..10 {
        let worker = format!("victim-{death}");
        assert_eq!(env.claim_soon(&worker).await.task.task_id, id);
        env.release_worker_tasks(&worker, true).await;
    }
    let task = env.task(&id).await;
    assert_eq!(task.error.unwrap().reason, "WORKERS_DIED");
    assert_eq!(task.worker_deaths, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_starves_for_files_that_others_take_in_turn() {
    let env = TestStore::new().await;
    let (mut x, mut y) = (None, None);
    for (file, has) in [("x", &mut x), ("y", &mut y)] {
        env.submit(on("small", &[file])).await;
        *has = env.claim("w").await;
    }
    env.submit(on("both", &["x", "y"])).await;
    assert!(env.claim("w").await.is_none());
    // Somebody always has one of the two when the other becomes free, as long as others are let have it.
    let since = std::time::Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(20), "it starves");
        for (file, has) in [("x", &mut x), ("y", &mut y)] {
            env.submit(on("small", &[file])).await;
            if let Some(had) = has.take() {
                env.complete(&had, "done").await;
            }
            env.wait_until_relayed().await;
            *has = env.claim("w").await;
            if has.as_ref().is_some_and(|next| next.task.goal == "both") {
                return;
            }
        }
    }
}
