//! Calls as busy clients make them: half of them saves, half of them writes and reads of shared state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, GetSessionRequest, Session};
use shim_runtime::client::Channel;
use tokio::task::JoinSet;
use tonic::Status;

use crate::coordination::{CoordinationClients, NAMESPACE, counted, put};
use crate::rng::SeededRng;
use crate::service::Service;
use crate::{calls, sample_content};

const STATE_BYTES: usize = 2 * 1024;
const MEASURED_FOR: Duration = Duration::from_secs(3);
const CALM_CALLS: usize = 200;
/// As many as make the service busy without a single refusal.
const IN_FLIGHT: u64 = 64;

/// One client with a connection and a session of its own.
#[derive(Clone)]
pub(super) struct LoadClient {
    checkpoints: CheckpointServiceClient<Channel>,
    state: CoordinationClients,
    session: Session,
    content: CheckpointState,
    name: Arc<str>,
    acknowledged: Arc<AtomicU64>,
}

impl LoadClient {
    pub(super) async fn new(service: &Service, number: u64) -> Self {
        let channel = service.channel();
        let mut checkpoints = CheckpointServiceClient::new(channel.clone());
        let session = calls::open(&mut checkpoints, "/overload")
            .await
            .expect("a calm service opens sessions");
        Self {
            checkpoints,
            state: CoordinationClients::over(&channel),
            session,
            content: sample_content::state(&mut SeededRng::new(number), "overload", STATE_BYTES),
            name: format!("overload-{number}").into(),
            acknowledged: Arc::default(),
        }
    }

    /// Several, each with its own connection: one alone is held back by HTTP/2's limit of streams.
    pub(super) async fn several(service: &Service, count: u64) -> Vec<Self> {
        let mut load_clients = Vec::new();
        for number in 0..count {
            load_clients.push(Self::new(service, number).await);
        }
        load_clients
    }

    /// The call whose turn it is.
    pub(super) async fn call(&mut self, turn: u64) -> Result<(), Status> {
        match turn % 4 {
            0 | 1 => {
                calls::save(&mut self.checkpoints, &self.session, self.content.clone()).await?;
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            2 => {
                self.state.put(put(&self.name, counted(turn), None)).await?;
            }
            _ => match self.state.get(NAMESPACE, &self.name).await {
                // It is not written yet.
                Err(status) if status.code() == tonic::Code::NotFound => {}
                other => drop(other?),
            },
        }
        Ok(())
    }

    /// Acknowledged saves that the session does not have.
    pub(super) async fn lost(&mut self) -> u64 {
        let request = GetSessionRequest {
            session_id: self.session.id.clone(),
        };
        let answer = self.checkpoints.get_session(request).await;
        let session = answer.expect("a calm service answers").into_inner().session;
        // Numbers are gapless, so the last one counts them; a save whose answer was lost may be there too.
        let kept = session.map_or(0, |session| session.head_number);
        self.acknowledged
            .load(Ordering::Relaxed)
            .saturating_sub(kept)
    }
}

/// The median latency of a save by the only client.
pub(super) async fn idle_latency(service: &Service) -> Duration {
    let mut load_client = LoadClient::new(service, 0).await;
    let mut latencies = Vec::with_capacity(CALM_CALLS);
    for _ in 0..CALM_CALLS {
        let start = Instant::now();
        load_client.call(0).await.expect("a calm service saves");
        latencies.push(start.elapsed());
    }
    latencies.sort_unstable();
    latencies[CALM_CALLS / 2]
}

/// Calls a second that are answered while a few clients wait for each answer before they call again.
pub(super) async fn sustainable_rate(service: &Service) -> f64 {
    let end = Instant::now() + MEASURED_FOR;
    let mut running = JoinSet::new();
    for mut load_client in LoadClient::several(service, IN_FLIGHT).await {
        running.spawn(async move {
            let mut turn = 0;
            while Instant::now() < end {
                load_client.call(turn).await.expect("a busy service serves");
                turn += 1;
            }
            turn
        });
    }
    let answered: u64 = running.join_all().await.into_iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let answered = answered as f64;
    answered / MEASURED_FOR.as_secs_f64()
}

/// How long until a save takes at most twice `calm`, or one millisecond, again; `None` if it does not within `timeout`.
pub(super) async fn time_to_recover(
    service: &Service,
    calm: Duration,
    timeout: Duration,
) -> Option<Duration> {
    let start = Instant::now();
    let enough = (2 * calm).max(Duration::from_millis(1));
    while start.elapsed() < timeout {
        if idle_latency(service).await <= enough {
            return Some(start.elapsed());
        }
    }
    None
}
