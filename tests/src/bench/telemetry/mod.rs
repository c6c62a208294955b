//! What telemetry costs: the same calls on two stacks that take turns, one with spans exported and metrics scraped
//! every second, one with neither.

mod collector;
mod scraper;

use std::time::Duration;

use shim_redis_harness::Redis;

use super::figure::Figure;
use super::lane::{Lane, Turn, median, turn};
use super::machine;
use crate::calls;
use crate::coordination::{Clients, NAMESPACE, counted, put};
use crate::dice::Dice;
use crate::place::Place;
use crate::prose;
use crate::service::{Launch, Service};
use collector::Collector;
use scraper::Scraper;
use shim_proto::checkpoint::v1::CheckpointState;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_runtime::client::Channel;

const ROUNDS: usize = 15;
const TURN: Duration = Duration::from_millis(700);
const STATE_BYTES: usize = 2 * 1024;
/// What telemetry may take of the throughput.
const THROUGHPUT: f64 = 0.95;
/// What it may add to a call that is alone, in milliseconds.
const ADDED_MS: f64 = 0.1;
const PEER: &str = "without telemetry";

/// What is called.
#[derive(Debug, Clone, Copy)]
enum Call {
    Save,
    Put,
    Get,
}

/// The figures, telling `progress` what is being measured.
///
/// # Panics
/// If a stack does not start or refuses good requests, or nothing was exported.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("telemetry").await];
    let collector = Collector::start().await;
    let (off, on) = (Stack::without().await, Stack::with(&collector).await);
    // Saves come last: what they save is indexed for a long time after.
    for (call, name) in [
        (Call::Get, "GetState"),
        (Call::Put, "PutState"),
        (Call::Save, "SaveCheckpoint of 2 KiB"),
    ] {
        for in_flight in [1, 64] {
            progress(&format!("{name} with telemetry, {in_flight} in flight"));
            figures.extend(compare(call, name, in_flight, &on.service, &off.service).await);
        }
    }
    assert!(collector.exports() > 0, "spans were exported");
    assert!(on.scrapes() > 0, "metrics were scraped");
    figures
}

struct Stack {
    service: Service,
    scraper: Option<Scraper>,
    _redis: Redis,
    _place: Place,
}

impl Stack {
    async fn without() -> Self {
        Self::start(None).await
    }

    async fn with(collector: &Collector) -> Self {
        Self::start(Some(collector)).await
    }

    async fn start(collector: Option<&Collector>) -> Self {
        let (place, redis) = (Place::new(), Redis::start());
        let mut launch = Launch::stack(&place.data_dir(), &redis.unix_url());
        let mut scraper = None;
        if let Some(collector) = collector {
            let waiting = Scraper::prepare();
            launch = launch
                .env("SHIM_OTLP_ENDPOINT", collector.address())
                .env("SHIM_METRICS_LISTEN", waiting.address());
            scraper = Some(waiting);
        }
        let service = launch.started().await;
        Self {
            service,
            scraper: scraper.map(Scraper::begin),
            _redis: redis,
            _place: place,
        }
    }

    fn scrapes(&self) -> u64 {
        self.scraper.as_ref().map_or(0, Scraper::scrapes)
    }
}

/// A client that makes one call after the other.
struct Caller {
    call: Call,
    checkpoints: CheckpointServiceClient<Channel>,
    session: shim_proto::checkpoint::v1::Session,
    content: CheckpointState,
    state: Clients,
    key: String,
    number: u64,
}

impl Caller {
    async fn several(call: Call, service: &Service, count: usize) -> Vec<Self> {
        let (mut checkpoints, state) = (service.client(), service.coordination());
        let mut lanes = Vec::with_capacity(count);
        for number in 0..count {
            let session = calls::open(&mut checkpoints, "/telemetry").await;
            let content = prose::state(&mut Dice::new(number as u64), "telemetry", STATE_BYTES);
            let mut lane = Self {
                call: Call::Put,
                checkpoints: checkpoints.clone(),
                session: session.expect("a session is opened"),
                content,
                state: state.clone(),
                key: format!("telemetry-{number}"),
                number: 0,
            };
            lane.call().await;
            lane.call = call;
            lanes.push(lane);
        }
        lanes
    }
}

impl Lane for Caller {
    async fn call(&mut self) {
        self.number += 1;
        match self.call {
            Call::Save => {
                let saved = calls::save(&mut self.checkpoints, &self.session, self.content.clone());
                saved.await.expect("a save goes through");
            }
            Call::Put => {
                let request = put(&self.key, counted(self.number), None);
                self.state.put(request).await.expect("a write goes through");
            }
            Call::Get => {
                let got = self.state.get(NAMESPACE, &self.key).await;
                got.expect("a read is answered");
            }
        }
    }
}

/// One of the two that are compared.
struct Side<'a> {
    service: &'a Service,
    lanes: Vec<Caller>,
    turns: Vec<Turn>,
    /// What its service computed in all turns, user and kernel together.
    cpu: Duration,
}

impl<'a> Side<'a> {
    async fn new(call: Call, service: &'a Service, in_flight: usize) -> Self {
        Self {
            service,
            lanes: Caller::several(call, service, in_flight).await,
            turns: Vec::new(),
            cpu: Duration::ZERO,
        }
    }

    async fn turn(&mut self) {
        let before = machine::cpu_time(self.service.pid());
        let (lanes, measured) = turn(std::mem::take(&mut self.lanes), TURN).await;
        self.cpu += machine::cpu_time(self.service.pid()) - before;
        self.lanes = lanes;
        self.turns.push(measured);
    }

    fn median(&self, value: fn(&Turn) -> f64) -> f64 {
        median(&self.turns, value)
    }

    /// In microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn cpu_per_call(&self) -> f64 {
        let calls: u64 = self.turns.iter().map(|turn| turn.calls).sum();
        self.cpu.as_secs_f64() * 1e6 / calls as f64
    }
}

async fn compare(
    call: Call,
    name: &str,
    in_flight: usize,
    on: &Service,
    off: &Service,
) -> Vec<Figure> {
    let mut on = Side::new(call, on, in_flight).await;
    let mut off = Side::new(call, off, in_flight).await;
    for round in 0..ROUNDS {
        // Who comes first changes, lest one side always meets the other's aftermath.
        if round % 2 == 0 {
            off.turn().await;
            on.turn().await;
        } else {
            on.turn().await;
            off.turn().await;
        }
    }
    let figure = |what: &str, unit, value: fn(&Side<'_>) -> f64| {
        Figure::new(
            format!("{name}, {in_flight} in flight, {what}"),
            value(&on),
            unit,
        )
        .beside(PEER, value(&off))
    };
    let (p50, base_p50) = (on.median(|t| t.p50), off.median(|t| t.p50));
    let (rate, base_rate) = (on.median(|t| t.rate), off.median(|t| t.rate));
    let mut typical = figure("p50", "ms", |side| side.median(|t| t.p50));
    let mut throughput = figure("calls", "1/s", |side| side.median(|t| t.rate));
    if in_flight == 1 {
        typical = typical.target("<= peer + 0.1 ms", p50 <= base_p50 + ADDED_MS);
    } else {
        throughput = throughput.target(">= 0.95x peer", rate >= THROUGHPUT * base_rate);
    }
    let cpu = figure("CPU of the service a call", "us", |side| {
        side.cpu_per_call()
    });
    vec![typical, throughput, cpu]
}
