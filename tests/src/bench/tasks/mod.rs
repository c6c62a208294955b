//! Tasks through SHIM beside BullMQ by itself, in Rust and in Node, on the same Redis in the same run.
//!
//! All sides reach that Redis over its Unix socket and do nothing in their processors. A turn is a number of jobs
//! submitted and then processed fifty at once; sides take turns, and medians of the turns are compared. SHIM's part is
//! the whole local stack behind gRPC, its workers outside the process.

mod backlog;
mod bench_workers;
mod node_peer;
mod official;
mod one_lane;
mod ours;
mod retry;
mod side;
mod tree;

pub(super) use backlog::used_memory;
pub(super) use ours::submit_all;
use shim_redis_harness::Redis;

use super::figure::Figure;
use super::machine;
use crate::service::Launch;
use crate::temp_env::TempEnv;
use bench_workers::BenchWorkers;
use node_peer::NodePeer;
use official::Official;
use ours::JobShape;
use side::{TaskTurn, Trips};

/// How the stack runs its own Redis.
const APPENDFSYNC: &str = "always";
/// What each side is measured under; the looser setting tells how much of a figure is the disk.
const SETTINGS: [&str; 2] = [APPENDFSYNC, "everysec"];
const ROUNDS: usize = 5;
const OFFICIAL: (&str, f64) = ("bullmq-official", 0.7);
const NODE: (&str, f64) = ("Node bullmq", 1.0);

/// All sides on one Redis.
struct BenchEnv {
    redis: Redis,
    service: crate::service::Service,
    workers: BenchWorkers,
    official: Official,
    node: NodePeer,
}

/// The figures of tasks, telling `progress` what is being measured.
///
/// # Panics
/// If a side does not start or refuses good requests.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("tasks").await];
    let temp = TempEnv::new();
    let redis = Redis::start();
    let stack = Launch::stack(&temp.data_dir(), &redis.unix_url());
    let service = stack.start_or_panic().await;
    let mut env = BenchEnv {
        workers: ours::start_workers(&service).await,
        official: Official::on(&redis).await,
        node: NodePeer::on(&redis),
        service,
        redis,
    };
    for appendfsync in SETTINGS {
        let setting = ["CONFIG", "SET", "appendfsync", appendfsync];
        let set = env.redis.command(&setting);
        set.expect("it can be set while Redis runs");
        progress(&format!("throughput, appendfsync {appendfsync}"));
        figures.extend(env.throughput(appendfsync).await);
        progress(&format!("latency, appendfsync {appendfsync}"));
        figures.extend(env.latency(appendfsync).await);
        progress(&format!(
            "a job of 1,000 subtasks, appendfsync {appendfsync}"
        ));
        let tree = tree::measure(&env.service, &env.workers).await;
        figures.extend(named(tree, appendfsync));
    }
    drop(env);
    for appendfsync in SETTINGS {
        progress(&format!("one lane, appendfsync {appendfsync}"));
        let launch = shim_redis_harness::Launch::new();
        let redis = launch.setting("appendfsync", appendfsync).start();
        let lane = one_lane::measure(&redis, appendfsync).await;
        figures.extend(named(lane, appendfsync));
    }
    let backlog = backlog::measure(&progress).await;
    figures.extend(named(backlog, APPENDFSYNC));
    figures
}

impl BenchEnv {
    async fn throughput(&mut self, appendfsync: &str) -> Vec<Figure> {
        let mut turns: [Vec<TaskTurn>; 4] = Default::default();
        // The first turn of each side warms it up.
        for round in 0..=ROUNDS {
            let measured = [
                self.official.turn(side::JOBS).await,
                self.node.turn().await,
                ours::turn(&self.service, &self.workers, JobShape::Singles).await,
                ours::turn(&self.service, &self.workers, JobShape::Graphs).await,
            ];
            if round > 0 {
                for (turns, turn) in turns.iter_mut().zip(measured) {
                    turns.push(turn);
                }
            }
        }
        let [official, node, singles, graphs] = &turns;
        let mut figures = Vec::new();
        for (name, ours) in [("single tasks", singles), ("graphs of 100 tasks", graphs)] {
            for ((peer, share), theirs) in [(OFFICIAL, official), (NODE, node)] {
                let share = side::goal(peer, appendfsync).unwrap_or(share);
                figures.extend(side::throughput(name, peer, share, ours, theirs));
            }
        }
        named(figures, appendfsync)
    }

    async fn latency(&mut self, appendfsync: &str) -> Vec<Figure> {
        let mut trips: [Trips; 3] = Default::default();
        for round in 0..=ROUNDS {
            let measured = [
                self.official.trips().await,
                self.node.trips().await,
                ours::trips(&self.service).await,
            ];
            if round > 0 {
                for (trips, more) in trips.iter_mut().zip(measured) {
                    trips.extend(more);
                }
            }
        }
        let [official, node, ours] = &mut trips;
        let mut figures = side::latency(OFFICIAL.0, ours, official);
        figures.extend(side::latency(NODE.0, ours, node));
        named(figures, appendfsync)
    }
}

/// The figures with the setting they were measured under.
fn named(figures: Vec<Figure>, appendfsync: &str) -> Vec<Figure> {
    let named = |mut figure: Figure| {
        figure.name = format!("[fsync {appendfsync}] {}", figure.name);
        figure
    };
    figures.into_iter().map(named).collect()
}
