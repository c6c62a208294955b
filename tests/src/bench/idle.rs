//! A stack, its Redis and five gateways that nobody uses: processor time, wake-ups, private memory; and how soon the stack
//! is readable again after a kill -9.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;
use shim_runtime::stack::StackState;

use super::figure::Figure;
use super::latency::Latencies;
use super::machine;
use crate::mcp::{Gateway, GatewayLaunch};
use crate::process;
use crate::temp_env::TempEnv;

const GATEWAYS: usize = 5;
/// After this nothing of the start-up is still at work.
const SETTLE: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(20);
const KILLS: usize = 10;
const READABLE_MS: f64 = 100.0;
const MIB: f64 = 1024.0 * 1024.0;

/// The figures of idleness.
///
/// # Panics
/// If a gateway starts no stack.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("idle").await];
    let temp = TempEnv::new();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut gateways = Vec::new();
    for _ in 0..GATEWAYS {
        let mut gateway = launch.open().await;
        status(&mut gateway).await;
        gateways.push(gateway);
    }
    progress("idle stack, Redis and five gateways");
    tokio::time::sleep(SETTLE).await;
    figures.extend(cost(&temp, &gateways).await);
    progress("readable again after kill -9");
    figures.push(readable_again(&temp, &mut gateways[0]).await);
    figures
}

async fn status(gateway: &mut Gateway) -> bool {
    let answer = gateway
        .call("shim_session_status", json!({"view": "sessions"}))
        .await;
    answer["isError"] != json!(true)
}

fn stack_pid(temp: &TempEnv) -> Option<u32> {
    match temp.stack().state() {
        StackState::Running(info) => Some(info.pid),
        _ => None,
    }
}

async fn cost(temp: &TempEnv, gateways: &[Gateway]) -> Vec<Figure> {
    let stack = stack_pid(temp).expect("the gateways started a stack");
    let mut groups = vec![("stack", vec![stack])];
    groups.push(("redis-server", process::children(stack)));
    groups.push(("five gateways", gateways.iter().map(Gateway::pid).collect()));
    let look = |pids: &[u32]| -> HashMap<PathBuf, process::Scheduled> {
        pids.iter()
            .flat_map(|pid| process::scheduled(*pid))
            .collect()
    };
    let before: Vec<_> = groups.iter().map(|(_, pids)| look(pids)).collect();
    tokio::time::sleep(WATCHED).await;
    let (mut share, mut wakes, mut figures) = (0.0, 0.0, Vec::new());
    for ((name, pids), before) in groups.iter().zip(before) {
        let spent = process::scheduled_between(&before, &look(pids));
        let percent = spent.run.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
        let per_second =
            f64::from(u32::try_from(spent.switches).unwrap_or(u32::MAX)) / WATCHED.as_secs_f64();
        share += percent;
        wakes += per_second;
        figures.push(Figure::new(
            format!("idle, {name}, of a core"),
            percent,
            "%",
        ));
        figures.push(Figure::new(
            format!("idle, {name}, wake-ups"),
            per_second,
            "wake-ups/s",
        ));
    }
    figures.push(Figure::new("idle, all, of a core", share, "%").at_most(0.3));
    figures.push(Figure::new("idle, all, wake-ups", wakes, "wake-ups/s").at_most(10.0));
    let private = process::rollup_bytes(gateways[0].pid(), "Private_");
    figures
        .push(Figure::new("idle, private memory of a gateway", mib(private), "MiB").at_most(2.8));
    let all = groups.iter().flat_map(|(_, pids)| pids);
    let pss: u64 = all.map(|pid| process::rollup_bytes(*pid, "Pss:")).sum();
    let figure = Figure::new("idle, memory of all (PSS)", mib(pss), "MiB");
    figures.push(figure.at_most(30.0));
    figures
}

/// The worst of ten times from the kill until a gateway's call is answered.
async fn readable_again(temp: &TempEnv, gateway: &mut Gateway) -> Figure {
    let mut latencies = Latencies::default();
    for _ in 0..KILLS {
        let stack = stack_pid(temp).expect("the stack runs");
        process::signal(stack, Signal::SIGKILL);
        let killed = Instant::now();
        while !status(gateway).await {}
        latencies.record(killed.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let figure = Figure::new(
        "kill -9 of the stack to readable again, worst of ten",
        latencies.percentile_ms(100),
        "ms",
    );
    figure.at_most(READABLE_MS)
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
