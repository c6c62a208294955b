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

/// A save that inherits what the checkpoint before knew.
fn carrying(session: &Session, state: CheckpointState) -> SaveCheckpointRequest {
    SaveCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        state: Some(state),
        carry_over: true,
        ..Default::default()
    }
}

fn decided(saver: usize, save: usize) -> CheckpointState {
    CheckpointState {
        decisions: vec![format!("decision {saver}.{save}")],
        ..state("shared", 0.5)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_saves_that_carry_over_lose_no_item_and_leave_no_gap() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let savers = (0..8).map(|saver| {
        let (mut api, session) = (service.api.clone(), session.clone());
        tokio::spawn(async move {
            for save in 0..10 {
                let request = carrying(&session, decided(saver, save));
                api.save_checkpoint(request).await.unwrap();
            }
        })
    });
    for saver in savers.collect::<Vec<_>>() {
        saver.await.unwrap();
    }
    let mut saved = service.headers(&session.id).await;
    saved.reverse();
    let numbers: Vec<u64> = saved.iter().map(|c| c.number).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
    for pair in saved.windows(2) {
        assert_eq!(pair[1].previous_hash, pair[0].hash);
    }
    // Each checkpoint holds all decisions of the one before and one more.
    for (i, header) in saved.iter().enumerate() {
        assert_eq!(service.content(&header.id).await.decisions.len(), i + 1);
    }
    let mut decisions = service.content(&saved[79].id).await.decisions;
    decisions.sort_unstable();
    decisions.dedup();
    assert_eq!(decisions.len(), 80);
}

#[tokio::test]
async fn a_repeated_request_gets_its_first_answer_after_the_head_moved_and_the_session_ended() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let request = carrying(&session, decided(0, 0));
    let first = service.api.save_checkpoint(request.clone()).await;
    let first = first.unwrap().into_inner();
    for save in 1..3 {
        let other = carrying(&session, decided(0, save));
        service.api.save_checkpoint(other).await.unwrap();
    }
    let again = service.api.save_checkpoint(request.clone()).await;
    assert_eq!(again.unwrap().into_inner(), first);
    let other = SaveCheckpointRequest {
        state: Some(decided(9, 9)),
        ..request.clone()
    };
    assert_eq!(
        refusal(service.api.save_checkpoint(other).await),
        (Code::InvalidArgument, "REQUEST_ID_REUSED".into())
    );
    let end = EndSessionRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        ..Default::default()
    };
    service.api.end_session(end).await.unwrap();
    let again = service.api.save_checkpoint(request).await;
    assert_eq!(again.unwrap().into_inner(), first);
    assert_eq!(service.session(&session.id).await.head_number, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_in_the_middle_of_racing_saves_shuts_the_old_owner_out() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service.save(&session, decided(0, 0)).await.unwrap();
    let savers = (1..5).map(|saver| {
        let (mut api, session) = (service.api.clone(), session.clone());
        tokio::spawn(async move {
            for save in 0.. {
                let request = carrying(&session, decided(saver, save));
                if let Err(status) = api.save_checkpoint(request).await {
                    return refusal::<()>(Err(status));
                }
            }
            unreachable!("the old owner is refused")
        })
    });
    let savers = savers.collect::<Vec<_>>();
    let request = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        ..Default::default()
    };
    let restored = service.api.restore_checkpoint(request).await.unwrap();
    assert_eq!(restored.into_inner().session.unwrap().epoch, 2);
    for saver in savers {
        let stale = (Code::FailedPrecondition, "STALE_OWNER".to_owned());
        assert_eq!(saver.await.unwrap(), stale);
    }
    let mut epochs: Vec<u64> = service
        .headers(&session.id)
        .await
        .iter()
        .map(|c| c.epoch)
        .collect();
    epochs.dedup();
    assert_eq!(
        epochs,
        [1],
        "no save of the old owner came after the restore"
    );
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
