//! Calls as busy clients make them: half of them saves, half of them writes and reads of shared state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, GetSessionRequest, Session};
use shim_runtime::client::Channel;
use tokio::task::JoinSet;
use tonic::Status;

use crate::coordination::{Clients, NAMESPACE, counted, put};
use crate::dice::Dice;
use crate::service::Service;
use crate::{calls, prose};

const STATE_BYTES: usize = 2 * 1024;
const MEASURED_FOR: Duration = Duration::from_secs(3);
const CALM_CALLS: usize = 200;
/// As many as make the service busy without a single refusal.
const IN_FLIGHT: u64 = 64;

/// One client with a connection and a session of its own.
#[derive(Clone)]
pub(super) struct Caller {
    checkpoints: CheckpointServiceClient<Channel>,
    state: Clients,
    session: Session,
    content: CheckpointState,
    name: Arc<str>,
    acknowledged: Arc<AtomicU64>,
}

impl Caller {
    pub(super) async fn new(service: &Service, number: u64) -> Self {
        let channel = service.channel();
        let mut checkpoints = CheckpointServiceClient::new(channel.clone());
        let session = calls::open(&mut checkpoints, "/overload")
            .await
            .expect("a calm service opens sessions");
        Self {
            checkpoints,
            state: Clients::over(&channel),
            session,
            content: prose::state(&mut Dice::new(number), "overload", STATE_BYTES),
            name: format!("overload-{number}").into(),
            acknowledged: Arc::default(),
        }
    }

    /// Several, each with its own connection: one alone is held back by HTTP/2's limit of streams.
    pub(super) async fn several(service: &Service, count: u64) -> Vec<Self> {
        let mut callers = Vec::new();
        for number in 0..count {
            callers.push(Self::new(service, number).await);
        }
        callers
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
                // Nobody has written it yet.
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
pub(super) async fn calm_latency(service: &Service) -> Duration {
    let mut caller = Caller::new(service, 0).await;
    let mut latencies = Vec::with_capacity(CALM_CALLS);
    for _ in 0..CALM_CALLS {
        let start = Instant::now();
        caller.call(0).await.expect("a calm service saves");
        latencies.push(start.elapsed());
    }
    latencies.sort_unstable();
    latencies[CALM_CALLS / 2]
}

/// Calls a second that are answered while a few clients wait for each answer before they call again.
pub(super) async fn sustainable_rate(service: &Service) -> f64 {
    let end = Instant::now() + MEASURED_FOR;
    let mut running = JoinSet::new();
    for mut caller in Caller::several(service, IN_FLIGHT).await {
        running.spawn(async move {
            let mut turn = 0;
            while Instant::now() < end {
                caller.call(turn).await.expect("a busy service serves");
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

/// How long until a save takes at most twice `calm`, or one millisecond, again; `None` if it does not within `patience`.
pub(super) async fn recovery(
    service: &Service,
    calm: Duration,
    patience: Duration,
) -> Option<Duration> {
    let start = Instant::now();
    let enough = (2 * calm).max(Duration::from_millis(1));
    while start.elapsed() < patience {
        if calm_latency(service).await <= enough {
            return Some(start.elapsed());
        }
    }
    None
}
