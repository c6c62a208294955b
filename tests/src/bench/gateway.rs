//! The gateway as its client feels it: start to `initialize` answer, idle memory, tool calls end to end. The peer is a
//! server of the MCP Python SDK with one tool that does nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::figure::Figure;
use super::latency::Latencies;
use super::machine;
use crate::mcp::{Gateway, GatewayLaunch};
use crate::rng::SeededRng;
use crate::service::Service;
use crate::temp_env::TempEnv;
use crate::{process, python, sample_content};

const STARTS: usize = 20;
const CALLS: usize = 500;
const WARM_UP_CALLS: usize = 20;
const PEER: &str = "MCP Python SDK, no-op tool";
const MIB: f64 = 1024.0 * 1024.0;
/// After this nothing of the start-up is still at work.
const SETTLE: Duration = Duration::from_secs(2);

/// All figures of the gateway and of the stack it starts.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let quiet = machine::idle_share("gateway").await;
    let temp = TempEnv::new();
    let service = Service::start(&temp.data_dir()).await;
    let launch =
        GatewayLaunch::new(&temp.data_dir(), &temp.project()).with_service(service.socket());
    let peer = GatewayLaunch::of_command(python::script_command("peer_server.py"), &temp.project());

    progress("start of the gateway and of its peer");
    let mut figures = vec![quiet, starts(&launch, &peer).await];
    progress("memory and tool calls of the gateway and of its peer");
    figures.extend(work(&launch, &peer).await);
    drop(service);
    progress("memory of the local stack");
    figures.extend(stack_memory().await);
    figures
}

/// Medians of `STARTS` starts, by turns.
async fn starts(launch: &GatewayLaunch, peer: &GatewayLaunch) -> Figure {
    let (mut ours, mut theirs) = (Latencies::default(), Latencies::default());
    for _ in 0..STARTS {
        for (launch, latencies) in [(launch, &mut ours), (peer, &mut theirs)] {
            let start = Instant::now();
            let mut gateway = launch.spawn();
            gateway.initialize().await;
            latencies.record(start.elapsed());
            gateway.kill().await;
        }
    }
    let figure = Figure::new(
        "gateway, start to initialize answer, median of 20",
        ours.percentile_ms(50),
        "ms",
    );
    figure.beside(PEER, theirs.percentile_ms(50)).at_most(5.0)
}

async fn work(launch: &GatewayLaunch, peer: &GatewayLaunch) -> Vec<Figure> {
    let mut gateway = launch.open().await;
    let mut peer = peer.open().await;
    for server in [&mut gateway, &mut peer] {
        server
            .request("tools/list", json!({}))
            .await
            .expect("tools are listed");
    }
    tokio::time::sleep(SETTLE).await;
    let peer_idle = mib(peer.resident_bytes());
    let idle = Figure::new("gateway, idle memory", mib(gateway.resident_bytes()), "MiB");
    let mut figures = vec![idle.beside(PEER, peer_idle).at_most(10.0)];

    let mut rng = SeededRng::new(4);
    let saves = |_: usize| checkpoint_arguments(&mut rng);
    let mut durable = time_calls(&mut gateway, "shim_auto_checkpoint", saves).await;
    let reads = |_: usize| json!({"view": "session"});
    let mut status = time_calls(&mut gateway, "shim_session_status", reads).await;
    let mut nothing = time_calls(&mut peer, "nothing", |n| json!({"number": n})).await;
    for percent in [50, 99] {
        let base = nothing.percentile_ms(percent);
        for (tool, latencies) in [
            ("shim_auto_checkpoint", &mut durable),
            ("shim_session_status", &mut status),
        ] {
            let name = format!("{tool} end to end, p{percent}");
            figures
                .push(Figure::new(name, latencies.percentile_ms(percent), "ms").beside(PEER, base));
        }
    }

    tokio::time::sleep(SETTLE).await;
    let after = Figure::new(
        "gateway, idle memory after 1,000 calls",
        mib(gateway.resident_bytes()),
        "MiB",
    );
    figures.push(after.beside(PEER, mib(peer.resident_bytes())).at_most(10.0));
    figures
}

fn checkpoint_arguments(rng: &mut SeededRng) -> Value {
    json!({
        "current_task": sample_content::sentence(rng, 8),
        "progress": 0.5,
        "summary": sample_content::sentence(rng, 200),
        "next_steps": [sample_content::sentence(rng, 10), sample_content::sentence(rng, 10)],
    })
}

async fn time_calls(
    server: &mut Gateway,
    tool: &str,
    mut arguments: impl FnMut(usize) -> Value,
) -> Latencies {
    let mut latencies = Latencies::default();
    for number in 0..WARM_UP_CALLS + CALLS {
        let arguments = arguments(number);
        let start = Instant::now();
        let result = server.call(tool, arguments).await;
        let latency = start.elapsed();
        assert_ne!(result["isError"], json!(true), "{tool}: {result}");
        if number >= WARM_UP_CALLS {
            latencies.record(latency);
        }
    }
    latencies
}

/// What a gateway with no configured endpoint brings up: the stack's process, and its Redis beside it.
async fn stack_memory() -> Vec<Figure> {
    let temp = TempEnv::new();
    let mut gateway = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    gateway
        .call("shim_session_status", json!({"view": "sessions"}))
        .await;
    tokio::time::sleep(SETTLE).await;
    let shim_runtime::stack::StackState::Running(info) = temp.stack().state() else {
        panic!("the gateway started no stack");
    };
    let redis: u64 = process::children(info.pid)
        .into_iter()
        .map(process::resident_bytes)
        .sum();
    let services = Figure::new(
        "the stack's services, idle memory",
        mib(process::resident_bytes(info.pid)),
        "MiB",
    );
    let mut figures = vec![services.at_most(40.0)];
    if redis > 0 {
        figures.push(Figure::new(
            "the stack's private redis-server, idle memory",
            mib(redis),
            "MiB",
        ));
    }
    figures
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
