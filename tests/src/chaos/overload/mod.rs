//! The overload suite: more calls than can be served, thousands of idle connections, readers that do not read, and a
//! long steady load. What must hold: memory stays bounded, who is refused is told when to come again, nobody loses what
//! was acknowledged, and afterwards the service is as quick as before.

mod idle_connections;
mod load;
mod slow_readers;
mod soak;
mod surge;
mod verdict;

use std::time::Duration;

use shim_redis_harness::{Port, Redis};

use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;

pub use verdict::OverloadVerdict;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How long calls come faster than they can be served.
    pub surge: Duration,
    /// How many times the sustainable rate they come at.
    pub factor: u32,
    /// Connections that are opened and never used.
    pub idle_connections: usize,
    /// How long readers do not read while entries are written.
    pub slow_read_time: Duration,
    /// How long the steady load lasts.
    pub soak: Duration,
}

/// Runs all four on one stack, telling `progress` how it goes.
///
/// # Panics
/// If the stack does not start or refuses what it must not refuse.
pub async fn run(settings: SuiteOptions, progress: impl Fn(&str)) -> OverloadVerdict {
    idle_connections::raise_file_limit();
    let stack = TestStack::open().await;
    let calm = load::idle_latency(&stack.service).await;
    let sustainable = load::sustainable_rate(&stack.service).await;
    progress(&format!(
        "calm: p50 {calm:?}; sustainable: {sustainable:.0} calls/s"
    ));
    let mut verdict = OverloadVerdict::new(calm, sustainable, stack.service.resident_bytes());

    verdict.surge = surge::run(&stack.service, settings, sustainable, calm).await;
    progress(&format!("surge: {:?}", verdict.surge));
    verdict.crowd = idle_connections::run(&stack, settings.idle_connections, calm).await;
    progress(&format!("idle connections: {:?}", verdict.crowd));
    verdict.sluggards = slow_readers::run(&stack.service, settings.slow_read_time, calm).await;
    progress(&format!("slow readers: {:?}", verdict.sluggards));
    verdict.soak = soak::run(&stack.service, settings.soak, sustainable).await;
    progress(&format!("soak: {:?}", verdict.soak));
    verdict.calm_after_ms = load::idle_latency(&stack.service).await.as_secs_f64() * 1e3;
    verdict
}

/// A stack with a Redis of its own, reached over its Unix socket and over TCP.
struct TestStack {
    service: Service,
    address: String,
    _port: Port,
    _redis: Redis,
    _temp: TempEnv,
}

impl TestStack {
    async fn open() -> Self {
        let temp = TempEnv::new();
        let redis = Redis::start();
        let port = Port::reserve();
        let address = format!("127.0.0.1:{}", port.number());
        let service = Launch::stack(&temp.data_dir(), &redis.unix_url())
            .env("SHIM_LISTEN", &address)
            .env("SHIM_AUTH_OPEN", "true")
            .start_or_panic()
            .await;
        Self {
            service,
            address,
            _port: port,
            _redis: redis,
            _temp: temp,
        }
    }
}
