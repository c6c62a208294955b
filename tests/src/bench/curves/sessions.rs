//! A store whose sessions grow in number: opening one more, saving in it, detecting what can be recovered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use shim_proto::checkpoint::v1::DetectRecoveryRequest;
use tokio::task::JoinSet;

use super::{Curve, sizes};
use crate::bench::latency::Latencies;
use crate::rng::SeededRng;
use crate::service::Service;
use crate::temp_env::TempEnv;
use crate::{calls, sample_content};

const SESSIONS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
const CALLS: usize = 30;
const FILLERS: usize = 64;
const STATE_BYTES: usize = 1024;

pub(super) async fn measure(largest: usize, progress: &impl Fn(&str)) -> Curve {
    let costs = [
        ("open a session, p50", "ms"),
        ("save, p50", "ms"),
        ("detect recovery, p50", "ms"),
        ("memory of the service", "MiB"),
    ];
    let mut curve = Curve::new("sessions", "sessions in the store", &costs);
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let mut filled = 0;
    for size in sizes(&SESSIONS, largest) {
        progress(&format!("{size} sessions"));
        fill(&service, size - filled).await;
        filled = size;
        curve.add(size, &at(&service).await);
    }
    curve
}

async fn fill(service: &Service, more: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut fillers = JoinSet::new();
    for filler in 0..FILLERS {
        let (mut client, next) = (service.client(), Arc::clone(&next));
        fillers.spawn(async move {
            let mut rng = SeededRng::new(filler as u64);
            while next.fetch_add(1, Ordering::Relaxed) < more {
                let opened = calls::open(&mut client, "/bench/many").await;
                let session = opened.expect("a session is opened");
                let state = sample_content::state(&mut rng, "one of many", STATE_BYTES);
                let saved = calls::save(&mut client, &session, state).await;
                saved.expect("a save goes through");
            }
        });
    }
    fillers.join_all().await;
}

async fn at(service: &Service) -> [f64; 4] {
    let mut client = service.client();
    let mut rng = SeededRng::new(6);
    let mut all: [Latencies; 3] = Default::default();
    for _ in 0..CALLS {
        let start = Instant::now();
        let session = calls::open(&mut client, "/bench/one")
            .await
            .expect("a session is opened");
        all[0].record(start.elapsed());
        let state = sample_content::state(&mut rng, "one more", STATE_BYTES);
        let start = Instant::now();
        calls::save(&mut client, &session, state)
            .await
            .expect("a save goes through");
        all[1].record(start.elapsed());
        let request = DetectRecoveryRequest {
            project: "/bench/many".into(),
            ..Default::default()
        };
        let start = Instant::now();
        client
            .detect_recovery(request)
            .await
            .expect("recovery is detected");
        all[2].record(start.elapsed());
    }
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    let mib = service.resident_bytes() as f64 / 1024.0 / 1024.0;
    let [mut open, mut save, mut detect] = all;
    [
        open.percentile_ms(50),
        save.percentile_ms(50),
        detect.percentile_ms(50),
        mib,
    ]
}
