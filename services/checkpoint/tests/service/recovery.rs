//! Recovery: what is offered, what is restored, what is checked.

use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, id, refusal, state};

async fn detect(service: &mut TestService, project: &str) -> Vec<RecoveryCandidate> {
    let request = DetectRecoveryRequest {
        project: project.into(),
        ..Default::default()
    };
    service
        .api
        .detect_recovery(request)
        .await
        .unwrap()
        .into_inner()
        .candidates
}

async fn lost_session(service: &mut TestService, project: &str, progress: f64) -> Session {
    let session = service.open_session(project).await;
    let mut saved = state(project, progress);
    if progress >= 1.0 {
        saved.next_steps.clear();
    }
    service.save(&session, saved).await.unwrap();
    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await
}

#[tokio::test]
async fn unfinished_sessions_are_offered_the_same_project_first() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let mine = lost_session(&mut service, "/mine", 0.4).await;
    let other = lost_session(&mut service, "/other", 0.4).await;
    lost_session(&mut service, "/mine", 1.0).await;
    let found = detect(&mut service, "/mine").await;
    let ids: Vec<&str> = found
        .iter()
        .map(|c| c.session.as_ref().unwrap().id.as_str())
        .collect();
    assert_eq!(ids, [&mine.id, &other.id]);
    assert!(found[0].same_project && !found[1].same_project && found[0].confidence > 0.5);
    assert_eq!(found[0].next_steps, ["finish /mine"]);
    let dismiss = DismissRecoveryRequest {
        request_id: id(),
        session_id: mine.id,
    };
    service.api.dismiss_recovery(dismiss).await.unwrap();
    assert_eq!(detect(&mut service, "/mine").await.len(), 1);
}

#[tokio::test]
async fn a_restore_checks_its_claims_and_its_outcome_is_kept() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let file = |hash: char| FileState {
        path: "/p/a.rs".into(),
        presence: FilePresence::Present.into(),
        size_bytes: 3,
        blake3: hash.to_string().repeat(64),
        ..Default::default()
    };
    let saved = CheckpointState {
        active_files: vec![file('a')],
        completed_steps: vec!["parse".into()],
        next_steps: vec!["parse".into(), "emit".into()],
        ..state("compiler", 0.5)
    };
    service.save(&session, saved).await.unwrap();
    let request = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        current_files: vec![file('b')],
        ..Default::default()
    };
    let first = service
        .api
        .restore_checkpoint(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = service
        .api
        .restore_checkpoint(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again, "the same request restores once");
    assert!(
        first.resume_prompt.contains("/p/a.rs: CHANGED"),
        "{}",
        first.resume_prompt
    );
    let open = first.resume_prompt.split("## Open steps").nth(1).unwrap();
    assert!(open.contains("emit") && !open.contains("parse"));
    let outcome = RecordResumeRequest {
        request_id: id(),
        restore_id: first.restore_id,
        fidelity: 0.9,
        notes: String::new(),
    };
    let recorded = service
        .api
        .record_resume(outcome.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(recorded.session_id, session.id);
    let unknown = RecordResumeRequest {
        request_id: id(),
        restore_id: id(),
        ..outcome
    };
    assert_eq!(
        refusal(service.api.record_resume(unknown).await).1,
        "RESTORE_NOT_FOUND"
    );
}

#[tokio::test]
async fn a_fork_starts_from_the_checkpoint_and_goes_its_own_way() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let origin = service.save(&session, state("trunk", 0.5)).await.unwrap();
    let request = ForkSessionRequest {
        request_id: id(),
        checkpoint_id: origin.id.clone(),
        ..Default::default()
    };
    let fork = service
        .api
        .fork_session(request)
        .await
        .unwrap()
        .into_inner();
    let branch = fork.session.unwrap();
    assert_eq!(
        (
            branch.forked_from_checkpoint_id,
            fork.checkpoint.unwrap().number
        ),
        (origin.id.clone(), 1)
    );
    let session2 = service.session(&branch.id).await;
    let tip = service.save(&session2, state("branch", 0.6)).await.unwrap();
    let diff = DiffCheckpointsRequest {
        from_checkpoint_id: origin.id,
        to_checkpoint_id: tip.id,
    };
    let changes = service
        .api
        .diff_checkpoints(diff)
        .await
        .unwrap()
        .into_inner()
        .changes;
    assert!(
        changes
            .iter()
            .any(|c| c.field == "current_task" && c.after == "branch")
    );
    assert_eq!(service.session(&session.id).await.head_number, 1);
}
