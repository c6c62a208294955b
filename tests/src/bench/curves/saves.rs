//! A session whose list of decisions grows: each save adds nothing but another progress, so what it costs on disk is what
//! the state of that size costs again.

use std::path::Path;
use std::time::Instant;

use shim_proto::checkpoint::v1::RestoreCheckpointRequest;

use super::{Curve, count, sizes};
use crate::bench::latency::Latencies;
use crate::rng::SeededRng;
use crate::service::Service;
use crate::temp_env::TempEnv;
use crate::{calls, sample_content};

/// The contract takes no more than 1,000 decisions in one state.
const DECISIONS: [usize; 5] = [10, 30, 100, 300, 1_000];
const SAVES: usize = 20;
const RESTORES: usize = 10;

pub(super) async fn measure(largest: usize, progress: &impl Fn(&str)) -> Curve {
    let costs = [
        ("bytes per save", "bytes"),
        ("save, p50", "ms"),
        ("restore, p50", "ms"),
    ];
    let mut curve = Curve::new("saves", "decisions in the state", &costs);
    for size in sizes(&DECISIONS, largest) {
        progress(&format!("saves with {size} decisions"));
        curve.add(size, &at(size).await);
    }
    curve
}

async fn at(decisions: usize) -> [f64; 3] {
    let temp = TempEnv::new();
    let mut service = Service::start(&temp.data_dir()).await;
    let mut client = service.client();
    let mut session = calls::open(&mut client, "/bench/curve")
        .await
        .expect("a session is opened");
    let mut rng = SeededRng::new(5);
    let mut state = sample_content::state(&mut rng, "a long task", 1024);
    state.decisions = (0..decisions)
        .map(|_| sample_content::sentence(&mut rng, 12))
        .collect();
    calls::save(&mut client, &session, state.clone())
        .await
        .expect("a save goes through");
    // A service that stopped has moved its write-ahead log into the database: what is left is what is kept.
    service.stop();
    let before = folder_bytes(&temp.data_dir());
    service = Service::start(&temp.data_dir()).await;
    client = service.client();
    // The first save of a service that has just started reads what the others find in its memory.
    calls::save(&mut client, &session, state.clone())
        .await
        .expect("a save goes through");
    let mut saves = Latencies::default();
    for number in 0..SAVES {
        state.progress = count(number) / 100.0;
        state.next_steps = vec![sample_content::sentence(&mut rng, 8)];
        let start = Instant::now();
        calls::save(&mut client, &session, state.clone())
            .await
            .expect("a save goes through");
        saves.record(start.elapsed());
    }
    let mut restores = Latencies::default();
    for _ in 0..RESTORES {
        let request = RestoreCheckpointRequest {
            request_id: calls::request_id(),
            session_id: session.id.clone(),
            take_over: true,
            client: Some(calls::client_info()),
            ..Default::default()
        };
        let start = Instant::now();
        let answer = client
            .restore_checkpoint(request)
            .await
            .expect("it is restored");
        restores.record(start.elapsed());
        session = answer.into_inner().session.expect("the session is told");
    }
    service.stop();
    let grown = folder_bytes(&temp.data_dir()).saturating_sub(before);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a folder is far below 2^52 bytes"
    )]
    let bytes = grown as f64 / count(SAVES + 1);
    [bytes, saves.percentile_ms(50), restores.percentile_ms(50)]
}

/// What the files of a folder take, those of its folders too.
pub(in crate::bench) fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(it) if it.is_dir() => folder_bytes(&entry.path()),
        Ok(it) => it.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
