//! A steady load below the limit, for long: memory must come to rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use super::load::LoadClient;
use super::verdict::mib;
use crate::service::Service;

const CALLERS: u64 = 16;
/// The share of the sustainable rate.
const SHARE: f64 = 0.5;
const SAMPLES: u32 = 60;

/// What the long load came to.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Soak {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Calls served.
    pub served: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Acknowledged saves that are not there.
    pub lost: u64,
    /// Medians of memory in the second and in the last quarter, in MiB.
    pub memory_mib: [f64; 2],
}

pub(super) async fn run(service: &Service, span: Duration, sustainable: f64) -> Soak {
    let mut load_clients = LoadClient::several(service, CALLERS).await;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let period = Duration::from_secs_f64(CALLERS as f64 / (sustainable * SHARE));
    let is_done = Arc::new(AtomicBool::new(false));
    let failed = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut running = JoinSet::new();
    for mut load_client in load_clients.clone() {
        let (is_done, failed) = (Arc::clone(&is_done), Arc::clone(&failed));
        running.spawn(async move {
            let mut served = 0;
            let mut ticks = tokio::time::interval(period);
            while !is_done.load(Ordering::Relaxed) {
                ticks.tick().await;
                match load_client.call(served).await {
                    Ok(()) => served += 1,
                    Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                }
            }
            served
        });
    }
    let mut memory = Vec::new();
    for _ in 0..SAMPLES {
        tokio::time::sleep(span / SAMPLES).await;
        memory.push(service.resident_bytes());
    }
    is_done.store(true, Ordering::Relaxed);
    let served = running.join_all().await.into_iter().sum();
    let mut lost = 0;
    for load_client in &mut load_clients {
        lost += load_client.lost().await;
    }
    let quarter = memory.len() / 4;
    Soak {
        seconds: started.elapsed().as_secs_f64(),
        served,
        failed: failed.load(Ordering::Relaxed),
        lost,
        memory_mib: [
            median_mib(&memory[quarter..2 * quarter]),
            median_mib(&memory[3 * quarter..]),
        ],
    }
}

fn median_mib(bytes: &[u64]) -> f64 {
    let mut sorted = bytes.to_vec();
    sorted.sort_unstable();
    mib(sorted[sorted.len() / 2])
}
