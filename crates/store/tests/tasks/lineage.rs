//! Jobs that are submitted on behalf of tasks: their place, their bounds, and that a cancellation reaches them.

use std::time::{Duration, SystemTime};

use shim_store::Error;
use shim_store::tasks::{LineageLimits, Submission, SweepConfig};

use super::invariants;
use super::test_store::{TestStore, graph, once, patient, single};

fn below(parent: &str, mut plan: Submission) -> Submission {
    parent.clone_into(&mut plan.root.parent_id);
    plan
}

async fn submit_below(env: &TestStore, parent: &str) -> String {
    env.submit(below(parent, single("a child")))
        .await
        .swap_remove(0)
}

async fn refused(env: &TestStore, plan: &Submission) -> Error {
    env.store.tasks.submit(&once(), plan).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_keeps_its_parent_and_its_depth() {
    let env = TestStore::new().await;
    let first = env.submit(graph(&[&[], &[0]])).await;
    let second = submit_below(&env, &first[1]).await;
    let third = submit_below(&env, &second).await;
    let places = async |id: &str| {
        let task = env.task(id).await;
        (task.parent_id, task.depth)
    };
    assert_eq!(places(&first[0]).await, (String::new(), 0));
    assert_eq!(places(&second).await, (first[1].clone(), 1));
    assert_eq!(places(&third).await, (second, 2));
    let unknown = uuid::Uuid::now_v7().to_string();
    let nobodys = below(&unknown, single("nobody's"));
    assert_eq!(refused(&env, &nobodys).await, Error::TaskNotFound(unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_deep_and_how_many_jobs_may_be_is_bounded() {
    let env = TestStore::new().await;
    let limits = LineageLimits {
        max_depth: 2,
        max_descendants: 3,
    };
    let limited = |parent: &str| Submission {
        lineage: limits,
        ..below(parent, single("a child"))
    };
    let submit = async |parent: &str| env.submit(limited(parent)).await.swap_remove(0);
    let first = env.submit(single("first")).await.swap_remove(0);
    let second = submit(&first).await;
    let third = submit(&second).await;
    let too_deep = refused(&env, &limited(&third)).await;
    let (parent, depth, max) = (third, 3, 2);
    assert_eq!(too_deep, Error::TooDeep { parent, depth, max });
    submit(&second).await;
    let (ancestor, max) = (first.clone(), 3);
    let too_many = Error::TooManyDescendants { ancestor, max };
    assert_eq!(refused(&env, &limited(&second)).await, too_many);
    assert_eq!(refused(&env, &limited(&first)).await, too_many);
    // Jobs beside it are not bounded by it.
    submit(&env.submit(single("another")).await[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_all_below_also_below_what_had_ended() {
    let env = TestStore::new().await;
    let first = env.submit(graph(&[&[], &[]])).await;
    let second = env.submit(below(&first[1], graph(&[&[], &[0]]))).await;
    let third = submit_below(&env, &second[1]).await;
    let beside = submit_below(&env, &first[2]).await;
    // A job in the middle ends before.
    let ended = env
        .submit(below(&first[1], single("quick")))
        .await
        .swap_remove(0);
    let mut claimed = env.claim_soon("w").await;
    while claimed.task.task_id != ended {
        claimed = env.claim_soon("w").await;
    }
    let below_ended = submit_below(&env, &ended).await;
    env.complete(&claimed, "done").await;

    // A part is called off with what was submitted on its behalf, and nothing else.
    assert_eq!(env.cancel(&first[1]).await, 1 + 3 + 1 + 1);
    for id in [&second[0], &second[2], &third, &below_ended] {
        assert_eq!(env.state(id).await, "CANCELLED");
    }
    assert_eq!(env.state(&ended).await, "COMPLETED");
    assert_ne!(env.state(&beside).await, "CANCELLED");
    let why = env.task(&third).await.error.unwrap();
    assert!(why.message.contains("on whose behalf"), "{why:?}");

    // Nothing comes below it any more, not even below what had ended.
    for parent in [&first[1], &second[0], &third, &ended, &below_ended] {
        let late = below(parent, single("late"));
        let refused = refused(&env, &late).await;
        assert!(
            matches!(refused, Error::ParentCancelled { .. }),
            "{refused:?}"
        );
    }
    // The rest of the job reaches what its other part submitted.
    env.cancel(&first[0]).await;
    assert_eq!(env.state(&beside).await, "CANCELLED");
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_had_ended_is_cancelled_for_what_it_submitted_and_a_retry_takes_jobs_again() {
    let env = TestStore::new().await;
    let first = env.submit(single("hands on")).await.swap_remove(0);
    let claimed = env.claim_soon("w").await;
    let second = submit_below(&env, &first).await;
    env.complete(&claimed, "handed on").await;
    let third = submit_below(&env, &first).await;
    assert_eq!(env.cancel(&first).await, 2);
    assert_eq!(env.state(&first).await, "COMPLETED");
    for id in [&second, &third] {
        assert_eq!(env.state(id).await, "CANCELLED");
    }
    assert_eq!(env.cancel(&first).await, 0);

    let again = env.submit(single("again")).await.swap_remove(0);
    env.cancel(&again).await;
    env.retry(&again).await;
    submit_below(&env, &again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_and_a_failed_sibling_call_off_what_was_submitted_too() {
    let env = TestStore::new().await;
    let late = env.submit(single("late")).await.swap_remove(0);
    let of_late = submit_below(&env, &late).await;
    env.store.tasks.expire(&once(), &late).await.unwrap();
    assert_eq!(env.state(&late).await, "FAILED");

    let job = env.submit(graph(&[&[], &[]])).await;
    let mut claimed = env.claim_soon("w").await;
    while claimed.task.task_id != job[1] {
        claimed = env.claim_soon("w").await;
    }
    let of_sibling = submit_below(&env, &job[2]).await;
    env.fail(&claimed, true).await;
    env.sweep().await;
    for id in [&of_late, &of_sibling] {
        assert_eq!(env.state(id).await, "CANCELLED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_are_called_off_by_the_sweep_and_all_is_forgotten() {
    let env = TestStore::new().await;
    let first = env.submit(single("first")).await.swap_remove(0);
    let many: Vec<&[usize]> = vec![&[]; 999];
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(env.submit(below(&first, graph(&many))).await.swap_remove(0));
    }
    let cancelled = env.cancel(&first).await;
    assert!((2_001..4_001).contains(&cancelled), "{cancelled}");
    for job in &jobs {
        while env.state(job).await != "CANCELLED" {
            env.sweep().await;
        }
    }
    let forgetful = SweepConfig {
        keep_jobs: 0,
        ..patient()
    };
    while env.store.tasks.get(&jobs[3]).await.unwrap().is_some() {
        env.store.tasks.sweep(&forgetful).await.unwrap();
    }
    let script = "return #redis.call('KEYS', '*kin:*') + #redis.call('KEYS', '*disowned*')";
    let left = env.redis.command(&["EVAL", script, "0"]).unwrap();
    assert_eq!(left.integer(), Some(0));
}

/// What stands below a job of two parts: jobs in a row, one that was called off by itself, one below a job that had ended,
/// and a schedule.
struct Family {
    first: Vec<String>,
    second: Vec<String>,
    third: String,
    by_hand: String,
    ended: String,
    below_ended: String,
    schedule: String,
    of_other_part: String,
}

impl Family {
    async fn submit(env: &TestStore) -> Self {
        let first = env.submit(graph(&[&[], &[]])).await;
        let ended = env
            .submit(below(&first[1], single("quick")))
            .await
            .swap_remove(0);
        let mut claimed = env.claim_soon("w").await;
        while claimed.task.task_id != ended {
            claimed = env.claim_soon("w").await;
        }
        let below_ended = submit_below(env, &ended).await;
        env.complete(&claimed, "done").await;
        let second = env.submit(below(&first[1], graph(&[&[], &[0]]))).await;
        let third = submit_below(env, &second[1]).await;
        let by_hand = submit_below(env, &first[1]).await;
        env.cancel(&by_hand).await;
        let mut plan = below(&first[1], single("now and then"));
        plan.root.schedule = "* * * * *".to_owned();
        plan.schedule_next = Some(SystemTime::now() + Duration::from_secs(3_600));
        Self {
            schedule: env.submit(plan).await.swap_remove(0),
            of_other_part: submit_below(env, &first[2]).await,
            first,
            second,
            third,
            by_hand,
            ended,
            below_ended,
        }
    }

    /// What comes back with the first part, in the order of states that the tests name.
    async fn states(&self, env: &TestStore) -> Vec<String> {
        let mut states = Vec::new();
        for id in [
            &self.second[0],
            &self.second[1],
            &self.second[2],
            &self.third,
            &self.below_ended,
            &self.schedule,
            &self.ended,
            &self.by_hand,
            &self.of_other_part,
        ] {
            states.push(env.state(id).await);
        }
        states
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_takes_up_what_the_cancellation_reached_and_nothing_else() {
    let env = TestStore::new().await;
    let family = Family::submit(&env).await;
    let called_off = [
        "CANCELLED",
        "CANCELLED",
        "CANCELLED",
        "CANCELLED",
        "CANCELLED",
        "CANCELLED",
        "COMPLETED",
        "CANCELLED",
        "CANCELLED",
    ];
    let alive = [
        "RUNNING",
        "READY",
        "PENDING",
        "READY",
        "READY",
        "DELAYED",
        "COMPLETED",
        "CANCELLED",
    ];
    let due = env.task(&family.schedule).await.not_before;
    env.cancel(&family.first[0]).await;
    assert_eq!(family.states(&env).await, called_off);
    // The parts, and below them: the two of the second job, the third, the one below the ended job, the schedule, and the
    // one of the other part.
    assert_eq!(env.retry(&family.first[0]).await, 2 + 2 + 1 + 1 + 1 + 1);
    let all = [&alive[..], &["READY"]].concat();
    assert_eq!(family.states(&env).await, all);
    assert_eq!(env.task(&family.schedule).await.not_before, due);
    // What is below is nobody's longer: it takes new jobs.
    submit_below(&env, &family.ended).await;
    submit_below(&env, &family.third).await;
    invariants::assert_hold(&env.store).await;

    // A part takes up what is below it, as long as nothing above is called off.
    env.cancel(&family.first[0]).await;
    env.retry(&family.first[1]).await;
    let part_alone = [&alive[..], &["CANCELLED"]].concat();
    assert_eq!(family.states(&env).await, part_alone);
    env.cancel(&family.first[1]).await;
    // What a person takes up below is theirs, and is called off with the rest the next time.
    env.retry(&family.third).await;
    env.retry(&family.first[1]).await;
    assert_eq!(family.states(&env).await, part_alone);
    env.cancel(&family.first[1]).await;
    assert_eq!(family.states(&env).await, called_off);
    // What is called off by itself while all is called off stays so.
    env.cancel(&family.third).await;
    env.retry(&family.first[1]).await;
    assert_eq!(env.state(&family.third).await, "CANCELLED");
    assert_eq!(env.state(&family.second[1]).await, "READY");
    invariants::assert_hold(&env.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_a_job_that_had_ended_takes_up_what_it_submitted() {
    let env = TestStore::new().await;
    let first = env.submit(single("hands on")).await.swap_remove(0);
    let claimed = env.claim_soon("w").await;
    let second = submit_below(&env, &first).await;
    env.complete(&claimed, "handed on").await;
    env.cancel(&first).await;
    assert_eq!(env.retry(&first).await, 1);
    assert_eq!(env.state(&second).await, "READY");
    submit_below(&env, &first).await;
    // There is nothing to take up now, and what is completed is not run again.
    let again = env.store.tasks.retry(&once(), &first).await;
    assert_eq!(again.unwrap_err(), Error::TaskCompleted(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_are_taken_up_by_the_sweep() {
    let env = TestStore::new().await;
    let first = env.submit(single("first")).await.swap_remove(0);
    let many: Vec<&[usize]> = vec![&[]; 999];
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(env.submit(below(&first, graph(&many))).await.swap_remove(0));
    }
    env.cancel(&first).await;
    for job in &jobs {
        while env.state(job).await != "CANCELLED" {
            env.sweep().await;
        }
    }
    let retried = env.retry(&first).await;
    assert!((1_999..3_997).contains(&retried), "{retried}");
    for job in &jobs {
        while env.state(job).await != "RUNNING" {
            env.sweep().await;
        }
    }
}
