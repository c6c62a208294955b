//! The tasks of a session: what a save carries over, what it answers, and what recovery makes of work that was left.

use shim_proto::checkpoint::v1::*;
use tonic::Code;

use crate::test_service::{TestService, id, refusal};

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn work(task: &str, progress: f64, next: &[&str], completed: &[&str]) -> CheckpointState {
    CheckpointState {
        current_task: task.into(),
        progress,
        next_steps: list(next),
        completed_steps: list(completed),
        ..Default::default()
    }
}

fn going_on(session: &Session, state: CheckpointState) -> SaveCheckpointRequest {
    SaveCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        state: Some(state),
        carry_over: true,
        ..Default::default()
    }
}

/// Saves and returns the report with what a restore of the session would find.
async fn save(
    service: &mut TestService,
    request: SaveCheckpointRequest,
) -> (SaveReport, CheckpointState) {
    let saved = service
        .api
        .save_checkpoint(request)
        .await
        .unwrap()
        .into_inner();
    let state = service.content(&saved.checkpoint.unwrap().id).await;
    (saved.report.unwrap(), state)
}

async fn restored(service: &mut TestService, session: &Session) -> RestoreCheckpointResponse {
    let request = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    };
    service
        .api
        .restore_checkpoint(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn a_step_that_comes_again_is_open_and_the_answer_counts_what_was_kept() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let mut first = work("release", 0.3, &[], &["run the tests"]);
    first.decisions = list(&["use WAL"]);
    save(&mut service, going_on(&session, first)).await;
    let again = work("release", 0.4, &["fix grammar", "Run the tests"], &[]);
    let (report, state) = save(&mut service, going_on(&session, again)).await;
    assert_eq!(report.relation(), TaskRelation::Same);
    assert_eq!(report.reopened_steps, ["Run the tests"]);
    assert_eq!(state.next_steps, ["fix grammar", "Run the tests"]);
    assert_eq!(state.decisions, ["use WAL"]);
    let kept = report.kept.unwrap();
    assert_eq!(
        (kept.open_steps, kept.finished_steps, kept.decisions),
        (2, 0, 1)
    );
    let carried = report.carried_over.unwrap();
    assert_eq!((carried.decisions, report.carried_from_number), (1, 1));
    let restored = restored(&mut service, &session).await;
    let prompt = &restored.resume_prompt;
    let open = prompt.split("## Open steps").nth(1).unwrap();
    assert!(open.contains("- fix grammar\n- Run the tests"), "{prompt}");
    assert!(!prompt.contains("Finished (do not repeat)"), "{prompt}");
}

#[tokio::test]
async fn a_save_of_another_task_carries_nothing_over_and_ends_nothing() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let session = service.open_session("/p").await;
    let mut main = work("release 1.2", 0.3, &["gather"], &["read"]);
    main.decisions = list(&["one file"]);
    save(&mut service, going_on(&session, main)).await;
    let sub = work("check the links", 1.0, &[], &["links checked"]);
    let (report, state) = save(&mut service, going_on(&session, sub)).await;
    assert_eq!(report.relation(), TaskRelation::New);
    assert_eq!(report.left_task.unwrap().current_task, "release 1.2");
    assert_eq!(report.open_tasks[0].task_key, "t1");
    assert_eq!((state.decisions.len(), state.completed_steps.len()), (0, 1));

    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    let detect = DetectRecoveryRequest {
        project: "/p".into(),
        ..Default::default()
    };
    let found = service
        .api
        .detect_recovery(detect)
        .await
        .unwrap()
        .into_inner();
    let candidate = &found.candidates[0];
    assert_eq!(candidate.next_steps, ["gather"]);
    assert_eq!(
        candidate.checkpoint.as_ref().unwrap().current_task,
        "release 1.2"
    );
    assert_eq!(candidate.tasks.len(), 1);

    let restored = restored(&mut service, &session).await;
    assert_eq!(restored.checkpoint.unwrap().number, 1);
    assert_eq!(restored.open_tasks[0].next_steps, ["gather"]);
    let prompt = &restored.resume_prompt;
    assert!(
        prompt.contains("Task: release 1.2") && prompt.contains("- one file"),
        "{prompt}"
    );

    // It goes on from its own checkpoint, however its text is worded.
    let owned = restored.session.unwrap();
    let further = work("release 1.2: gathered", 0.5, &["build"], &["gather"]);
    let (report, state) = save(&mut service, going_on(&owned, further)).await;
    assert_eq!(
        (report.relation(), report.carried_from_number),
        (TaskRelation::Reworded, 1)
    );
    assert_eq!(
        (state.decisions.as_slice(), state.completed_steps.as_slice()),
        (&list(&["one file"])[..], &list(&["read", "gather"])[..])
    );
    assert!(report.open_tasks.is_empty());
}

#[tokio::test]
async fn a_save_without_carry_over_ends_no_other_task_either_and_a_closed_one_is_gone() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service
        .save(&session, work("release", 0.3, &["gather"], &[]))
        .await
        .unwrap();
    service
        .save(&session, work("check the links", 1.0, &[], &[]))
        .await
        .unwrap();
    let open: Vec<String> = service
        .session(&session.id)
        .await
        .tasks
        .iter()
        .map(|task| task.task_key.clone())
        .collect();
    assert_eq!(open, ["t2", "t1"]);
    let closing = SaveCheckpointRequest {
        closed_tasks: list(&["t1"]),
        ..going_on(&session, work("check the links", 1.0, &[], &["done"]))
    };
    let (report, _) = save(&mut service, closing).await;
    assert!(report.open_tasks.is_empty(), "{report:?}");
    assert_eq!(service.session(&session.id).await.tasks.len(), 1);
}

