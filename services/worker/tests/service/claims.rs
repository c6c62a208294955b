//! A task's way through a worker outside: claimed, reported on, ended.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::chat::{Chat, registration};
use super::house::{House, job, refusal};

#[tokio::test]
async fn a_task_is_claimed_reported_on_and_completed() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let chat = Chat::at(&house).await;
    let task = house.submit(job("count the lines")).await;
    let held = chat.take().await;
    assert_eq!(held.task.task_id, task.task_id);
    assert_eq!(held.task.goal, "count the lines");
    assert_eq!(held.task.worker_id, chat.id());
    let told = chat.report(&held, 0.5).await.unwrap();
    assert_eq!((told.progress, told.note.as_str()), (0.5, "half way"));
    let done = chat.complete(&held, "42 lines").await.unwrap();
    assert_eq!(done.state(), TaskState::Completed);
    let task = house.get(&task.task_id).await;
    assert_eq!(task.result.unwrap().text, "42 lines");
    let late = refusal(chat.report(&held, 0.7).await);
    assert_eq!(late, (Code::FailedPrecondition, "STALE_LEASE".into()));
}

#[tokio::test]
async fn who_waits_gets_a_task_when_it_comes_and_nothing_when_none_does() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let chat = Chat::at(&house).await;
    let begun = Instant::now();
    assert!(chat.claim(300).await.unwrap().is_none());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let (held, task) = tokio::join!(chat.take(), house.submit(job("late")));
    assert_eq!(held.task.task_id, task.task_id);
}

#[tokio::test]
async fn who_does_not_want_to_wait_gets_what_is_there() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let chat = Chat::with(&house, registration(&[], 10)).await;
    assert!(chat.claim(0).await.unwrap().is_none());
    for _ in 0..10 {
        house.submit(job("there")).await;
        assert!(chat.claim(0).await.unwrap().is_some());
    }
    let refused = refusal(chat.claim(0).await);
    assert_eq!(refused, (Code::FailedPrecondition, "NO_ROOM".into()));
}

#[tokio::test]
async fn the_same_claim_gets_the_same_task_while_it_stands() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let other = House::on(&redis).await;
    let chat = Chat::at(&house).await;
    for goal in ["first", "second"] {
        house.submit(job(goal)).await;
    }
    let request = chat.asks(5_000);
    let first = chat.claim_as(request.clone()).await.unwrap().unwrap();
    let again = chat.claim_as(request.clone()).await.unwrap().unwrap();
    let mut elsewhere = other.workers.clone();
    let elsewhere = elsewhere.claim_task(request.clone()).await.unwrap();
    assert_eq!(
        (again.lease, elsewhere.into_inner().lease),
        (first.lease, first.lease)
    );
    let mut reused = request;
    reused.wait = super::house::span(1);
    let reused = refusal(chat.claim_as(reused).await);
    assert_eq!(reused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
    chat.complete(&first, "1").await.unwrap();
    assert_eq!(chat.take().await.task.goal, "second");
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_until_it_may_not_be() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let chat = Chat::at(&house).await;
    let request = SubmitTaskRequest {
        max_attempts: 2,
        backoff: super::house::span(1),
        ..job("hard")
    };
    let task = house.submit(request).await;
    let first = chat.take().await;
    assert_eq!(first.task.attempts, 1);
    let failed = chat.fail(&first, false).await.unwrap();
    assert_eq!(failed.state(), TaskState::Delayed);
    let second = chat.take().await;
    assert_eq!(second.task.attempts, 2);
    assert_ne!(second.lease, first.lease);
    chat.fail(&second, false).await.unwrap();
    let task = house.get(&task.task_id).await;
    assert_eq!(task.state(), TaskState::Failed);
    let error = task.error.unwrap();
    assert_eq!(
        (error.reason.as_str(), error.message.as_str()),
        ("EXECUTOR_FAILED", "it would not")
    );
}

#[tokio::test]
async fn a_task_given_back_goes_to_another_and_its_first_worker_is_refused() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let (one, other) = (Chat::at(&house).await, Chat::at(&house).await);
    house.submit(job("passed on")).await;
    let first = one.take().await;
    let given = one.release(&first).await.unwrap();
    assert_eq!((given.state(), given.attempts), (TaskState::Ready, 0));
    let second = other.take().await;
    assert_eq!(second.task.task_id, first.task.task_id);
    for late in [
        one.report(&first, 0.9).await,
        one.complete(&first, "mine").await,
    ] {
        let message = late.clone().unwrap_err().message().to_owned();
        assert_eq!(refusal(late).1, "STALE_LEASE");
        assert!(message.contains(other.id()), "{message}");
    }
    other.complete(&second, "theirs").await.unwrap();
    let task = house.get(&second.task.task_id).await;
    assert_eq!(task.result.unwrap().text, "theirs");
}

/// Clients hang up at any moment, and ask again: a task may be found anew, be given back, but never get lost or go to
/// somebody and back at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_not_waited_for_is_not_lost() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let chat = Chat::with(&house, registration(&[], 1_000)).await;
    house.submit(job("wanted")).await;
    let (mut had_at_once, mut had_again) = (0, 0);
    for round in 0..300_u64 {
        let patience = Duration::from_micros((round * 37) % 6_000);
        let request = chat.asks(1_000);
        let claimed = tokio::time::timeout(patience, chat.claim_as(request.clone())).await;
        let held = match claimed {
            Ok(claimed) => {
                had_at_once += 1;
                claimed.unwrap().unwrap()
            }
            Err(_) => {
                had_again += 1;
                chat.claim_as(request).await.unwrap().expect("it comes")
            }
        };
        // What it was told it has, it has.
        chat.report(&held, 0.0).await.unwrap();
        chat.release(&held).await.unwrap();
    }
    assert!(
        had_at_once > 20 && had_again > 20,
        "{had_at_once} {had_again}"
    );
}

/// The same without asking again, as long as the server had not answered yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_nobody_waits_for_any_more_goes_to_another() {
    let redis = Redis::start();
    let house = House::on(&redis).await;
    let (gone, other) = (Chat::at(&house).await, Chat::at(&house).await);
    for _ in 0..30 {
        let waiting = tokio::time::timeout(Duration::from_millis(60), gone.claim(10_000));
        assert!(waiting.await.is_err());
        house.submit(job("wanted")).await;
        let held = other.take().await;
        other.complete(&held, "done").await.unwrap();
    }
}
