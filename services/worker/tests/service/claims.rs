//! A task's way through a worker outside: claimed, reported on, ended.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::chat_worker::{ChatWorker, registration};
use super::test_stack::{TestStack, job, refusal};

#[tokio::test]
async fn a_task_is_claimed_reported_on_and_completed() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    let task = stack.submit(job("count the lines")).await;
    let claim = chat.take().await;
    assert_eq!(claim.task.task_id, task.task_id);
    assert_eq!(claim.task.goal, "count the lines");
    assert_eq!(claim.task.worker_id, chat.id());
    let reported = chat.report(&claim, 0.5).await.unwrap();
    assert_eq!(
        (reported.progress, reported.note.as_str()),
        (0.5, "half way")
    );
    let done = chat.complete(&claim, "42 lines").await.unwrap();
    assert_eq!(done.state(), TaskState::Completed);
    let task = stack.get(&task.task_id).await;
    assert_eq!(task.result.unwrap().text, "42 lines");
    let late = refusal(chat.report(&claim, 0.7).await);
    assert_eq!(late, (Code::FailedPrecondition, "STALE_LEASE".into()));
}

#[tokio::test]
async fn who_waits_gets_a_task_when_it_comes_and_nothing_when_none_does() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    let begun = Instant::now();
    assert!(chat.claim(300).await.unwrap().is_none());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(3));
    let (claim, task) = tokio::join!(chat.take(), stack.submit(job("late")));
    assert_eq!(claim.task.task_id, task.task_id);
}

#[tokio::test]
async fn who_does_not_want_to_wait_gets_what_is_there() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::with(&stack, registration(&[], 10)).await;
    assert!(chat.claim(0).await.unwrap().is_none());
    for _ in 0..10 {
        stack.submit(job("there")).await;
        assert!(chat.claim(0).await.unwrap().is_some());
    }
    let refused = refusal(chat.claim(0).await);
    assert_eq!(refused, (Code::FailedPrecondition, "NO_ROOM".into()));
}

#[tokio::test]
async fn the_same_claim_gets_the_same_task_while_it_stands() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let other = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    for goal in ["first", "second"] {
        stack.submit(job(goal)).await;
    }
    let request = chat.claim_request(5_000);
    let first = chat.claim_as(request.clone()).await.unwrap().unwrap();
    let again = chat.claim_as(request.clone()).await.unwrap().unwrap();
    let mut elsewhere = other.workers.clone();
    let elsewhere = elsewhere.claim_task(request.clone()).await.unwrap();
    assert_eq!(
        (again.lease, elsewhere.into_inner().lease),
        (first.lease, first.lease)
    );
    let mut reused = request;
    reused.wait = super::test_stack::span(1);
    let reused = refusal(chat.claim_as(reused).await);
    assert_eq!(reused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
    chat.complete(&first, "1").await.unwrap();
    assert_eq!(chat.take().await.task.goal, "second");
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_until_it_may_not_be() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::at(&stack).await;
    let request = SubmitTaskRequest {
        max_attempts: 2,
        backoff: super::test_stack::span(1),
        ..job("hard")
    };
    let task = stack.submit(request).await;
    let first = chat.take().await;
    assert_eq!(first.task.attempts, 1);
    let failed = chat.fail(&first, false).await.unwrap();
    assert_eq!(failed.state(), TaskState::Delayed);
    let second = chat.take().await;
    assert_eq!(second.task.attempts, 2);
    assert_ne!(second.lease, first.lease);
    chat.fail(&second, false).await.unwrap();
    let task = stack.get(&task.task_id).await;
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
    let stack = TestStack::on(&redis).await;
    let (one, other) = (ChatWorker::at(&stack).await, ChatWorker::at(&stack).await);
    stack.submit(job("passed on")).await;
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
    let task = stack.get(&second.task.task_id).await;
    assert_eq!(task.result.unwrap().text, "theirs");
}

/// Clients hang up at any moment, and ask again: a task may be found anew or be given back, but never be lost, nor be claimed
/// and given back at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_not_waited_for_is_not_lost() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chat = ChatWorker::with(&stack, registration(&[], 1_000)).await;
    stack.submit(job("wanted")).await;
    let (mut had_at_once, mut had_again) = (0, 0);
    for round in 0..300_u64 {
        let patience = Duration::from_micros((round * 37) % 6_000);
        let request = chat.claim_request(1_000);
        let claimed = tokio::time::timeout(patience, chat.claim_as(request.clone())).await;
        let claim = match claimed {
            Ok(claimed) => {
                had_at_once += 1;
                claimed.unwrap().unwrap()
            }
            Err(_) => {
                had_again += 1;
                chat.claim_as(request).await.unwrap().expect("it comes")
            }
        };
        // The answer is true: the claim stands.
        chat.report(&claim, 0.0).await.unwrap();
        chat.release(&claim).await.unwrap();
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
    let stack = TestStack::on(&redis).await;
    let (gone, other) = (ChatWorker::at(&stack).await, ChatWorker::at(&stack).await);
    for _ in 0..30 {
        let waiting = tokio::time::timeout(Duration::from_millis(60), gone.claim(10_000));
        assert!(waiting.await.is_err());
        stack.submit(job("wanted")).await;
        let claim = other.take().await;
        other.complete(&claim, "done").await.unwrap();
    }
}
