//! Sessions with many unfinished tasks: what a save writes stays small, and every answer has all that it had.

use std::path::Path;

use prost::Message;
use rusqlite::{Connection, params};
use shim_proto::checkpoint::v1::*;
use shim_proto::limits::checkpoint::MAX_SESSION_TASKS;

use crate::test_service::{TestService, id};

fn state(task: usize, progress: f64) -> CheckpointState {
    CheckpointState {
        current_task: format!("task {task} {}", "of many words ".repeat(8)),
        progress,
        next_steps: vec![format!("step of {task}")],
        ..Default::default()
    }
}

fn save_request(session: &Session, state: CheckpointState) -> SaveCheckpointRequest {
    SaveCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        state: Some(state),
        ..Default::default()
    }
}

async fn save(
    service: &mut TestService,
    request: &SaveCheckpointRequest,
) -> SaveCheckpointResponse {
    let saved = service.api.save_checkpoint(request.clone()).await;
    saved.unwrap().into_inner()
}

/// Saves so many tasks and answers with the last request and its answer.
async fn save_tasks(
    service: &mut TestService,
    session: &Session,
    tasks: usize,
) -> (SaveCheckpointRequest, SaveCheckpointResponse) {
    let mut last = None;
    for task in 1..=tasks {
        let request = save_request(session, state(task, 0.5));
        let answer = save(service, &request).await;
        last = Some((request, answer));
    }
    last.unwrap()
}

fn restore_request(session: &Session) -> RestoreCheckpointRequest {
    RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    }
}

async fn restore(
    service: &mut TestService,
    request: &RestoreCheckpointRequest,
) -> RestoreCheckpointResponse {
    let restored = service.api.restore_checkpoint(request.clone()).await;
    restored.unwrap().into_inner()
}

async fn detect(service: &mut TestService) -> Vec<RecoveryCandidate> {
    let request = DetectRecoveryRequest {
        project: "/p".into(),
        ..Default::default()
    };
    let found = service.api.detect_recovery(request).await.unwrap();
    found.into_inner().candidates
}

/// The largest record of a session and the largest answer in the ledger, in bytes.
fn sizes(database: &Path) -> (i64, i64) {
    let db = Connection::open(database).unwrap();
    let largest = |sql| db.query_row(sql, [], |row| row.get(0)).unwrap();
    (
        largest("SELECT max(length(record)) FROM sessions"),
        largest("SELECT max(length(answer)) FROM requests"),
    )
}

#[tokio::test]
async fn what_a_save_writes_beside_its_content_stays_small() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    save_tasks(&mut service, &session, MAX_SESSION_TASKS + 4).await;
    let mut found = (0, 0);
    let mut service = service.restart(|database| found = sizes(database)).await;
    let (record, answer) = found;
    // One page of the ledger holds a quarter of a page of one answer; what is longer takes a page of its own.
    assert!(answer < 600, "the answer has {answer} bytes");
    assert!(record < 1_200, "the record has {record} bytes");

    let told = service.session(&session.id).await;
    assert_eq!(told.tasks.len(), MAX_SESSION_TASKS);
    for (task, number) in told
        .tasks
        .iter()
        .zip((0..=MAX_SESSION_TASKS as u64 + 4).rev())
    {
        let header = service.headers(&session.id).await;
        let header = header
            .iter()
            .find(|header| header.number == number)
            .unwrap();
        assert_eq!(task.checkpoint_number, number);
        assert_eq!(task.current_task, header.current_task);
        assert_eq!(task.checkpoint_id, header.id);
        assert_eq!((task.saved_at, task.progress), (header.created_at, 0.5));
    }
}

#[tokio::test]
async fn a_repeated_request_has_its_first_answer_whatever_came_since() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let (request, answer) = save_tasks(&mut service, &session, MAX_SESSION_TASKS + 2).await;
    let report = answer.report.as_ref().unwrap();
    assert_eq!(
        (report.open_tasks.len(), report.unlisted_tasks.len()),
        (5, 1)
    );
    let all = report.open_tasks.iter().chain(&report.unlisted_tasks);
    for task in all.chain(&report.left_task).chain(&report.task) {
        assert!(task.current_task.starts_with("task "), "{task:?}");
        assert!(!task.checkpoint_id.is_empty() && task.saved_at.is_some());
    }
    let mut carrying = save_request(&session, state(3, 0.6));
    carrying.carry_over = true;
    let carried = save(&mut service, &carrying).await;
    assert_eq!(save(&mut service, &request).await, answer);
    let restoring = restore_request(&session);
    let restored = restore(&mut service, &restoring).await;
    let owned = restored.session.clone().unwrap();
    save(&mut service, &save_request(&owned, state(1, 1.0))).await;

    let mut service = service.restart(|_| {}).await;
    assert_eq!(save(&mut service, &request).await, answer);
    assert_eq!(save(&mut service, &carrying).await, carried);
    assert_eq!(restore(&mut service, &restoring).await, restored);
}

