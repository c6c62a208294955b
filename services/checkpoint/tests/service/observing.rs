//! Sessions that are known from what their clients tell by themselves: which events open one, and whose it is.

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::*;
use tonic::Code;

use crate::observed_events::Client;
use crate::test_service::{TestService, id, refusal};

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
async fn a_wrong_event_is_refused_with_its_place_and_the_others_are_kept() {
    let mut service = TestService::start().await;
    let mut client = Client::alive("c1");
    let good = client.prompt("p");
    let wrong: Vec<(&str, Box<dyn Fn(&mut ObservedEvent)>)> = vec![
        ("event_id", Box::new(|event| event.event_id = "x".into())),
        ("at", Box::new(|event| event.at = None)),
        (
            "at",
            Box::new(|event| event.at.as_mut().unwrap().seconds = -1),
        ),
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
