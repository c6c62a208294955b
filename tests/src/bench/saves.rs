//! Durable saves through gRPC beside raw commits of the same bytes. The two take turns, so that a disk that is slow
//! for a while is slow for both. What the service puts off (the search index) is done before the peer's turn begins
//! and shown as a figure of its own: the peer must not pay for it, and SHIM must not get it for nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, SearchCheckpointsRequest, Session};
use shim_runtime::client::Channel;
use tokio::task::JoinSet;

use super::figure::Figure;
use super::latency::Latencies;
use super::raw_commits::RawCommits;
use crate::rng::SeededRng;
use crate::service::Service;
use crate::{calls, sample_content};

const TURNS: u32 = 6;
const TURN: Duration = Duration::from_millis(600);
/// Distinct states that are saved in turn.
const STATES: usize = 128;
const SEED: u64 = 2;
const PEER: &str = "raw SQLite commits";

const MIB: f64 = 1024.0 * 1024.0;

/// Memory of the service before its first call.
pub(super) fn idle_memory(service: &Service) -> Figure {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    let mib = service.resident_bytes() as f64 / MIB;
    Figure::new("checkpoint service, idle memory", mib, "MiB").at_most(40.0)
}

/// Saves of `state_bytes` with `in_flight` sessions saving at once.
pub(super) async fn measure(
    service: &Service,
    folder: &Path,
    state_bytes: usize,
    in_flight: usize,
) -> Vec<Figure> {
    let mut rng = SeededRng::new(SEED);
    let states: Arc<[CheckpointState]> = (0..STATES)
        .map(|n| sample_content::state(&mut rng, &format!("task {n}"), state_bytes))
        .collect();
    let encoded: Arc<[Vec<u8>]> = states.iter().map(Message::encode_to_vec).collect();
    let raw = RawCommits::open(folder, &format!("raw-{state_bytes}-{in_flight}.db"))
        .expect("a raw database");
    let raw = Arc::new(std::sync::Mutex::new(raw));
    let client = service.client();
    let mut sessions = Vec::new();
    for _ in 0..in_flight {
        sessions.push(
            calls::open(&mut client.clone(), "/bench")
                .await
                .expect("a session is opened"),
        );
    }

    let (mut ours, mut theirs) = (Side::default(), Side::default());
    let mut indexing = Duration::ZERO;
    for _ in 0..TURNS {
        let (raw, encoded) = (Arc::clone(&raw), Arc::clone(&encoded));
        let turn = tokio::task::spawn_blocking(move || {
            raw.lock().expect("alone").commit_for(TURN, &encoded)
        });
        let start = Instant::now();
        let commits = turn
            .await
            .expect("no panic")
            .expect("raw commits go through");
        theirs.add(commits, start.elapsed());

        let start = Instant::now();
        let saves = save_for(TURN, &client, &sessions, &states).await;
        ours.add(saves, start.elapsed());
        indexing += catch_up_index(&client).await;
    }
    figures(state_bytes, in_flight, &mut ours, &mut theirs, indexing)
}

/// What one of the two did in all its turns.
#[derive(Default)]
struct Side {
    latencies: Latencies,
    time: Duration,
}

impl Side {
    fn add(&mut self, latencies: Latencies, time: Duration) {
        self.latencies.extend(latencies);
        self.time += time;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn per_second(&self, also: Duration) -> f64 {
        self.latencies.count() as f64 / (self.time + also).as_secs_f64()
    }
}

/// A search answers only when everything saved is indexed.
async fn catch_up_index(client: &CheckpointServiceClient<Channel>) -> Duration {
    let start = Instant::now();
    let request = SearchCheckpointsRequest {
        query: "task".into(),
        limit: 1,
        ..Default::default()
    };
    client
        .clone()
        .search_checkpoints(request)
        .await
        .expect("the search is answered");
    start.elapsed()
}

/// Every session saves one state after the other for `span`.
async fn save_for(
    span: Duration,
    client: &CheckpointServiceClient<Channel>,
    sessions: &[Session],
    states: &Arc<[CheckpointState]>,
) -> Latencies {
    let end = Instant::now() + span;
    let mut savers = JoinSet::new();
    for (offset, session) in sessions.iter().cloned().enumerate() {
        let (mut client, states) = (client.clone(), Arc::clone(states));
        savers.spawn(async move {
            let mut latencies = Latencies::default();
            for state in states.iter().cycle().skip(offset) {
                let start = Instant::now();
                if start >= end {
                    break;
                }
                calls::save(&mut client, &session, state.clone())
                    .await
                    .expect("a save goes through");
                latencies.record(start.elapsed());
            }
            latencies
        });
    }
    let mut all = Latencies::default();
    while let Some(saver) = savers.join_next().await {
        all.extend(saver.expect("a saver does not panic"));
    }
    all
}

fn figures(
    state_bytes: usize,
    in_flight: usize,
    ours: &mut Side,
    theirs: &mut Side,
    indexing: Duration,
) -> Vec<Figure> {
    let name = |what: &str| {
        format!(
            "save {} KiB, {in_flight} in flight, {what}",
            state_bytes / 1024
        )
    };
    let mut percentile = |percent| {
        (
            ours.latencies.percentile_ms(percent),
            theirs.latencies.percentile_ms(percent),
        )
    };
    let ((p50, raw_p50), (p99, raw_p99)) = (percentile(50), percentile(99));
    let (rate, raw_rate) = (
        ours.per_second(Duration::ZERO),
        theirs.per_second(Duration::ZERO),
    );

    let mut median = Figure::new(name("p50"), p50, "ms").beside(PEER, raw_p50);
    if in_flight == 1 {
        let added = added_ms(state_bytes);
        median = median.target(&format!("<= peer + {added:.2} ms"), p50 <= raw_p50 + added);
    }
    let mut saves = Figure::new(name("saves"), rate, "1/s").beside(PEER, raw_rate);
    if in_flight == 64 {
        let share = if is_small(state_bytes) { 1.8 } else { 1.2 };
        saves = saves.target(&format!(">= {share}x peer"), rate >= share * raw_rate);
    }
    let indexed_rate = ours.per_second(indexing);
    let indexed = Figure::new(name("saves, indexing included"), indexed_rate, "1/s");
    let mut indexed = indexed.beside(PEER, raw_rate);
    if in_flight == 64 {
        let share = if is_small(state_bytes) { 1.0 } else { 0.5 };
        let met = indexed_rate >= share * raw_rate;
        indexed = indexed.target(&format!(">= {share}x peer"), met);
    }
    vec![
        median,
        Figure::new(name("p99"), p99, "ms").beside(PEER, raw_p99),
        saves,
        indexed,
    ]
}

fn is_small(state_bytes: usize) -> bool {
    state_bytes <= 2 * 1024
}

/// What the service may add to a commit, in milliseconds.
fn added_ms(state_bytes: usize) -> f64 {
    if is_small(state_bytes) { 0.2 } else { 0.4 }
}
