//! Events as clients tell them, for the stories of what is observed.

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::*;
use shim_runtime::process;
use tonic::Status;

use crate::test_service::{TestService, id};

/// A conversation of a client on this machine, whose clock ticks with every event.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) conversation: String,
    pub(crate) cwd: String,
    pub(crate) process: ProcessIdentity,
    pub(crate) now: i64,
}

impl Client {
    /// One whose process is this one.
    pub(crate) fn alive(conversation: &str) -> Self {
        Self {
            conversation: conversation.into(),
            cwd: "/p".into(),
            process: process::own(),
            now: micros_now(),
        }
    }

    /// One whose process is gone.
    pub(crate) fn dead(conversation: &str) -> Self {
        Self {
            process: ProcessIdentity {
                pid: (1 << 22) - 1,
                start_ticks: 1,
            },
            ..Self::alive(conversation)
        }
    }

    pub(crate) fn info(&self) -> ClientInfo {
        ClientInfo {
            name: "claude-code".into(),
            hostname: process::hostname(),
            boot_id: process::boot_id(),
            client_process: Some(self.process),
            conversation: self.conversation.clone(),
            ..ClientInfo::default()
        }
    }

    /// The same as its gateway tells it.
    pub(crate) fn gateway(&self) -> ClientInfo {
        ClientInfo {
            gateway_process: Some(process::own()),
            ..self.info()
        }
    }

    pub(crate) fn event(&mut self, told: Event) -> ObservedEvent {
        self.now += 1_000;
        ObservedEvent {
            event_id: id(),
            at: Some(at(self.now)),
            conversation: self.conversation.clone(),
            cwd: self.cwd.clone(),
            client: Some(self.info()),
            event: Some(told),
            ..ObservedEvent::default()
        }
    }

    pub(crate) fn prompt(&mut self, text: &str) -> ObservedEvent {
        self.event(Event::PromptSubmitted(PromptSubmitted {
            text: text.into(),
            ..PromptSubmitted::default()
        }))
    }

    pub(crate) fn started(&mut self, source: SessionStartSource) -> ObservedEvent {
        self.event(Event::SessionStarted(SessionStarted {
            source: source.into(),
            ..SessionStarted::default()
        }))
    }

    pub(crate) fn begin(&mut self, tool_use_id: &str, path: &str) -> ObservedEvent {
        self.event(Event::ToolCallStarted(ToolCallStarted {
            tool_use_id: tool_use_id.into(),
            tool_name: "Edit".into(),
            summary: path.into(),
            files: vec![written(path)],
            ..ToolCallStarted::default()
        }))
    }

    pub(crate) fn finish(&mut self, tool_use_id: &str, path: &str) -> ObservedEvent {
        self.event(Event::ToolCallFinished(ToolCallFinished {
            tool_use_id: tool_use_id.into(),
            tool_name: "Edit".into(),
            files: vec![written(path)],
            outcome: ToolOutcome::Succeeded.into(),
            ..ToolCallFinished::default()
        }))
    }

    pub(crate) fn end_turn(&mut self, answer: &str) -> ObservedEvent {
        self.event(Event::TurnEnded(TurnEnded {
            outcome: TurnOutcome::Completed.into(),
            last_answer: answer.into(),
            ..TurnEnded::default()
        }))
    }
}

fn written(path: &str) -> UsedFile {
    UsedFile {
        path: path.into(),
        r#use: FileUse::Write.into(),
    }
}

fn micros_now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

fn at(micros: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: micros / 1_000_000,
        nanos: i32::try_from(micros % 1_000_000 * 1_000).unwrap(),
    }
}

impl TestService {
    pub(crate) async fn report(
        &mut self,
        events: Vec<ObservedEvent>,
    ) -> Result<ReportEventsResponse, Status> {
        let request = ReportEventsRequest { events };
        Ok(self.observations.report_events(request).await?.into_inner())
    }

    /// Reports events of one conversation, all of which are kept, and answers its session.
    pub(crate) async fn tell(&mut self, events: Vec<ObservedEvent>) -> Session {
        let count = u32::try_from(events.len()).unwrap();
        let told = self.report(events).await.unwrap();
        assert_eq!((told.kept, told.refused), (count, vec![]));
        assert_eq!(told.session_ids.len(), 1);
        self.session(&told.session_ids[0]).await
    }

    /// What was observed of a session, with its newest events.
    pub(crate) async fn observed(&mut self, session: &str) -> (ObservedState, Vec<ObservedEvent>) {
        let request = GetObservationRequest {
            session_id: session.into(),
            event_count: 1_000,
        };
        let found = self.observations.get_observation(request).await.unwrap();
        let found = found.into_inner();
        (found.state.unwrap(), found.events)
    }

    pub(crate) async fn all_sessions(&mut self) -> Vec<Session> {
        let request = ListSessionsRequest::default();
        self.api
            .list_sessions(request)
            .await
            .unwrap()
            .into_inner()
            .sessions
    }

    pub(crate) async fn open_as(&mut self, client: ClientInfo) -> Session {
        let request = OpenSessionRequest {
            request_id: id(),
            project: "/p".into(),
            client: Some(client),
            ..OpenSessionRequest::default()
        };
        let opened = self.api.open_session(request).await.unwrap();
        opened.into_inner().session.unwrap()
    }
}
