//! Tasks that come back from workers which can do none now, and what is known of what attempts cost.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{TaskState, Usage};
use shim_proto::fitness::HoldCause;
use shim_store::tasks::ProgressReport;

use super::test_store::{TestStore, graph, once, result, single};

const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const WHY: &str = "You've hit your limit";

/// Claims the task, and gives it back because its worker can do none now.
async fn hold(env: &TestStore, id: &str, cause: HoldCause) {
    let claimed = env.claim_soon("w").await;
    assert_eq!(claimed.task.task_id, id);
    let (tasks, once) = (&env.store.tasks, once());
    let held = tasks.hold(&once, id, claimed.lease, WHY, cause);
    held.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_task_keeps_its_attempts_and_says_why_it_waits() {
    let env = TestStore::new().await;
    let id = env.submit(single("one")).await.remove(0);
    for _ in 0..15 {
        hold(&env, &id, HoldCause::Timed).await;
    }
    let task = env.task(&id).await;
    assert_eq!((task.state(), task.attempts), (TaskState::Ready, 0));
    let error = task.error.unwrap();
    assert_eq!((&*error.reason, &*error.message), ("WORKER_UNFIT", WHY));
    let claimed = env.claim_soon("w").await;
    env.complete(&claimed, "done").await;
    let task = env.task(&id).await;
    assert_eq!((task.state(), task.error), (TaskState::Completed, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_held_again_and_again_pays_with_its_attempts() {
    for (cause, free) in [(HoldCause::Untimed, 10), (HoldCause::Timed, 100)] {
        let env = TestStore::new().await;
        let id = env.submit(single("one")).await.remove(0);
        for _ in 0..free {
            hold(&env, &id, cause).await;
            assert_eq!(env.task(&id).await.attempts, 0);
        }
        for attempts in 1..=3 {
            hold(&env, &id, cause).await;
            assert_eq!(env.task(&id).await.attempts, attempts);
        }
        let task = env.task(&id).await;
        assert_eq!(task.state(), TaskState::Failed);
        assert_eq!(task.error.unwrap().reason, "WORKER_UNFIT");
        env.store.tasks.retry(&once(), &id).await.unwrap();
        hold(&env, &id, cause).await;
        assert_eq!(env.task(&id).await.attempts, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_by_itself_puts_a_task_aside_and_never_costs_an_attempt() {
    let env = TestStore::new().await;
    let id = env.submit(single("one")).await.remove(0);
    for times in 0..20_u32 {
        hold(&env, &id, HoldCause::Passing).await;
        let task = env.task(&id).await;
        assert_eq!((task.state(), task.attempts), (TaskState::Delayed, 0));
        assert_eq!(task.error.unwrap().message, WHY);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let pause = task.not_before.unwrap().seconds - i64::try_from(now).unwrap();
        let longest = 2_i64.pow(times.min(9)).min(300);
        assert!(
            (longest - 2..=longest + 1).contains(&pause),
            "{times}: {pause} s"
        );
        let aside = "{shim.tasks}:delayed";
        env.redis.command(&["ZADD", aside, "XX", "0", &id]).unwrap();
        env.sweep().await;
        env.wait_until_relayed().await;
    }
    let claimed = env.claim_soon("w").await;
    env.complete(&claimed, "done").await;
    let task = env.task(&id).await;
    assert_eq!((task.state(), task.error), (TaskState::Completed, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_submitter_is_told_once_that_a_job_waits_for_its_workers() {
    let env = TestStore::new().await;
    let mut plan = graph(&[&[]]);
    plan.root.submitted_by = SESSION.to_owned();
    let ids = env.submit(plan).await;
    for _ in 0..3 {
        hold(&env, &ids[1], HoldCause::Timed).await;
    }
    env.wait_until_relayed().await;
    let hidden = Duration::from_secs(60);
    let inboxes = &env.store.inboxes;
    let taken = inboxes.receive(SESSION.parse().unwrap(), 100, hidden, &[]);
    let messages = taken.await.unwrap().messages;
    let [message] = &messages[..] else {
        panic!("one message: {messages:?}");
    };
    assert!(message.text.contains(WHY), "{message:?}");
}

/// Spends a little, as an executor does that reports while it works.
async fn spend(env: &TestStore, usage: Usage) -> shim_store::tasks::Claimed {
    let claimed = env.claim_soon("w").await;
    let report = ProgressReport {
        usage,
        ..ProgressReport::default()
    };
    let (id, lease) = (&claimed.task.task_id, claimed.lease);
    env.store.tasks.report(id, lease, &report).await.unwrap();
    claimed
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_is_the_least_once_an_attempt_ended_before_it_could_tell() {
    let env = TestStore::new().await;
    let some = Usage {
        input_tokens: 5,
        ..Usage::default()
    };
    for end in ["told", "cancelled", "untold"] {
        let ids = env.submit(graph(&[&[]])).await;
        let claimed = spend(&env, some).await;
        let (id, tasks) = (&ids[1], &env.store.tasks);
        let rest = Usage {
            incomplete: end == "untold",
            ..Usage::default()
        };
        if end == "cancelled" {
            tasks.cancel(&once(), id, "").await.unwrap();
        } else {
            let done = result("done");
            let once = once();
            let done = tasks.complete(&once, id, claimed.lease, &done, &rest);
            done.await.unwrap();
        }
        for id in &ids {
            let usage = env.task(id).await.usage.unwrap();
            let expected = (5, end != "told");
            assert_eq!((usage.input_tokens, usage.incomplete), expected, "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_keeps_a_result_from_being_taken() {
    let env = TestStore::new().await;
    for (tokens, cost) in [
        (u64::MAX, f64::NAN),
        (u64::MAX, f64::INFINITY),
        (1 << 63, -1.0),
        (0, 1e300),
    ] {
        let id = env.submit(single("one")).await.remove(0);
        let claimed = env.claim_soon("w").await;
        let usage = Usage {
            input_tokens: tokens,
            output_tokens: tokens,
            cost_usd: cost,
            incomplete: false,
        };
        let (tasks, lease) = (&env.store.tasks, claimed.lease);
        let (once, done) = (once(), result("done"));
        let done = tasks.complete(&once, &id, lease, &done, &usage);
        assert_eq!(done.await.unwrap().state(), TaskState::Completed);
        let usage = env.task(&id).await.usage.unwrap_or_default();
        assert!(usage.cost_usd.is_finite() && usage.cost_usd >= 0.0);
    }
}
