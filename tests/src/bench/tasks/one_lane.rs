//! One worker with one lane: a Python program that claims and completes over gRPC, beside BullMQ's own worker with a
//! concurrency of 1 on the same Redis. The sides take turns.

use shim_redis_harness::Redis;

use super::node_peer::NodePeer;
use super::side::TaskTurn;
use crate::bench::figure::Figure;
use crate::python;
use crate::service::Service;

const TASKS: usize = 2_000;
const ROUNDS: usize = 5;
const PEER: &str = "Node bullmq, concurrency 1";

pub(super) async fn measure(redis: &Redis, appendfsync: &str) -> Vec<Figure> {
    let temp = crate::temp_env::TempEnv::new();
    let stack = crate::service::Launch::stack(&temp.data_dir(), &redis.unix_url());
    let service = stack.start_or_panic().await;
    let mut node = NodePeer::on(redis);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(processed(node.lane(TASKS).await));
        ours.push(processed(turn(&service).await));
    }
    let (rate, peer_rate) = (median(ours), median(theirs));
    let name = format!("one worker, one lane, {TASKS} tasks from a Python client, processed");
    let mut figure = Figure::new(name, rate, "1/s").beside(PEER, peer_rate);
    if appendfsync == super::APPENDFSYNC {
        figure = figure.target(">= 1x peer", rate >= peer_rate);
    }
    vec![figure]
}

async fn turn(service: &Service) -> TaskTurn {
    let address = format!("unix:{}", service.socket().display());
    let told = python::run("bench_lane.py", &[&address, &TASKS.to_string()]).await;
    let seconds = |name: &str| told[name].as_f64().expect("the script tells seconds");
    TaskTurn {
        submit_s: seconds("submit_s"),
        process_s: seconds("process_s"),
    }
}

fn processed(turn: TaskTurn) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let tasks = TASKS as f64;
    tasks / turn.process_s
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
