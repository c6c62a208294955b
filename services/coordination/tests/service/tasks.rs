//! Stories of jobs: submitted, split, read and listed.

use futures::future::join_all;
use shim_proto::coordination::v1::*;
use shim_redis_harness::Redis;
use tonic::Code;

use super::test_service::{TestService, id, object, refusal};
use super::test_worker::{TestWorker, get, get_job, job, job_of, result, submit};

fn files(count: usize, size_bytes: u64) -> Vec<FileHint> {
    let hint = |n| FileHint {
        path: format!("src/{n}.rs"),
        size_bytes,
    };
    (0..count).map(hint).collect()
}

#[tokio::test]
async fn a_small_job_is_one_task_that_waits_for_a_worker() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let asked = SubmitTaskRequest {
        kind: "fix".to_owned(),
        files: files(1, 4_000),
        workspace: "/repo".to_owned(),
        payload: Some(object(&[("issue", "7")])),
        submitted_by: id(),
        ..job("Fix the leak")
    };
    let answer = submit(&service, asked.clone()).await;
    assert!(
        answer.reasoning.contains("not above 8"),
        "{}",
        answer.reasoning
    );
    assert_eq!(answer.subtasks, []);
    let task = answer.task.unwrap();
    assert_eq!(task.state(), TaskState::Ready);
    assert_eq!(
        (task.goal.as_str(), task.kind.as_str()),
        ("Fix the leak", "fix")
    );
    assert_eq!((task.priority, task.max_attempts), (50, 3));
    assert_eq!(
        (task.root_id.as_str(), task.key.as_str()),
        (task.task_id.as_str(), "")
    );
    assert_eq!(
        (task.payload.clone(), task.files.clone()),
        (asked.payload, vec!["src/0.rs".to_owned()])
    );
    assert_eq!(task.submitted_by, asked.submitted_by);
    assert_eq!(task.subtasks, None);
    assert!(task.created_at.is_some() && task.ready_at.is_some());
    assert_eq!(get(&service, &task.task_id).await, task);
    let claimed = TestWorker::start(&redis).await.take().await;
    assert_eq!(claimed.task.task_id, task.task_id);
}

#[tokio::test]
async fn a_large_job_is_split_in_eight() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let answer = submit(
        &service,
        SubmitTaskRequest {
            files: files(20, 60_000),
            workspace: "/repo".to_owned(),
            steps: vec!["port".to_owned(), "test".to_owned()],
            ..job("Port the tree")
        },
    )
    .await;
    assert!(
        answer.reasoning.contains("20 files are in 8 parts"),
        "{}",
        answer.reasoning
    );
    let root = answer.task.unwrap();
    assert_eq!(root.state(), TaskState::Running);
    let counts = root.subtasks.unwrap();
    assert_eq!((counts.total, counts.ready), (8, 8));
    assert_eq!(answer.subtasks.len(), 8);
    let mut parted: Vec<_> = answer
        .subtasks
        .iter()
        .flat_map(|part| part.files.clone())
        .collect();
    parted.sort_unstable();
    let mut all: Vec<_> = files(20, 0).into_iter().map(|file| file.path).collect();
    all.sort_unstable();
    assert_eq!(parted, all);
    for (n, part) in answer.subtasks.iter().enumerate() {
        assert_eq!(part.key, format!("part-{}", n + 1));
        assert_eq!(
            (part.state(), part.root_id.as_str()),
            (TaskState::Ready, root.task_id.as_str())
        );
        assert!(part.goal.contains("2. test"), "{}", part.goal);
    }
}

#[tokio::test]
async fn a_job_starts_with_the_subtasks_that_wait_for_nothing() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let asked = job_of(&[
        ("test", &["build"]),
        ("build", &[]),
        ("lint", &[]),
        ("ship", &["test", "lint"]),
    ]);
    let answer = submit(&service, asked).await;
    let states: Vec<_> = answer.subtasks.iter().map(Task::state).collect();
    use TaskState::{Pending, Ready};
    assert_eq!(states, [Pending, Ready, Ready, Pending]);
    let [test, build, lint, ship] = answer.subtasks.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!(test.depends_on, [build.task_id.as_str()]);
    let mut before = vec![test.task_id.clone(), lint.task_id.clone()];
    before.sort_unstable();
    let mut found = ship.depends_on.clone();
    found.sort_unstable();
    assert_eq!(found, before);
    let (root, subtasks) = get_job(&service, &answer.task.unwrap().task_id).await;
    assert_eq!(subtasks, answer.subtasks);
    let counts = root.subtasks.unwrap();
    assert_eq!((counts.total, counts.waiting, counts.ready), (4, 2, 2));
}

