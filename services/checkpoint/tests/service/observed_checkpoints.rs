//! Checkpoints that the service saves by itself, of what was told and what was observed.

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::*;
use tonic::Code;

use crate::observed_events::Client;
use crate::test_service::{TestService, id, state};

#[tokio::test]
async fn what_is_observed_is_saved_in_time_and_beside_what_was_told() {
    let mut service = TestService::start_with(&[("checkpoint.observed.every_calls", "3")]).await;
    let mut client = Client::alive("c1");
    let session = service.tell(vec![client.prompt("port the lexer")]).await;
    for call in ["a", "b", "c"] {
        assert!(service.headers(&session.id).await.is_empty());
        service.tell(vec![client.begin(call, "/p/a")]).await;
        service.tell(vec![client.finish(call, "/p/a")]).await;
    }
    let saved = service.headers(&session.id).await;
    assert_eq!(saved.len(), 1);
    assert_eq!(saved[0].trigger(), CheckpointTrigger::Observed);
    let content = service.content(&saved[0].id).await;
    assert_eq!(content.current_task, "port the lexer");
    assert!(content.is_task_observed);
    assert_eq!(content.active_files[0].path, "/p/a");

    let owned = service.open_as(client.gateway()).await;
    let mut given = state("port the lexer", 0.4);
    given.decisions = vec!["use nom".into()];
    service.save(&owned, given.clone()).await.unwrap();
    let seen = service.session(&session.id).await;
    let keys: Vec<_> = seen
        .tasks
        .iter()
        .map(|task| task.task_key.as_str())
        .collect();
    assert_eq!(keys, ["t1"], "the task that was only observed is over");

    let moments = [
        (
            client.event(Event::CompactionStarted(CompactionStarted::default())),
            CheckpointTrigger::PreCompact,
        ),
        (client.end_turn("It works."), CheckpointTrigger::TurnEnd),
    ];
    for (event, trigger) in moments {
        service.tell(vec![client.begin(&id(), "/p/b"), event]).await;
        let newest = service.headers(&session.id).await.swap_remove(0);
        assert_eq!(newest.trigger(), trigger);
        let mut content = service.content(&newest.id).await;
        assert!(content.observed.take().is_some());
        assert_eq!(content, given, "nothing observed overwrites what was told");
    }
    let before = service.headers(&session.id).await.len();
    let end = client.event(Event::SessionEnded(SessionEnded::default()));
    service.tell(vec![end]).await;
    assert_eq!(
        service.headers(&session.id).await.len(),
        before,
        "nothing new"
    );
}

#[tokio::test]
async fn what_carries_over_takes_nothing_from_what_was_observed() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let plan = Event::ToolCallFinished(ToolCallFinished {
        tool_use_id: "plan".into(),
        tool_name: "TodoWrite".into(),
        plan: Some(PlanUpdate {
            is_whole: true,
            steps: vec![PlanStep {
                text: "seen step".into(),
                ..PlanStep::default()
            }],
        }),
        ..ToolCallFinished::default()
    });
    let events = vec![
        client.prompt("work"),
        client.event(plan),
        client.end_turn("so far"),
    ];
    service.tell(events).await;
    let owned = service.open_as(client.gateway()).await;
    let request = SaveCheckpointRequest {
        request_id: id(),
        session_id: owned.id.clone(),
        epoch: owned.epoch,
        state: Some(state("work", 0.1)),
        carry_over: true,
        ..SaveCheckpointRequest::default()
    };
    let saved = service
        .api
        .save_checkpoint(request)
        .await
        .unwrap()
        .into_inner();
    let report = saved.report.unwrap();
    assert_eq!(report.relation(), TaskRelation::First);
    assert_eq!(report.carried_from_number, 0);
    let content = service.content(&saved.checkpoint.unwrap().id).await;
    assert_eq!(content, state("work", 0.1));
}

#[tokio::test]
async fn a_restore_without_a_checkpoint_holds_the_newest_that_was_observed() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let events = vec![client.prompt("port the lexer"), client.begin("a", "/p/a")];
    let session = service.tell(events).await;
    assert_eq!(session.head_number, 0);
    let request = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        client: Some(Client::alive("c2").gateway()),
        ..RestoreCheckpointRequest::default()
    };
    let restored = service
        .api
        .restore_checkpoint(request.clone())
        .await
        .unwrap();
    let restored = restored.into_inner();
    let observed = restored.state.clone().unwrap().observed.unwrap();
    assert_eq!(observed.open_tool_calls[0].tool_use_id, "a");
    let again = service.api.restore_checkpoint(request).await.unwrap();
    assert_eq!(again.into_inner(), restored);
    // The conversation that brought it back goes on with it; it had done no work of its own.
    let mut asking = Client::alive("c3");
    let asked = service.tell(vec![asking.prompt("bring it back")]).await;
    let request = RestoreCheckpointRequest {
        request_id: id(),
        session_id: session.id.clone(),
        take_over: true,
        client: Some(asking.gateway()),
        ..RestoreCheckpointRequest::default()
    };
    service.api.restore_checkpoint(request).await.unwrap();
    let later = service.tell(vec![asking.begin("b", "/p/b")]).await;
    assert_eq!(later.id, session.id);
    let asked = service.session(&asked.id).await;
    assert_eq!(asked.status(), SessionStatus::Ended);
}

#[tokio::test]
async fn danger_saves_what_was_observed() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    service.tell(vec![client.prompt("port the lexer")]).await;
    let owned = service.open_as(client.gateway()).await;
    let request = RecordSignalsRequest {
        request_id: id(),
        session_id: owned.id.clone(),
        epoch: owned.epoch,
        signals: Some(Signals {
            estimated_tokens: Some(160_000),
            context_window: Some(200_000),
            ..Signals::default()
        }),
    };
    service.signals.record_signals(request).await.unwrap();
    let saved = service.headers(&owned.id).await;
    assert_eq!(saved[0].trigger(), CheckpointTrigger::DangerZone);
    let content = service.content(&saved[0].id).await;
    assert_eq!(content.observed.unwrap().last_prompt, "port the lexer");
}

#[tokio::test]
async fn clients_tell_what_was_told_and_never_what_was_observed() {
    let mut service = TestService::start().await;
    let session = service.open_session("/p").await;
    let told = state("work", 0.1);
    for (field, wrong) in [
        (
            "state.observed",
            CheckpointState {
                observed: Some(ObservedState::default()),
                ..told.clone()
            },
        ),
        (
            "state.is_task_observed",
            CheckpointState {
                is_task_observed: true,
                ..told.clone()
            },
        ),
        (
            "state.task_key",
            CheckpointState {
                task_key: " observed ".into(),
                ..told.clone()
            },
        ),
    ] {
        let refused = service.save(&session, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(field), "{}", refused.message());
    }
}
