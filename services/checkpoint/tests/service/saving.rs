//! Saving: numbered, chained, owned, idempotent.

use shim_proto::checkpoint::v1::*;
use tonic::Code;

use crate::test_service::{TestService, id, refusal, state};

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_numbered_without_gaps_and_chained_under_concurrency() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let savers = (0..8).map(|saver| {
        let (mut api, session) = (service.api.clone(), session.clone());
        tokio::spawn(async move {
            for i in 0..25 {
                let request = SaveCheckpointRequest {
                    request_id: id(),
                    session_id: session.id.clone(),
                    epoch: session.epoch,
                    state: Some(state(&format!("task {saver}.{i}"), 0.5)),
                    ..Default::default()
                };
                api.save_checkpoint(request).await.unwrap();
            }
        })
    });
    for saver in savers.collect::<Vec<_>>() {
        saver.await.unwrap();
    }
    let mut saved = service.headers(&session.id).await;
    saved.reverse();
    assert_eq!(
        saved.iter().map(|c| c.number).collect::<Vec<_>>(),
        (1..=200).collect::<Vec<_>>()
    );
    for pair in saved.windows(2) {
        assert_eq!(pair[1].previous_hash, pair[0].hash);
        assert!(pair[0].created_at.unwrap().seconds <= pair[1].created_at.unwrap().seconds);
    }
    assert_eq!(service.session(&session.id).await.head_number, 200);
}

#[tokio::test]
async fn the_same_request_twice_has_one_effect_and_another_content_is_refused() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let request = SaveCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: 1,
        state: Some(state("once", 0.1)),
        ..Default::default()
    };
    let first = service
        .api
        .save_checkpoint(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = service
        .api
        .save_checkpoint(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let other = SaveCheckpointRequest {
        state: Some(state("twice", 0.1)),
        ..request.clone()
    };
    assert_eq!(
        refusal(service.api.save_checkpoint(other).await),
        (Code::InvalidArgument, "REQUEST_ID_REUSED".into())
    );
    let mut service = service.restart(|_| ()).await;
    let after_restart = service
        .api
        .save_checkpoint(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, after_restart);
    assert_eq!(service.session(&session.id).await.head_number, 1);
}

#[tokio::test]
async fn a_save_carries_over_what_was_decided_and_finished() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let first = CheckpointState {
        decisions: vec!["use WAL".into()],
        completed_steps: vec!["schema".into()],
        ..state("store", 0.3)
    };
    service.save(&session, first).await.unwrap();
    let second = CheckpointState {
        next_steps: vec!["schema".into(), "writer".into()],
        ..state("store", 0.4)
    };
    let request = SaveCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: 1,
        state: Some(second),
        carry_over: true,
        ..Default::default()
    };
    service.api.save_checkpoint(request).await.unwrap();
    let newest = GetCheckpointRequest {
        session_id: session.id,
        ..Default::default()
    };
    let state = service
        .api
        .get_checkpoint(newest)
        .await
        .unwrap()
        .into_inner()
        .state
        .unwrap();
    assert_eq!(
        (state.decisions.as_slice(), state.completed_steps.as_slice()),
        (&["use WAL".to_owned()][..], &["schema".to_owned()][..])
    );
    assert_eq!(state.next_steps, ["writer"]);
}

#[tokio::test]
async fn wrong_fields_are_named_all_at_once() {
    let mut service = TestService::start().await;
    let request = SaveCheckpointRequest {
        session_id: "nonsense".into(),
        state: Some(CheckpointState {
            progress: f64::NAN,
            decisions: vec!["x".repeat(9_000)],
            active_files: vec![FileState {
                path: "../../etc/passwd".into(),
                ..Default::default()
            }],
            next_steps: vec!["step".into(); 1_001],
            ..Default::default()
        }),
        ..Default::default()
    };
    let status = service.api.save_checkpoint(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<String> = shim_runtime::service_error::decode(&status)
        .violations
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    for field in [
        "request_id",
        "session_id",
        "epoch",
        "state.current_task",
        "state.progress",
        "state.decisions[0]",
        "state.active_files[0].path",
        "state.next_steps",
    ] {
        assert!(
            fields.iter().any(|named| named == field),
            "{field} is missing from {fields:?}"
        );
    }
}

#[tokio::test]
async fn an_ended_session_takes_no_more_and_a_deleted_one_is_gone() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service.save(&session, state("work", 0.9)).await.unwrap();
    let delete = |force| DeleteSessionRequest {
        request_id: id(),
        session_id: session.id.clone(),
        force,
    };
    assert_eq!(
        refusal(service.api.delete_session(delete(false)).await).1,
        "SESSION_OWNED"
    );
    let end = EndSessionRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: 1,
        ..Default::default()
    };
    service.api.end_session(end).await.unwrap();
    assert_eq!(
        refusal(service.save(&session, state("more", 1.0)).await).1,
        "SESSION_ENDED"
    );
    assert_eq!(
        service
            .api
            .delete_session(delete(false))
            .await
            .unwrap()
            .into_inner()
            .deleted_checkpoints,
        1
    );
    let get = GetSessionRequest {
        session_id: session.id,
    };
    assert_eq!(
        refusal(service.api.get_session(get).await),
        (Code::NotFound, "SESSION_NOT_FOUND".into())
    );
}
