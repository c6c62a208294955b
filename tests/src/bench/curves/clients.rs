//! Clients that save at once, each over a connection of its own; and workspaces in which files are leased.

use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::{CheckpointState, Session};
use shim_proto::coordination::v1::AcquireFilesRequest;
use shim_redis_harness::Redis;
use shim_runtime::client::Channel;

use super::{Curve, sizes};
use crate::bench::lane::{Lane, turn};
use crate::bench::latency::Latencies;
use crate::coordination::files;
use crate::rng::SeededRng;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;
use crate::{calls, sample_content};

const CLIENTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const SPAN: Duration = Duration::from_secs(2);
const WORKSPACES: [usize; 4] = [1, 10, 100, 1_000];
const CALLS: usize = 50;

struct Saver {
    client: CheckpointServiceClient<Channel>,
    session: Session,
    state: CheckpointState,
}

impl Lane for Saver {
    async fn call(&mut self) {
        let saved = calls::save(&mut self.client, &self.session, self.state.clone()).await;
        saved.expect("a save goes through");
    }
}

pub(super) async fn measure(largest: usize, progress: &impl Fn(&str)) -> Curve {
    let costs = [
        ("saves of 2 KiB", "1/s"),
        ("save, p50", "ms"),
        ("save, p99", "ms"),
    ];
    let mut curve = Curve::new("clients", "clients at once", &costs);
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    for size in sizes(&CLIENTS, largest) {
        progress(&format!("{size} clients"));
        let mut savers = Vec::new();
        for number in 0..size {
            let mut rng = SeededRng::new(number as u64);
            let mut client = service.client();
            let session = calls::open(&mut client, "/bench/clients").await;
            savers.push(Saver {
                client,
                session: session.expect("a session is opened"),
                state: sample_content::state(&mut rng, "a task", 2048),
            });
        }
        let (_, turn) = turn(savers, SPAN).await;
        curve.add(size, &[turn.rate, turn.p50, turn.p99]);
    }
    curve
}

pub(super) async fn workspaces(largest: usize, progress: &impl Fn(&str)) -> Curve {
    let mut curve = Curve::new(
        "workspaces",
        "workspaces with a lease",
        &[("lease files, p50", "ms")],
    );
    let temp = TempEnv::new();
    let redis = Redis::start();
    let launch = Launch::coordination(&temp.data_dir(), &redis.unix_url());
    let service = launch.start_or_panic().await;
    let mut clients = service.coordination();
    let lease = |number: usize| AcquireFilesRequest {
        workspace: format!("/bench/workspace-{number}"),
        ..files("a holder", &["src/*.rs"])
    };
    let mut held = 0;
    for size in sizes(&WORKSPACES, largest) {
        progress(&format!("{size} workspaces"));
        let mut latencies = Latencies::default();
        while held < size {
            clients.lease(lease(held)).await.expect("files are leased");
            held += 1;
        }
        for number in 0..CALLS {
            let request = lease(1_000_000 + size * CALLS + number);
            let start = Instant::now();
            clients.lease(request).await.expect("files are leased");
            latencies.record(start.elapsed());
        }
        curve.add(size, &[latencies.percentile_ms(50)]);
    }
    curve
}
