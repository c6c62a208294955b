//! Signals: kept, judged, and acted on.

use shim_proto::checkpoint::v1::*;

use crate::test_service::{TestService, id, refusal, state};

#[tokio::test]
async fn reaching_danger_saves_the_last_known_state_once() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    service
        .save(&session, state("risky work", 0.5))
        .await
        .unwrap();
    let full = |tokens| RecordSignalsRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: 1,
        signals: Some(Signals {
            estimated_tokens: Some(tokens),
            context_window: Some(200_000),
            ..Default::default()
        }),
    };
    let calm = service
        .signals
        .record_signals(full(10_000))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(calm.assessment.unwrap().level(), RiskLevel::Safe);
    let danger = service
        .signals
        .record_signals(full(160_000))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(danger.assessment.unwrap().level(), RiskLevel::Danger);
    let saved = danger.danger_checkpoint.unwrap();
    assert_eq!(
        (saved.trigger(), saved.number),
        (CheckpointTrigger::DangerZone, 2)
    );
    let still = service
        .signals
        .record_signals(full(165_000))
        .await
        .unwrap()
        .into_inner();
    assert!(still.danger_checkpoint.is_none(), "danger is entered once");
    let kept = service.content(&saved.id).await;
    assert_eq!(kept.current_task, "risky work");

    let list = ListSignalHistoryRequest {
        session_id: session.id.clone(),
        ..Default::default()
    };
    let history = service
        .signals
        .list_signal_history(list)
        .await
        .unwrap()
        .into_inner()
        .records;
    assert_eq!(history.len(), 3);
    assert_eq!(history[0].signals.unwrap().estimated_tokens, Some(165_000));
    let assess = AssessRiskRequest {
        session_id: session.id.clone(),
        signals: None,
    };
    let now = service
        .signals
        .assess_risk(assess)
        .await
        .unwrap()
        .into_inner()
        .assessment
        .unwrap();
    assert_eq!(now.level(), RiskLevel::Danger, "the newest snapshot speaks");
}

#[tokio::test]
async fn impossible_signals_are_refused_by_name() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let request = RecordSignalsRequest {
        request_id: id(),
        session_id: session.id,
        epoch: 1,
        signals: Some(Signals {
            context_window: Some(0),
            tool_calls: Some(1),
            tool_failures: Some(2),
            response_latency_ms: Some(f64::INFINITY),
            ..Default::default()
        }),
    };
    let status = service.signals.record_signals(request).await.unwrap_err();
    for field in ["context_window", "tool_failures", "response_latency_ms"] {
        assert!(status.message().contains(field), "{}", status.message());
    }
    assert_eq!(refusal::<()>(Err(status)).1, "BAD_REQUEST");
}
