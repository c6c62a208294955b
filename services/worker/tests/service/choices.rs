//! Which worker gets which task: by strategy, capability, free slots, the files at hand, and the order of tasks.

use futures::future::{join_all, select_all};
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;

use super::chat_worker::{ChatClaim, ChatWorker, registration};
use super::test_stack::{TestStack, job};

fn with_strategy(strategy: AssignmentStrategy) -> SubmitTaskRequest {
    SubmitTaskRequest {
        strategy: strategy.into(),
        ..job("choose")
    }
}

fn needs(capabilities: &[&str], priority: u32) -> SubmitTaskRequest {
    SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Unspecified.into(),
            capabilities: capabilities.iter().map(|c| (*c).to_owned()).collect(),
        }),
        priority,
        ..job(&format!("needs {}", capabilities.join(" and ")))
    }
}

/// Lets all workers wait, submits a job, and returns the worker that got it. The others wait no more.
async fn winner(
    stack: &TestStack,
    chats: &[&ChatWorker],
    request: SubmitTaskRequest,
) -> (usize, ChatClaim) {
    let waiting = chats.iter().map(|chat| Box::pin(chat.take()));
    let waiting = select_all(waiting);
    let submit = async {
        // All must be waiting when the job comes, which nothing observable shows.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        stack.submit(request).await;
    };
    let ((claim, index, _), ()) = tokio::join!(waiting, submit);
    (index, claim)
}

#[tokio::test]
async fn the_least_loaded_worker_gets_the_task() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let large = ChatWorker::with(&stack, registration(&[], 10)).await;
    let small = ChatWorker::with(&stack, registration(&[], 2)).await;
    let strategy = || with_strategy(AssignmentStrategy::LeastLoaded);
    let mut had = [0, 0];
    for _ in 0..6 {
        let (index, _) = winner(&stack, &[&large, &small], strategy()).await;
        had[index] += 1;
    }
    // Half of the seats of each.
    assert_eq!(had, [5, 1]);
}

#[tokio::test]
async fn in_turns_everybody_gets_as_many() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let chats = [
        ChatWorker::with(&stack, registration(&[], 10)).await,
        ChatWorker::with(&stack, registration(&[], 10)).await,
        ChatWorker::with(&stack, registration(&[], 10)).await,
    ];
    let chats: Vec<&ChatWorker> = chats.iter().collect();
    let mut had = [0; 3];
    for _ in 0..9 {
        let strategy = with_strategy(AssignmentStrategy::RoundRobin);
        let (index, _) = winner(&stack, &chats, strategy).await;
        had[index] += 1;
    }
    assert_eq!(had, [3, 3, 3]);
}

#[tokio::test]
async fn the_generalist_is_spared() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let generalist = ChatWorker::with(&stack, registration(&["go", "rust", "sql"], 9)).await;
    let specialist = ChatWorker::with(&stack, registration(&["rust"], 9)).await;
    for _ in 0..4 {
        let request = SubmitTaskRequest {
            strategy: AssignmentStrategy::Capability.into(),
            ..needs(&["rust"], 50)
        };
        let (index, _) = winner(&stack, &[&generalist, &specialist], request).await;
        assert_eq!(index, 1);
    }
}

#[tokio::test]
async fn nobody_gets_what_it_cannot_do() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let able = ChatWorker::with(&stack, registration(&["go", "rust", "sql"], 9)).await;
    let rust = ChatWorker::with(&stack, registration(&["rust"], 9)).await;
    let other_kind = SubmitTaskRequest {
        requirements: Some(Requirements {
            executor: WorkerKind::Agent.into(),
            capabilities: Vec::new(),
        }),
        ..job("for agents only")
    };
    stack.submit(other_kind).await;
    stack.submit(needs(&["rust", "sql"], 1)).await;
    stack.submit(needs(&["sql"], 2)).await;
    assert!(rust.claim(200).await.unwrap().is_none());
    assert_eq!(able.take().await.task.goal, "needs rust and sql");
    assert_eq!(able.take().await.task.goal, "needs sql");
    assert!(able.claim(200).await.unwrap().is_none());
}

