//! Durable saves through gRPC beside raw commits of the same bytes. The two take turns, so that a disk that is slow
//! for a while is slow for both.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, Session};
use shim_runtime::client::Channel;
use tokio::task::JoinSet;

use super::figure::Figure;
use super::latency::Latencies;
use super::raw_commits::RawCommits;
use crate::dice::Dice;
use crate::service::Service;
use crate::{calls, prose};

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
    let mut dice = Dice::new(SEED);
    let states: Arc<[CheckpointState]> = (0..STATES)
        .map(|n| prose::state(&mut dice, &format!("task {n}"), state_bytes))
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

    let (mut ours, mut theirs) = (Latencies::default(), Latencies::default());
    let (mut our_time, mut their_time) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TURNS {
        let start = Instant::now();
        let (raw, encoded) = (Arc::clone(&raw), Arc::clone(&encoded));
        let turn = tokio::task::spawn_blocking(move || {
            raw.lock().expect("alone").commit_for(TURN, &encoded)
        });
        theirs.extend(
            turn.await
                .expect("no panic")
                .expect("raw commits go through"),
        );
        their_time += start.elapsed();

        let start = Instant::now();
        ours.extend(save_for(TURN, &client, &sessions, &states).await);
        our_time += start.elapsed();
    }
    figures(
        state_bytes,
        in_flight,
        (&mut ours, our_time),
        (&mut theirs, their_time),
    )
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
                latencies.note(start.elapsed());
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
    (ours, our_time): (&mut Latencies, Duration),
    (theirs, their_time): (&mut Latencies, Duration),
) -> Vec<Figure> {
    let name = |what: &str| {
        format!(
            "save {} KiB, {in_flight} in flight, {what}",
            state_bytes / 1024
        )
    };
    let (p50, raw_p50) = (ours.percentile_ms(50), theirs.percentile_ms(50));
    let (p99, raw_p99) = (ours.percentile_ms(99), theirs.percentile_ms(99));
    let (rate, raw_rate) = (per_second(ours, our_time), per_second(theirs, their_time));

    let mut median = Figure::new(name("p50"), p50, "ms").beside(PEER, raw_p50);
    if in_flight == 1 {
        median = median.target("<= 1.5x peer + 0.3 ms", p50 <= 1.5 * raw_p50 + 0.3);
    }
    let mut saves = Figure::new(name("saves"), rate, "1/s").beside(PEER, raw_rate);
    if in_flight == 64 {
        saves = saves.target(">= 3x peer", rate >= 3.0 * raw_rate);
    }
    vec![
        median,
        Figure::new(name("p99"), p99, "ms").beside(PEER, raw_p99),
        saves,
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(latencies: &Latencies, span: Duration) -> f64 {
    latencies.count() as f64 / span.as_secs_f64()
}
