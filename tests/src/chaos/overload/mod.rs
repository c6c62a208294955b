//! The overload panel: more calls than can be served, thousands of idle connections, readers that do not read, and a
//! long steady load. What must hold: memory stays bounded, who is refused is told when to come again, nobody loses what
//! was acknowledged, and afterwards the service is as quick as before.

mod crowd;
mod load;
mod sluggards;
mod soak;
mod surge;
mod verdict;

use std::time::Duration;

use shim_redis_harness::{Port, Redis};

use crate::place::Place;
use crate::service::{Launch, Service};

pub use verdict::Verdict;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long calls come faster than they can be served.
    pub surge: Duration,
    /// How many times the sustainable rate they come at.
    pub factor: u32,
    /// Connections that are opened and never used.
    pub idle_connections: usize,
    /// How long readers do not read while entries are written.
    pub sluggish: Duration,
    /// How long the steady load lasts.
    pub soak: Duration,
}

/// Runs all four on one stack, telling `tell` how it goes.
///
/// # Panics
/// If the stack does not start or refuses what it must not refuse.
pub async fn run(settings: Settings, tell: impl Fn(&str)) -> Verdict {
    crowd::allow_many_files();
    let house = House::open().await;
    let calm = load::calm_latency(&house.service).await;
    let sustainable = load::sustainable_rate(&house.service).await;
    tell(&format!(
        "calm: p50 {calm:?}; sustainable: {sustainable:.0} calls/s"
    ));
    let mut verdict = Verdict::new(calm, sustainable, house.service.resident_bytes());

    verdict.surge = surge::run(&house.service, settings, sustainable, calm).await;
    tell(&format!("surge: {:?}", verdict.surge));
    verdict.crowd = crowd::run(&house, settings.idle_connections, calm).await;
    tell(&format!("idle connections: {:?}", verdict.crowd));
    verdict.sluggards = sluggards::run(&house.service, settings.sluggish, calm).await;
    tell(&format!("slow readers: {:?}", verdict.sluggards));
    verdict.soak = soak::run(&house.service, settings.soak, sustainable).await;
    tell(&format!("soak: {:?}", verdict.soak));
    verdict.calm_after_ms = load::calm_latency(&house.service).await.as_secs_f64() * 1e3;
    verdict
}

/// A stack with a Redis of its own, reached over its Unix socket and over TCP.
struct House {
    service: Service,
    address: String,
    _port: Port,
    _redis: Redis,
    _place: Place,
}

impl House {
    async fn open() -> Self {
        let place = Place::new();
        let redis = Redis::start();
        let port = Port::reserve();
        let address = format!("127.0.0.1:{}", port.number());
        let service = Launch::stack(&place.data_dir(), &redis.unix_url())
            .env("SHIM_LISTEN", &address)
            .started()
            .await;
        Self {
            service,
            address,
            _port: port,
            _redis: redis,
            _place: place,
        }
    }
}