#[tokio::test]
async fn the_key_of_a_task_decides_under_any_text() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let keyed = |key: &str, text: &str, decision: &str| CheckpointState {
        task_key: key.into(),
        decisions: list(&[decision]),
        ..work(text, 0.5, &["go on"], &[])
    };
    save(
        &mut service,
        going_on(&session, keyed("task:1", "port the lexer", "a")),
    )
    .await;
    let (report, state) = save(
        &mut service,
        going_on(&session, keyed("task:2", "port the lexer", "b")),
    )
    .await;
    assert_eq!(
        (report.relation(), state.decisions.as_slice()),
        (TaskRelation::New, &list(&["b"])[..])
    );
    let (report, state) = save(
        &mut service,
        going_on(&session, keyed("task:1", "anything", "c")),
    )
    .await;
    assert_eq!(
        (report.relation(), state.decisions.as_slice()),
        (TaskRelation::Resumed, &list(&["a", "c"])[..])
    );
}

#[tokio::test]
async fn a_new_key_takes_nothing_from_a_task_that_its_text_was_taken_for() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let mut first = work("port the lexer", 0.4, &["gather"], &["read"]);
    first.decisions = list(&["one file"]);
    save(&mut service, going_on(&session, first)).await;
    let again = work("port the lexer: once more", 0.5, &[], &[]);
    let (report, _) = save(&mut service, going_on(&session, again.clone())).await;
    assert_eq!(report.relation(), TaskRelation::Reworded);
    let keyed = CheckpointState {
        task_key: "mine".into(),
        ..again
    };
    let (report, state) = save(&mut service, going_on(&session, keyed)).await;
    assert_eq!(
        (report.relation(), report.gone_back_number),
        (TaskRelation::New, 1)
    );
    assert!(state.decisions.is_empty() && state.completed_steps.is_empty());
    let left = report.left_task.unwrap();
    assert_eq!(
        (left.task_key.as_str(), left.current_task.as_str()),
        ("t1", "port the lexer")
    );
    let further = CheckpointState {
        task_key: "t1".into(),
        ..work("lexing", 0.5, &[], &[])
    };
    let (report, state) = save(&mut service, going_on(&session, further)).await;
    assert_eq!(
        (report.relation(), report.carried_from_number),
        (TaskRelation::Resumed, 1)
    );
    assert_eq!(
        (state.decisions, state.next_steps),
        (list(&["one file"]), list(&["gather"]))
    );
    // A key that is new to the session begins a task, though another one has its text.
    let named = CheckpointState {
        task_key: "other".into(),
        ..work("lexing", 0.6, &[], &[])
    };
    let (report, state) = save(&mut service, going_on(&session, named)).await;
    assert_eq!(report.relation(), TaskRelation::New);
    assert!(state.decisions.is_empty() && report.open_task_count == 2);
}

#[tokio::test]
async fn files_left_out_are_kept_and_compared_with_what_was_seen_of_them() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let file = |hash: &str| FileState {
        path: "/p/a.rs".into(),
        presence: FilePresence::Present.into(),
        size_bytes: 3,
        blake3: hash.repeat(64),
        ..Default::default()
    };
    let first = CheckpointState {
        active_files: vec![file("a")],
        ..work("compiler", 0.5, &["emit"], &[])
    };
    save(&mut service, going_on(&session, first)).await;
    let (report, _) = save(
        &mut service,
        going_on(&session, work("compiler", 0.6, &["emit"], &[])),
    )
    .await;
    assert_eq!(report.kept.unwrap().active_files, 1);
    let request = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        current_files: vec![file("b")],
        ..Default::default()
    };
    let restored = service
        .api
        .restore_checkpoint(request)
        .await
        .unwrap()
        .into_inner();
    let prompt = &restored.resume_prompt;
    assert!(
        prompt.contains("/p/a.rs: CHANGED") && prompt.contains("last seen for checkpoint 1"),
        "{prompt}"
    );
    assert!(prompt.contains("1 thing(s) moved"), "{prompt}");
}

#[tokio::test]
async fn changes_of_what_was_known_need_a_state_that_goes_on() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let whole = |carry_over| SaveCheckpointRequest {
        retracted_decisions: list(&["tabs"]),
        cleared: vec![StateField::Unspecified.into()],
        carry_over,
        ..going_on(&session, work("a", 0.1, &[], &[]))
    };
    for carry_over in [false, true] {
        let refused = service.api.save_checkpoint(whole(carry_over)).await;
        let status = refused.unwrap_err();
        let fields = shim_runtime::service_error::decode(&status).violations;
        let named = |wanted: &str| fields.iter().any(|(field, _)| field == wanted);
        assert_eq!(
            (status.code(), named("cleared[0]")),
            (Code::InvalidArgument, true)
        );
        assert_eq!(named("retracted_decisions"), !carry_over);
    }
    let unknown = DismissRecoveryRequest {
        request_id: id(),
        session_id: session.id,
    };
    assert_eq!(
        refusal(service.api.dismiss_recovery(unknown).await).1,
        "NOT_INTERRUPTED"
    );
}