#[tokio::test]
async fn a_schedule_waits_for_its_first_run() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let daily = SubmitTaskRequest {
        schedule: "0 6 * * *".to_owned(),
        ..job("Look at the logs")
    };
    let task = submit(&service, daily).await.task.unwrap();
    assert_eq!(
        (task.state(), task.schedule.as_str()),
        (TaskState::Delayed, "0 6 * * *")
    );
    let first = task.not_before.unwrap();
    assert_eq!(
        (first.seconds.rem_euclid(24 * 3_600), first.nanos),
        (6 * 3_600, 0)
    );
    assert!(TestWorker::start(&redis).await.try_take().await.is_none());
}

#[tokio::test]
async fn a_thousand_subtasks_come_back_in_their_order() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let keys: Vec<_> = (0..1_000).map(|n| format!("task {n}")).collect();
    let subtasks: Vec<(&str, &[&str])> = keys
        .iter()
        .map(|key| (key.as_str(), [].as_slice()))
        .collect();
    let answer = submit(&service, job_of(&subtasks)).await;
    let found: Vec<_> = answer.subtasks.iter().map(|task| &task.key).collect();
    assert_eq!(found, keys.iter().collect::<Vec<_>>());

    let mut listed = Vec::new();
    let mut request = ListTasksRequest {
        root_id: answer.task.unwrap().task_id,
        page_size: 300,
        ..Default::default()
    };
    loop {
        let page = service
            .tasks
            .clone()
            .list_tasks(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.tasks.len() <= 300);
        listed.extend(page.tasks.into_iter().map(|task| task.key));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, keys);
}

#[tokio::test]
async fn a_repeated_request_makes_one_job() {
    let redis = Redis::start();
    let services = [
        TestService::start(&redis).await,
        TestService::start(&redis).await,
    ];
    let asked = job_of(&[("a", &[]), ("b", &["a"])]);
    let answers = join_all((0..16).map(|n| submit(&services[n % 2], asked.clone()))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let mut tasks = services[0].tasks.clone();
    let listed = tasks.list_tasks(ListTasksRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().tasks.len(), 1);
    let other = SubmitTaskRequest {
        goal: "another".to_owned(),
        ..asked
    };
    let refused = refusal(tasks.submit_task(other).await);
    assert_eq!(refused, (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn jobs_are_listed_the_newest_first() {
    let redis = Redis::start();
    let mut service = TestService::start(&redis).await;
    let mut goals = Vec::new();
    for n in 0..7 {
        let goal = format!("job {n}");
        submit(&service, job(&goal)).await;
        goals.insert(0, goal);
    }
    let worker = TestWorker::start(&redis).await;
    let taken = worker.take().await.task;

    let mut listed = Vec::new();
    let mut request = ListTasksRequest {
        page_size: 3,
        ..Default::default()
    };
    loop {
        let page = service
            .tasks
            .list_tasks(request.clone())
            .await
            .unwrap()
            .into_inner();
        listed.extend(page.tasks.into_iter().map(|task| task.goal));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, goals);

    let running = ListTasksRequest {
        states: vec![TaskState::Running.into()],
        ..Default::default()
    };
    let of_worker = ListTasksRequest {
        worker_id: worker.worker_id(),
        ..Default::default()
    };
    for request in [running, of_worker] {
        let page = service
            .tasks
            .list_tasks(request)
            .await
            .unwrap()
            .into_inner();
        let ids: Vec<_> = page.tasks.iter().map(|task| &task.task_id).collect();
        assert_eq!(ids, [&taken.task_id]);
    }
}

#[tokio::test]
async fn an_unsplit_job_leases_all_of_its_thousand_files() {
    let redis = Redis::start();
    let service = TestService::start(&redis).await;
    let worker = TestWorker::start(&redis).await;
    let workspace = "/home/ada/{my} Projekte/größe";
    let whole = |request_id: String| SubmitTaskRequest {
        request_id,
        files: files(1_000, 0),
        workspace: workspace.to_owned(),
        split: SplitPolicy::Never.into(),
        ..job("Rename it everywhere")
    };
    let first = submit(&service, whole(id())).await.task.unwrap();
    submit(&service, whole(id())).await;
    let claimed = worker.take().await;
    assert_eq!(claimed.task.task_id, first.task_id);
    assert_eq!(claimed.task.files.len(), 1_000);
    // Another job needs the same files.
    assert!(worker.try_take().await.is_none());
    worker.complete(&claimed, result("")).await;
    assert_ne!(worker.take().await.task.task_id, first.task_id);
}
