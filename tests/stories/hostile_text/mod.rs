//! Texts that imitate what SHIM says, in every text field of every RPC, and then every output there is: no line of one
//! begins as such a text does, and nothing hidden reaches a terminal.
//!
//! Fields, RPCs, commands, tools and their choices are found in the contract, in the help and in `tools/list`: what is
//! new and not asked for here fails the story.

mod code;
mod commands;
mod known;
mod outputs;
mod planting;
mod streams;
mod texts;
mod tools;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use shim_redis_harness::{Port, Redis};
use shim_tests::service::{Launch, Service};
use shim_tests::temp_env::TempEnv;
use tokio::runtime::Runtime;

use crate::bad_input::tasks::WorkFixture;
use planting::Planter;
use texts::Hostile;

/// Printed with a failure.
const SEED: [u8; 32] = *b"texts that imitate lines of ours";
/// Each plants one kind of text everywhere.
const ROUNDS: u32 = 4;
/// Of the story that is about the other form of the log.
const FEW_ROUNDS: u32 = 1;

/// A stack that logs all it can, with probes.
struct World {
    temp: TempEnv,
    service: Service,
    redis: Redis,
    probes: Port,
}

impl World {
    fn start(runtime: &Runtime, log_format: &str) -> Self {
        let (temp, redis, probes) = (TempEnv::new(), Redis::start(), Port::reserve());
        let launch = launch(&temp, &redis)
            .env("SHIM_LOG_FILTER", "debug,h2=info,hyper=info")
            .env("SHIM_LOG_FORMAT", log_format)
            .env(
                "SHIM_METRICS_LISTEN",
                &format!("127.0.0.1:{}", probes.number()),
            );
        let service = runtime.block_on(launch.start_or_panic());
        Self {
            temp,
            service,
            redis,
            probes,
        }
    }
}

fn launch(temp: &TempEnv, redis: &Redis) -> Launch {
    WorkFixture::stack(temp, &redis.url())
}

fn story(log_format: &str, rounds: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let _context = runtime.enter();
    let world = World::start(&runtime, log_format);
    let config = Config {
        cases: rounds,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let planted = runner.run(&texts::hostile(), |hostile: Hostile| {
        let faults = runtime.block_on(async {
            let planter = Planter::new(&world, hostile.clone());
            let mut faults = planter.plant().await;
            faults.extend(tools::plant(&world, &hostile).await);
            faults.extend(streams::faults(&world, &hostile).await);
            faults
        });
        match faults.as_slice() {
            [] => Ok(()),
            faults => Err(TestCaseError::fail(faults.join("\n"))),
        }
    });
    if let Err(failure) = planted {
        panic!("seed {:?}: {failure}", String::from_utf8_lossy(&SEED));
    }
    let faults = runtime.block_on(async {
        let mut faults = commands::faults(&world).await;
        faults.extend(tools::faults(&world).await);
        faults.extend(outputs::faults(&world, log_format).await);
        faults
    });
    assert!(
        faults.is_empty(),
        "seed {:?}: {} faults\n{}",
        String::from_utf8_lossy(&SEED),
        faults.len(),
        faults[..faults.len().min(40)].join("\n")
    );
}

#[test]
fn no_text_of_others_begins_a_line_of_any_output() {
    story("pretty", ROUNDS);
}

#[test]
fn no_text_of_others_begins_a_line_of_a_log_in_json() {
    story("json", FEW_ROUNDS);
}
