//! Sessions that are known from what their clients tell by themselves.

use shim_checkpoint::database_path;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::*;
use tonic::Code;

use crate::observed_events::Client;
use crate::test_service::{TestService, id, refusal, state};
use crate::verifying::{copied, open, told, whole};

#[tokio::test]
async fn a_window_without_work_leaves_nothing_and_the_first_prompt_opens_a_session() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let idle = vec![
        client.started(SessionStartSource::Startup),
        client.event(Event::UsageMeasured(UsageMeasured::default())),
        client.event(Event::SessionEnded(SessionEnded::default())),
    ];
    let told = service.report(idle).await.unwrap();
    assert_eq!(told, ReportEventsResponse::default());
    assert!(service.all_sessions().await.is_empty());

    let session = service.tell(vec![client.prompt("port the lexer")]).await;
    assert_eq!((session.project.as_str(), session.epoch), ("/p", 1));
    assert_eq!(session.status(), SessionStatus::Active);
    assert_eq!(session.client.unwrap().conversation, "c1");
    let (observed, events) = service.observed(&session.id).await;
    assert_eq!(observed.last_prompt, "port the lexer");
    assert_eq!((observed.prompts, events.len()), (1, 1));
}

#[tokio::test]
async fn the_same_event_has_one_effect_by_its_id_and_by_what_it_tells() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let (begin, finish) = (client.begin("a", "/p/a"), client.finish("a", "/p/a"));
    let events = vec![client.prompt("p"), finish.clone(), begin.clone()];
    let session = service.tell(events.clone()).await;
    let (before, _) = service.observed(&session.id).await;
    assert!(before.open_tool_calls.is_empty(), "its end came first");
    assert_eq!(before.edited_files[0].edits, 1);

    let again = service.report(events).await.unwrap();
    assert_eq!((again.kept, again.repeated), (0, 3));
    let from_transcript = |event: ObservedEvent| ObservedEvent {
        event_id: id(),
        source: ObservationSource::Transcript.into(),
        ..event
    };
    let again = vec![from_transcript(begin), from_transcript(finish)];
    let again = service.report(again).await.unwrap();
    assert_eq!((again.kept, again.repeated), (0, 2));
    assert_eq!(again.session_ids, std::slice::from_ref(&session.id));
    let mut service = service.restart(|_| {}).await;
    assert_eq!(service.observed(&session.id).await.0, before);
}

#[tokio::test]
async fn what_a_gateway_opens_and_what_was_observed_is_one_session() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let seen = service.tell(vec![client.prompt("port the lexer")]).await;
    let opened = service.open_as(client.gateway()).await;
    assert_eq!((&opened.id, opened.epoch), (&seen.id, 2));
    assert!(opened.client.unwrap().gateway_process.is_some());
    // A new one is a wish of its own, and has the conversation from then on.
    let second = service.open_as(client.gateway()).await;
    assert_ne!(second.id, seen.id);
    let later = service.tell(vec![client.prompt("q")]).await;
    assert_eq!((&later.id, later.epoch), (&second.id, 1));

    let mut other = Client::alive("c2");
    let opened = service.open_as(other.gateway()).await;
    let seen = service.tell(vec![other.prompt("p")]).await;
    assert_eq!((&seen.id, seen.epoch), (&opened.id, 1));
    // Another program's conversation of the same name is another one.
    let mut elsewhere = Client::alive("c2").prompt("p");
    elsewhere.client.as_mut().unwrap().hostname = "elsewhere".into();
    assert_ne!(service.tell(vec![elsewhere]).await.id, opened.id);
}

/// However hooks and gateways race, a conversation has one session.
#[tokio::test(flavor = "multi_thread")]
async fn racing_hooks_and_gateways_open_one_session() {
    let mut service = TestService::start().await;
    for round in 0..20 {
        let mut client = Client::alive(&format!("c{round}"));
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..8 {
            let (mut api, mut observations) = (service.api.clone(), service.observations.clone());
            let event = client.prompt(&format!("prompt {call}"));
            let open = OpenSessionRequest {
                request_id: id(),
                project: "/p".into(),
                client: Some(client.gateway()),
                ..OpenSessionRequest::default()
            };
            calls.spawn(async move {
                if call == round % 8 {
                    let opened = api.open_session(open).await.unwrap().into_inner();
                    return opened.session.unwrap().id;
                }
                let events = vec![event];
                let told = observations.report_events(ReportEventsRequest { events });
                told.await.unwrap().into_inner().session_ids.remove(0)
            });
        }
        let ids: std::collections::BTreeSet<String> = calls.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 1, "round {round}");
    }
    assert_eq!(service.all_sessions().await.len(), 20);
}

