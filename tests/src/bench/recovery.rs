//! Restore and recovery detection in a store that grows: half of its checkpoints in the session asked for, the other
//! half in interrupted sessions of a hundred.

use std::time::Instant;

use shim_proto::checkpoint::v1::attach_session_request::Message as Said;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{
    Attach, AttachSessionRequest, Detach, DetectRecoveryRequest, RestoreCheckpointRequest, Session,
};
use shim_runtime::client::Channel;
use tokio::task::JoinSet;

use super::figure::Figure;
use super::latency::Latencies;
use crate::rng::SeededRng;
use crate::service::Service;
use crate::temp_env::TempEnv;
use crate::{calls, sample_content};

const SIZES: [usize; 3] = [10, 10_000, 100_000];
const SESSION_SIZE: usize = 100;
const STATE_BYTES: usize = 2 * 1024;
const CALLS: usize = 200;
const FILLERS: usize = 64;
const PROJECT: &str = "/bench/recovery";

/// Latencies at each size, each beside that of the smallest.
pub(super) async fn measure(progress: &impl Fn(&str)) -> Vec<Figure> {
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let mut client = service.client();
    let mut store = Store::open(&mut client).await;
    let mut figures = Vec::new();
    let mut smallest: Option<[f64; 2]> = None;
    for size in SIZES {
        progress(&format!("restore and detection at {size} checkpoints"));
        store.grow_to(&client, size).await;
        let mut restores = time_restores(&mut client, &mut store.target).await;
        store.leave_target(&mut client).await;
        let mut detections = time_detections(&mut client).await;
        let medians = [restores.percentile_ms(50), detections.percentile_ms(50)];
        let first = *smallest.get_or_insert(medians);
        for ((what, mut all), (median, base)) in
            [("restore", restores), ("detect recovery", detections)]
                .into_iter()
                .zip(medians.into_iter().zip(first))
        {
            let name = |percentile: &str| format!("{what} at {size} checkpoints, {percentile}");
            let figure =
                Figure::new(name("p50"), median, "ms").beside("itself at 10 checkpoints", base);
            figures.push(figure.target("<= 2x at 10 checkpoints", median <= 2.0 * base));
            figures.push(Figure::new(name("p99"), all.percentile_ms(99), "ms"));
        }
    }
    figures
}

/// What was filled in so far.
struct Store {
    target: Session,
    in_target: usize,
    elsewhere: usize,
    rng: SeededRng,
}

impl Store {
    async fn open(client: &mut CheckpointServiceClient<Channel>) -> Self {
        let target = calls::open(client, PROJECT)
            .await
            .expect("a session is opened");
        Self {
            target,
            in_target: 0,
            elsewhere: 0,
            rng: SeededRng::new(3),
        }
    }

    async fn grow_to(&mut self, client: &CheckpointServiceClient<Channel>, checkpoints: usize) {
        let half = checkpoints / 2;
        self.fill_target(client, half - self.in_target).await;
        let mut fillers = JoinSet::new();
        while self.elsewhere < half {
            let count = SESSION_SIZE.min(half - self.elsewhere);
            self.elsewhere += count;
            fillers.spawn(interrupted_session(
                client.clone(),
                count,
                SeededRng::new(self.rng.next_u64()),
            ));
            if fillers.len() == FILLERS {
                fillers.join_next().await;
            }
        }
        fillers.join_all().await;
    }

    /// The target's checkpoints, many in flight: their order does not matter here.
    async fn fill_target(&mut self, client: &CheckpointServiceClient<Channel>, count: usize) {
        let mut fillers = JoinSet::new();
        for filler in 0..FILLERS {
            let share = count / FILLERS + usize::from(filler < count % FILLERS);
            let (client, session, rng) = (
                client.clone(),
                self.target.clone(),
                SeededRng::new(self.rng.next_u64()),
            );
            fillers.spawn(fill(client, session, share, rng));
        }
        fillers.join_all().await;
        self.in_target += count;
    }

    /// The owner goes, so that the session is there to be detected; its next restore takes it back.
    async fn leave_target(&mut self, client: &mut CheckpointServiceClient<Channel>) {
        attach_and_leave(client, &self.target).await;
    }
}

async fn fill(
    mut client: CheckpointServiceClient<Channel>,
    session: Session,
    count: usize,
    mut rng: SeededRng,
) {
    for step in 0..count {
        let state = sample_content::state(&mut rng, &format!("step {step}"), STATE_BYTES);
        calls::save(&mut client, &session, state)
            .await
            .expect("a save goes through");
    }
}

async fn interrupted_session(
    mut client: CheckpointServiceClient<Channel>,
    count: usize,
    rng: SeededRng,
) {
    let session = calls::open(&mut client, "/bench/elsewhere")
        .await
        .expect("a session is opened");
    fill(client.clone(), session.clone(), count, rng).await;
    attach_and_leave(&mut client, &session).await;
}

async fn attach_and_leave(client: &mut CheckpointServiceClient<Channel>, session: &Session) {
    let attach = Attach {
        session_id: session.id.clone(),
        epoch: session.epoch,
        client: Some(calls::client_info()),
    };
    let words = [
        Said::Attach(attach),
        Said::Detach(Detach {
            reason: "benchmark".into(),
        }),
    ];
    let words = tokio_stream::iter(words.map(|said| AttachSessionRequest {
        message: Some(said),
    }));
    let mut answers = client
        .attach_session(words)
        .await
        .expect("the session is attached")
        .into_inner();
    while answers
        .message()
        .await
        .expect("the lease is granted")
        .is_some()
    {}
}

async fn time_restores(
    client: &mut CheckpointServiceClient<Channel>,
    target: &mut Session,
) -> Latencies {
    let mut latencies = Latencies::default();
    for _ in 0..CALLS {
        let request = RestoreCheckpointRequest {
            request_id: calls::request_id(),
            session_id: target.id.clone(),
            take_over: true,
            client: Some(calls::client_info()),
            ..Default::default()
        };
        let start = Instant::now();
        let answer = client
            .restore_checkpoint(request)
            .await
            .expect("the session is restored")
            .into_inner();
        latencies.record(start.elapsed());
        *target = answer.session.expect("the session is told");
    }
    latencies
}

async fn time_detections(client: &mut CheckpointServiceClient<Channel>) -> Latencies {
    let mut latencies = Latencies::default();
    for _ in 0..CALLS {
        let request = DetectRecoveryRequest {
            project: PROJECT.into(),
            ..Default::default()
        };
        let start = Instant::now();
        let answer = client
            .detect_recovery(request)
            .await
            .expect("recovery is detected")
            .into_inner();
        latencies.record(start.elapsed());
        assert!(
            answer
                .candidates
                .first()
                .is_some_and(|candidate| candidate.same_project),
            "the target comes first"
        );
    }
    latencies
}