#[tokio::test]
async fn priority_and_then_age_order_tasks_over_all_queues() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let mut expected = Vec::new();
    for (capabilities, priority) in [
        (&["sql"][..], 70),
        (&[][..], 50),
        (&["rust"][..], 50),
        (&["rust", "sql"][..], 20),
        (&[][..], 70),
        (&["sql"][..], 50),
    ] {
        let task = stack.submit(needs(capabilities, priority)).await;
        expected.push((priority, expected.len(), task.task_id));
    }
    expected.sort();
    let able = ChatWorker::with(&stack, registration(&["rust", "sql"], 9)).await;
    for (_, _, task_id) in expected {
        assert_eq!(able.take().await.task.task_id, task_id);
    }
}

#[tokio::test]
async fn who_had_the_files_last_gets_the_next_task_on_them() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let (one, other) = (
        ChatWorker::with(&stack, registration(&[], 9)).await,
        ChatWorker::with(&stack, registration(&[], 9)).await,
    );
    let on_files = || SubmitTaskRequest {
        files: vec![FileHint {
            path: "src/parser/*.rs".to_owned(),
            size_bytes: 0,
        }],
        workspace: "/work".to_owned(),
        ..job("parse")
    };
    let (first, claim) = winner(&stack, &[&one, &other], on_files()).await;
    let chats = [&one, &other];
    chats[first].complete(&claim, "done").await.unwrap();
    // Others make it the busier one.
    for _ in 0..3 {
        stack.submit(job("other")).await;
        chats[first].take().await;
    }
    for _ in 0..3 {
        let (next, claim) = winner(&stack, &chats, on_files()).await;
        assert_eq!(next, first);
        chats[next].complete(&claim, "done").await.unwrap();
    }
}

/// A queue that people paused holds tasks that come first and cannot be had.
#[tokio::test]
async fn a_paused_queue_is_in_nobodys_way() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    stack.submit(needs(&["rust"], 1)).await;
    let queues = redis.command(&["HKEYS", "{shim.tasks}:queues"]).unwrap();
    let rust = queues.items().iter().find_map(|queue| {
        let name = queue.text()?;
        name.contains("work.any.").then(|| name.to_owned())
    });
    let meta = format!("{{shim.tasks}}:{}:meta", rust.unwrap());
    redis.command(&["HSET", &meta, "paused", "1"]).unwrap();
    stack.submit(needs(&[], 90)).await;
    let able = ChatWorker::with(&stack, registration(&["rust"], 9)).await;
    assert_eq!(able.take().await.task.goal, "needs ");
    redis.command(&["HDEL", &meta, "paused"]).unwrap();
    assert_eq!(able.take().await.task.goal, "needs rust");
}

/// Eight race for each task over two processes.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_eight_claimers_wins_each_task() {
    const TASKS: usize = 250;
    let redis = Redis::start();
    let stacks = [TestStack::on(&redis).await, TestStack::on(&redis).await];
    let mut chats = Vec::new();
    for index in 0..8 {
        chats.push(ChatWorker::with(&stacks[index % 2], registration(&[], 1_000)).await);
    }
    for _ in 0..TASKS {
        stacks[0].submit(job("one winner")).await;
    }
    let races = chats.iter().map(|chat| async {
        let mut won = Vec::new();
        while let Some(claim) = chat.claim(500).await.unwrap() {
            won.push(claim.task.task_id);
        }
        won
    });
    let mut won: Vec<String> = join_all(races).await.into_iter().flatten().collect();
    assert_eq!(won.len(), TASKS);
    won.sort();
    won.dedup();
    assert_eq!(won.len(), TASKS);
}

#[tokio::test]
async fn a_worker_with_a_rare_capability_gets_what_only_it_can_do() {
    let redis = Redis::start();
    let stack = TestStack::on(&redis).await;
    let rare = ChatWorker::with(&stack, registration(&["rust"], 9)).await;
    let common = ChatWorker::with(&stack, registration(&[], 9)).await;
    stack.submit(needs(&[], 50)).await;
    stack.submit(needs(&[], 50)).await;
    stack.submit(needs(&["rust"], 50)).await;
    stack.submit(needs(&[], 10)).await;
    // What is more urgent goes first, then what nobody else can do, then what came first.
    let expected = ["needs ", "needs rust", "needs "];
    for goal in expected {
        assert_eq!(rare.take().await.task.goal, goal);
    }
    assert_eq!(common.take().await.task.goal, "needs ");
}
