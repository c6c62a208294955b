//! Signals: kept, judged, and acted on.

use shim_proto::checkpoint::v1::*;

use shim_proto::checkpoint::v1::observed_event::Event;

use crate::observed_events::Client;
use crate::test_service::{TestService, id, refusal, state};

impl Client {
    /// The status line's figures.
    fn usage(&mut self, tokens: u64, window: u64) -> ObservedEvent {
        let source = ObservationSource::StatusLine.into();
        let event = self.event(Event::UsageMeasured(UsageMeasured {
            context_tokens: Some(tokens),
            context_window: Some(window),
            ..UsageMeasured::default()
        }));
        ObservedEvent { source, ..event }
    }
}

/// The snapshots of a session, the newest first.
async fn history(service: &mut TestService, session: &str) -> Vec<SignalRecord> {
    let list = ListSignalHistoryRequest {
        session_id: session.into(),
        ..ListSignalHistoryRequest::default()
    };
    let listed = service.signals.list_signal_history(list).await.unwrap();
    listed.into_inner().records
}

#[tokio::test]
async fn a_status_lines_figures_are_judged_and_what_a_model_tells_is_judged_by_their_window() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("usage");
    let session = service.tell(vec![client.prompt("Measure")]).await;
    service.tell(vec![client.usage(160_000, 1_000_000)]).await;
    let kept = history(&mut service, &session.id).await;
    let [measured] = &kept[..] else {
        panic!("{kept:?}");
    };
    assert!(measured.observed);
    assert_eq!(
        measured.assessment.as_ref().unwrap().level(),
        RiskLevel::Safe
    );
    // At most one of each ten seconds.
    service.tell(vec![client.usage(190_000, 1_000_000)]).await;
    assert_eq!(history(&mut service, &session.id).await.len(), 1);
    let told = RecordSignalsRequest {
        request_id: id(),
        session_id: session.id.clone(),
        epoch: session.epoch,
        signals: Some(Signals {
            estimated_tokens: Some(170_000),
            message_count: Some(40),
            ..Signals::default()
        }),
    };
    let judged = service
        .signals
        .record_signals(told)
        .await
        .unwrap()
        .into_inner();
    let assessment = judged.assessment.unwrap();
    let raised = |factor: &&RiskFactor| factor.zone() != RiskLevel::Safe;
    let raised: Vec<_> = assessment
        .factors
        .iter()
        .filter(raised)
        .map(|factor| factor.name.as_str())
        .collect();
    assert_eq!(raised, ["messages"], "the window is known: {assessment:?}");
    let newest = history(&mut service, &session.id).await.swap_remove(0);
    assert_eq!(newest.signals.unwrap().context_window, Some(1_000_000));
    assert!(!newest.observed);
}

#[tokio::test]
async fn a_context_that_is_measured_as_full_saves_what_was_observed() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("full");
    let session = service.tell(vec![client.prompt("Measure")]).await;
    let asked = GetGuidanceRequest {
        event: Some(client.usage(180_000, 200_000)),
    };
    let facts = service
        .observations
        .get_guidance(asked)
        .await
        .unwrap()
        .into_inner()
        .facts
        .unwrap();
    assert_eq!(facts.risk_level(), RiskLevel::Danger);
    assert!(facts.raised.contains("context 0.90"), "{}", facts.raised);
    assert_eq!(facts.context_full_in, None, "one point has no pace");
    let headers = service.headers(&session.id).await;
    assert_eq!(headers[0].trigger(), CheckpointTrigger::DangerZone);
    assert_eq!(
        service.content(&headers[0].id).await.current_task,
        "Measure"
    );
}

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
