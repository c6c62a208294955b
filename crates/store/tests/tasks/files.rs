//! Tasks with files: nobody works on the same ones at a time, and whoever waits for them is served.

use std::time::Duration;

use shim_store::tasks::{Claimed, Plan};

use super::foreign::producer;
use super::house::{House, once, single};
use super::laws;

const WORKSPACE: &str = "repo";

fn on(goal: &str, files: &[&str]) -> Plan {
    let mut plan = single(goal);
    plan.root.workspace = WORKSPACE.to_owned();
    plan.root.files = files.iter().map(|file| (*file).to_owned()).collect();
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_files_another_has_lets_the_next_go_first() {
    let house = House::new().await;
    for plan in [
        on("a", &["src/**"]),
        on("b", &["src/lib.rs"]),
        on("c", &["docs/*"]),
    ] {
        house.submit(plan).await;
    }
    let first = house.claim("w").await.unwrap();
    let second = house.claim("w").await.unwrap();
    assert_eq!(
        (first.task.goal.as_str(), second.task.goal.as_str()),
        ("a", "c")
    );
    assert!(house.claim("w").await.is_none());
    house.complete(&first, "done").await;
    let third = house.claim_soon("w").await;
    assert_eq!(third.task.goal, "b");
    house.complete(&second, "done").await;
    house.complete(&third, "done").await;
    house.carried_over().await;
    laws::are_quiet(&house.store, &[WORKSPACE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_files_is_tried_as_soon_as_they_are_free() {
    let house = House::new().await;
    house.submit(on("a", &["x"])).await;
    let mut holder = house.claim("w").await.unwrap();
    for goal in ["b", "c", "d"] {
        house.submit(on(goal, &["x"])).await;
    }
    // Each refusal doubles the pause, up to two seconds.
    let refused = async {
        for _ in 0..7 {
            assert!(house.claim("w").await.is_none());
            house.wait_for_blocked(3).await;
        }
    };
    refused.await;
    for goal in ["b", "c", "d"] {
        let since = std::time::Instant::now();
        house.complete(&holder, "done").await;
        holder = house.claim_soon("w").await;
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
    let house = House::new().await;
    house.submit(on("a", &["x"])).await;
    let dead = house.claim("dead").await.unwrap();
    house.bury("dead", true).await;
    house.carried_over().await;
    let leases = house.leases(WORKSPACE).await;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].holder, dead.task.task_id);
    let next = house.claim("w").await.unwrap();
    assert_eq!(next.task.task_id, dead.task.task_id);
    house.complete(&next, "done").await;
    house.carried_over().await;
    assert_eq!(house.leases(WORKSPACE).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_bullmq_hands_out_twice_costs_its_worker_no_files() {
    let house = House::new().await;
    let ids = house.submit(on("a", &["x"])).await;
    let claimed = house.claim("w").await.unwrap();
    let queue = producer(&house).await;
    let job = queue.get_job(&ids[0]).await.unwrap().unwrap();
    job.move_to_wait(Some("shim")).await.unwrap();
    assert!(house.claim("other").await.is_none());
    assert_eq!(house.task(&ids[0]).await.worker_id, "w");
    assert_eq!(house.leases(WORKSPACE).await.len(), 1);
    house.complete(&claimed, "done").await;
    house.carried_over().await;
    laws::are_quiet(&house.store, &[WORKSPACE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_free_however_a_task_ends() {
    let house = House::new().await;
    for end in [
        "complete",
        "fail",
        "cancel",
        "cancel while it waits for them",
        "workers die",
    ] {
        let ids = house.submit(on(end, &["x"])).await;
        let claimed = house.claim_soon("w").await;
        match end {
            "complete" => house.complete(&claimed, "done").await,
            "fail" => drop(house.fail(&claimed, true).await),
            "cancel" => drop(house.cancel(&ids[0]).await),
            "cancel while it waits for them" => {
                let other = house.submit(on("other", &["x"])).await;
                assert!(house.claim("w").await.is_none());
                house.cancel(&other[0]).await;
                house.cancel(&ids[0]).await;
            }
            _ => dies_often(&house, claimed).await,
        }
        house.carried_over().await;
        laws::are_quiet(&house.store, &[WORKSPACE]).await;
    }
}

async fn dies_often(house: &House, claimed: Claimed) {
    let id = claimed.task.task_id.clone();
    house
        .store
        .tasks
        .release(&once(), &id, claimed.lease, "")
        .await
        .unwrap();
    for death in 0..10 {
        let worker = format!("victim-{death}");
        assert_eq!(house.claim_soon(&worker).await.task.task_id, id);
        house.bury(&worker, true).await;
    }
    let task = house.task(&id).await;
    assert_eq!(task.error.unwrap().reason, "WORKERS_DIED");
    assert_eq!(task.worker_deaths, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_starves_for_files_that_others_take_in_turn() {
    let house = House::new().await;
    let (mut x, mut y) = (None, None);
    for (file, has) in [("x", &mut x), ("y", &mut y)] {
        house.submit(on("small", &[file])).await;
        *has = house.claim("w").await;
    }
    house.submit(on("both", &["x", "y"])).await;
    assert!(house.claim("w").await.is_none());
    // Somebody always has one of the two when the other becomes free, as long as others are let have it.
    let since = std::time::Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(20), "it starves");
        for (file, has) in [("x", &mut x), ("y", &mut y)] {
            house.submit(on("small", &[file])).await;
            if let Some(had) = has.take() {
                house.complete(&had, "done").await;
            }
            house.carried_over().await;
            *has = house.claim("w").await;
            if has.as_ref().is_some_and(|next| next.task.goal == "both") {
                return;
            }
        }
    }
}