#[tokio::test]
async fn a_resumed_conversation_goes_to_the_process_that_lives() {
    let mut service = TestService::start().await;
    let mut first = Client::dead("c1");
    let mut opening = first.prompt("p");
    opening.source = ObservationSource::Spool.into();
    let session = service.tell(vec![opening]).await;
    let mut second = Client {
        process: shim_runtime::process::own(),
        ..first.clone()
    };
    let resumed = service
        .tell(vec![second.started(SessionStartSource::Resume)])
        .await;
    assert_eq!((&resumed.id, resumed.epoch), (&session.id, 2));
    assert_eq!(resumed.client.unwrap().client_process, Some(second.process));
    // Its owner lives: what another process tells is kept, and the owner stays.
    let late = service.tell(vec![first.begin("a", "/p/a")]).await;
    assert_eq!((late.epoch, &late.id), (2, &session.id));
}

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
    service.record_signals(&owned, Some(1_000)).await;
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

#[tokio::test]
async fn a_wrong_event_is_refused_with_its_place_and_the_others_are_kept() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let good = client.prompt("p");
    let wrong: Vec<(&str, Box<dyn Fn(&mut ObservedEvent)>)> = vec![
        ("event_id", Box::new(|event| event.event_id = "x".into())),
        ("at", Box::new(|event| event.at = None)),
        (
            "at",
            Box::new(|event| event.at.as_mut().unwrap().seconds += 200_000),
        ),
        (
            "conversation",
            Box::new(|event| event.conversation = " ".into()),
        ),
        (
            "conversation",
            Box::new(|event| event.conversation = "c".repeat(201)),
        ),
        ("cwd", Box::new(|event| event.cwd = "here".into())),
        ("cwd", Box::new(|event| event.cwd = "/".repeat(4_097))),
        (
            "client.name",
            Box::new(|event| event.client.as_mut().unwrap().name = "n\n".into()),
        ),
        (
            "client.conversation",
            Box::new(|event| event.client.as_mut().unwrap().conversation = "d".into()),
        ),
        ("source", Box::new(|event| event.source = 99)),
        ("event", Box::new(|event| event.event = None)),
        (
            "tool_use_id",
            Box::new(|event| {
                event.event = Some(Event::ToolCallStarted(ToolCallStarted {
                    tool_name: "x".into(),
                    ..Default::default()
                }))
            }),
        ),
        (
            "files",
            Box::new(|event| {
                event.event = Some(Event::ToolCallStarted(ToolCallStarted {
                    tool_use_id: "a".into(),
                    tool_name: "x".into(),
                    files: vec![
                        UsedFile {
                            path: "/a".into(),
                            r#use: 0
                        };
                        51
                    ],
                    ..Default::default()
                }))
            }),
        ),
        (
            "cost_usd",
            Box::new(|event| {
                event.event = Some(Event::UsageMeasured(UsageMeasured {
                    cost_usd: Some(f64::NAN),
                    ..Default::default()
                }))
            }),
        ),
    ];
    for (field, change) in wrong {
        let mut event = client.prompt("q");
        change(&mut event);
        let told = service
            .report(vec![event, client.prompt("r")])
            .await
            .unwrap();
        assert_eq!((told.kept, told.refused.len()), (1, 1), "{field}");
        assert_eq!(told.refused[0].index, 0);
        assert!(
            told.refused[0].reason.contains(field),
            "{}",
            told.refused[0].reason
        );
    }
    let many = vec![good.clone(); 1_001];
    assert_eq!(refusal(service.report(many).await).0, Code::InvalidArgument);
    assert_eq!(
        refusal(service.report(vec![]).await).0,
        Code::InvalidArgument
    );

    let long = client.prompt(&"ä".repeat(5_000));
    let session = service
        .tell(vec![long, client.begin("a", "/p/x/../\n.rs")])
        .await;
    let (observed, _) = service.observed(&session.id).await;
    assert!(observed.last_prompt.len() <= 8_192 && observed.last_prompt.len() > 8_000);
    assert_eq!(observed.open_tool_calls[0].files[0].path, "/p/\\n.rs");
}

#[tokio::test]
async fn secrets_in_events_are_never_stored() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let secret = format!(
        "ghp_{}",
        "a1B2c3D4e5F6g7H8i9J0".repeat(2).get(..36).unwrap()
    );
    let events = vec![
        client.prompt(&format!("use {secret} to push")),
        client.begin("a", &format!("git push https://x:{secret}@github.com")),
        client.end_turn(&format!("pushed with {secret}")),
    ];
    let session = service.tell(events).await;
    let (observed, events) = service.observed(&session.id).await;
    let all = format!("{observed:?} {events:?}");
    assert!(!all.contains(&secret), "{all}");
    let database = std::fs::read(database_path(service.folder.path())).unwrap();
    let log = database_path(service.folder.path()).with_extension("db-wal");
    let log = std::fs::read(log).unwrap_or_default();
    for bytes in [database, log] {
        let secret = secret.as_bytes();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
}