#[tokio::test]
async fn a_few_tasks_are_told_with_their_steps_and_of_many_the_first_one() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    for (tasks, with_steps) in [(4, 4), (6, 1)] {
        let session = service.open_session("/p").await;
        save_tasks(&mut service, &session, tasks).await;
        service
            .wait_for_status(&session.id, SessionStatus::Interrupted)
            .await;
        let candidates = detect(&mut service).await;
        let of_session =
            |candidate: &&RecoveryCandidate| candidate.session.as_ref().unwrap().id == session.id;
        let candidate = candidates.iter().find(of_session).unwrap();
        assert_eq!(candidate.next_steps, [format!("step of {tasks}")]);
        let restored = restore(&mut service, &restore_request(&session)).await;
        for open in [&candidate.tasks, &restored.open_tasks] {
            assert_eq!(open.len(), tasks);
            for (at, open) in open.iter().enumerate() {
                let told = open.task.as_ref().unwrap();
                let expected = format!("task {} of", tasks - at);
                assert!(told.current_task.starts_with(&expected), "{told:?}");
                assert_eq!(told.open_steps, 1);
                let steps = [format!("step of {}", tasks - at)];
                let steps: &[String] = if at < with_steps { &steps } else { &[] };
                assert_eq!(open.next_steps, steps);
            }
        }
        assert!(
            restored
                .resume_prompt
                .contains(&format!("task {}", tasks - 1))
        );
    }
}

#[tokio::test]
async fn the_list_follows_what_became_of_its_sessions() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let session = service.open_session("/p").await;
    save_tasks(&mut service, &session, 2).await;
    for round in 0..2 {
        service
            .wait_for_status(&session.id, SessionStatus::Interrupted)
            .await;
        for _ in 0..2 {
            let offered = detect(&mut service).await;
            assert_eq!(offered.len(), 1);
            let tasks = &offered[0].tasks;
            assert_eq!(tasks.len(), 2 - round, "as it is now");
        }
        let restored = restore(&mut service, &restore_request(&session)).await;
        assert_eq!(detect(&mut service).await.len(), 0, "it has an owner");
        let owned = restored.session.unwrap();
        let mut done = state(2 - round, 1.0);
        done.next_steps.clear();
        save(&mut service, &save_request(&owned, done)).await;
    }
    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(detect(&mut service).await.len(), 0, "all is done");
}

/// Writes records and answers as versions did that kept all of them.
fn write_as_before(database: &Path, session: &Session, answer: &SaveCheckpointResponse) {
    let db = Connection::open(database).unwrap();
    let record = session.encode_to_vec();
    let hash = blake3::hash(&record);
    let written = db.execute(
        "UPDATE sessions SET record = ?1, hash = ?2",
        params![record, hash.as_bytes()],
    );
    assert_eq!(written.unwrap(), 1);
    let written = db.execute(
        "UPDATE requests SET answer = ?1 WHERE answer = (SELECT answer FROM requests ORDER BY created_at DESC LIMIT 1)",
        params![answer.encode_to_vec()],
    );
    assert_eq!(written.unwrap(), 1);
}

#[tokio::test]
async fn what_older_versions_wrote_is_read_and_goes_on() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let (request, answer) = save_tasks(&mut service, &session, 5).await;
    let told = service.session(&session.id).await;
    let mut older = told.clone();
    // Of an archive, whose checkpoint says something else.
    older.tasks[3].current_task = "in other words".into();
    let before = |database: &Path| write_as_before(database, &older, &answer);
    let mut service = service.restart(before).await;
    assert_eq!(service.session(&session.id).await, older);
    assert_eq!(save(&mut service, &request).await, answer);
    save(&mut service, &save_request(&session, state(6, 0.5))).await;
    let mut found = (0, 0);
    let mut service = service.restart(|database| found = sizes(database)).await;
    assert!(found.0 < 1_200, "{found:?}");
    let tasks = service.session(&session.id).await.tasks;
    assert_eq!(tasks[1..], older.tasks[..]);
}
