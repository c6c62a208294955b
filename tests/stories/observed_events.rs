//! What clients tell by themselves, while the service is killed at random moments: what was answered is kept, and what is told
//! again has no second effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    FileUse, GetObservationRequest, ObservedEvent, ReportEventsRequest, ToolCallFinished, UsedFile,
};
use shim_runtime::client::Channel;
use shim_tests::calls::{client_info, request_id};
use shim_tests::rng::SeededRng;
use shim_tests::service::Service;
use shim_tests::temp_env::TempEnv;
use tokio::sync::Notify;

const SEED: u64 = 20_261_203;
const ROUNDS: u64 = 4;
const REPORTERS: usize = 4;

type Observations = ObservationServiceClient<Channel>;

/// The client of one conversation.
struct Reporter {
    conversation: String,
    sent: Vec<ObservedEvent>,
    answered: usize,
    session_id: String,
}

impl Reporter {
    fn new(conversation: usize) -> Self {
        Self {
            conversation: format!("conversation-{conversation}"),
            sent: Vec::new(),
            answered: 0,
            session_id: String::new(),
        }
    }

    fn next_event(&self) -> ObservedEvent {
        let number = self.sent.len();
        let mut client = client_info();
        client.conversation = String::new();
        let call = ToolCallFinished {
            tool_use_id: format!("call-{number}"),
            tool_name: "Write".into(),
            files: vec![UsedFile {
                path: "/p/file".into(),
                r#use: FileUse::Write.into(),
            }],
            ..ToolCallFinished::default()
        };
        ObservedEvent {
            event_id: request_id(),
            at: Some(std::time::SystemTime::now().into()),
            conversation: self.conversation.clone(),
            cwd: "/p".into(),
            client: Some(client),
            event: Some(Event::ToolCallFinished(call)),
            ..ObservedEvent::default()
        }
    }

    /// Reports one event after the other until the service is gone.
    async fn report(mut self, mut api: Observations, done: Arc<Progress>) -> Self {
        loop {
            let event = self.next_event();
            self.sent.push(event.clone());
            let request = ReportEventsRequest {
                events: vec![event],
            };
            let Ok(answer) = api.report_events(request).await else {
                return self;
            };
            let answer = answer.into_inner();
            assert_eq!((answer.kept, answer.refused.len()), (1, 0));
            self.answered = self.sent.len();
            self.session_id = answer.session_ids[0].clone();
            done.note();
        }
    }

    /// Checks what is kept, tells all of it again, and checks that it counts once.
    async fn check(&mut self, api: &mut Observations) {
        let kept = self.edits(api).await;
        assert!(
            (self.answered..=self.sent.len()).contains(&kept),
            "{kept} of {} answered, {} sent",
            self.answered,
            self.sent.len()
        );
        for events in self.sent.chunks(1_000) {
            let events = events.to_vec();
            let again = api.report_events(ReportEventsRequest { events }).await;
            self.session_id = again.unwrap().into_inner().session_ids.remove(0);
        }
        assert_eq!(self.edits(api).await, self.sent.len());
        self.answered = self.sent.len();
    }

    async fn edits(&self, api: &mut Observations) -> usize {
        if self.session_id.is_empty() {
            return 0;
        }
        let request = GetObservationRequest {
            session_id: self.session_id.clone(),
            event_count: 0,
        };
        let state = api.get_observation(request).await.unwrap().into_inner();
        let state = state.state.unwrap();
        let edits = state.edited_files[0].edits;
        assert_eq!(u64::from(edits), state.tool_calls);
        usize::try_from(edits).unwrap()
    }
}

/// Answers so far.
#[derive(Default)]
struct Progress {
    answers: AtomicUsize,
    changed: Notify,
}

impl Progress {
    fn note(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    async fn wait_for(&self, answers: u64) {
        while (self.answers.load(Ordering::Relaxed) as u64) < answers {
            self.changed.notified().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_event_survives_a_kill_and_counts_once() {
    let temp = TempEnv::new();
    let mut rng = SeededRng::new(SEED);
    eprintln!("seed {SEED}");
    let mut reporters: Vec<Reporter> = (0..REPORTERS).map(Reporter::new).collect();
    for round in 0..ROUNDS {
        let mut service = Service::start(&temp.data_dir()).await;
        let api = ObservationServiceClient::new(service.channel());
        for reporter in &mut reporters {
            reporter.check(&mut api.clone()).await;
        }
        let done = Arc::<Progress>::default();
        let mut working = tokio::task::JoinSet::new();
        for reporter in reporters.drain(..) {
            working.spawn(reporter.report(api.clone(), Arc::clone(&done)));
        }
        done.wait_for(rng.within(1..120)).await;
        service.kill();
        reporters = working.join_all().await;
        eprintln!(
            "round {round}: {} answers",
            done.answers.load(Ordering::Relaxed)
        );
    }
    let service = Service::start(&temp.data_dir()).await;
    let mut api = ObservationServiceClient::new(service.channel());
    for reporter in &mut reporters {
        reporter.check(&mut api).await;
    }
    let sessions: std::collections::BTreeSet<_> = reporters
        .iter()
        .map(|reporter| &reporter.session_id)
        .collect();
    assert_eq!(sessions.len(), REPORTERS, "one for each conversation");
}