#[tokio::test]
async fn events_are_kept_within_bounds_and_those_dropped_have_no_second_effect() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let mut all = vec![client.prompt("p")];
    for call in 0..1_500 {
        all.push(client.begin(&call.to_string(), "/p/a"));
        all.push(client.finish(&call.to_string(), "/p/a"));
    }
    for part in all.chunks(1_000) {
        service.tell(part.to_vec()).await;
    }
    let session = service.all_sessions().await.swap_remove(0);
    let (before, _) = service.observed(&session.id).await;
    assert_eq!(
        (before.tool_calls, before.edited_files[0].edits),
        (1_500, 1_500)
    );
    let db = open(service.folder.path());
    let rows: i64 = db
        .query_row("SELECT count(*) FROM observed_events", [], |row| row.get(0))
        .unwrap();
    assert!((2_000..=2_201).contains(&rows), "{rows}");
    for part in all.chunks(1_000) {
        let told = service.report(part.to_vec()).await.unwrap();
        assert_eq!(told.repeated, u32::try_from(part.len()).unwrap());
    }
    let mut again = all[1].clone();
    again.event_id = id();
    let told = service.report(vec![again]).await.unwrap();
    assert_eq!(told.repeated, 1, "a transcript that tells of it again");
    assert_eq!(service.observed(&session.id).await.0, before);
    assert_eq!(whole(service.folder.path()).fault_count, 0);
}

#[tokio::test]
async fn what_changes_behind_the_service_is_told_and_begins_anew() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let done = Event::CompactionFinished(CompactionFinished {
        summary: "what was done".into(),
        ..CompactionFinished::default()
    });
    let events = vec![
        client.prompt("p"),
        client.begin("a", "/p/a"),
        client.event(done),
    ];
    let session = service.tell(events).await;
    let clean = whole(service.folder.path());
    assert_eq!(clean.fault_count, 0, "{}", told(&clean));
    for (sql, fault) in [
        (
            "UPDATE conversations SET session = 9",
            "of no session, in row 9",
        ),
        (
            "UPDATE observations SET record = x'00'",
            "what was observed of it is damaged",
        ),
        ("DELETE FROM observations", "and it has no observation"),
        (
            "UPDATE compaction_summaries SET text = 'x'",
            "summary of its last compaction is damaged",
        ),
        (
            "DELETE FROM observed_events WHERE half IS NULL",
            "its observation says 3",
        ),
        (
            "UPDATE observed_events SET id = randomblob(16) WHERE row_id = 1",
            "its column id",
        ),
        ("UPDATE observed_events SET half = NULL", "its column half"),
        (
            "UPDATE observed_events SET happened_at = 1 WHERE row_id = 1",
            "its column happened_at",
        ),
        (
            "UPDATE observed_events SET record = x'0a' WHERE row_id = 1",
            "in row 1 is damaged",
        ),
    ] {
        let copy = copied(service.folder.path());
        open(copy.path()).execute(sql, []).unwrap();
        let report = whole(copy.path());
        assert!(told(&report).contains(fault), "{sql}: {}", told(&report));
    }
    let damage = |database: &std::path::Path| {
        let db = rusqlite::Connection::open(database).unwrap();
        db.execute("UPDATE observations SET record = x'00'", [])
            .unwrap();
    };
    let mut service = service.restart(damage).await;
    let later = service.tell(vec![client.prompt("q")]).await;
    assert_eq!(later.id, session.id);
    assert_eq!(service.observed(&session.id).await.0.last_prompt, "q");
}

#[tokio::test]
async fn a_database_of_an_older_version_knows_its_conversations_and_loses_none() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let session = service.open_as(client.gateway()).await;
    let service = service
        .restart(|database| {
            let db = rusqlite::Connection::open(database).unwrap();
            db.execute_batch(
                "DROP TABLE conversations; DROP TABLE conversations_filled; DROP TABLE observations;
                 DROP TABLE compaction_summaries; DROP TABLE observed_events; PRAGMA user_version = 2",
            )
            .unwrap();
        })
        .await;
    let mut service = service;
    let seen = service.tell(vec![client.prompt("p")]).await;
    assert_eq!(seen.id, session.id);
    let deleted = DeleteSessionRequest {
        request_id: id(),
        session_id: session.id,
        force: true,
    };
    service.api.delete_session(deleted).await.unwrap();
    let db = open(service.folder.path());
    for table in ["conversations", "observations", "observed_events"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}
