//! What telemetry costs: the same calls on stacks that take turns. One has spans exported, at the pace it has by itself,
//! and metrics scraped every second; one also records every trace; one has neither.

mod bench_client;
mod collector;
mod scraper;
mod side;

use std::time::Duration;

use shim_redis_harness::Redis;

use super::figure::Figure;
use super::machine;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;
use bench_client::Call;
use collector::Collector;
use scraper::Scraper;
use side::Side;

const ROUNDS: usize = 21;
const TURN: Duration = Duration::from_millis(600);
/// What telemetry must leave of the throughput.
const THROUGHPUT: f64 = 0.95;
/// What it may add to a call that is alone, in milliseconds.
const ADDED_MS: f64 = 0.1;
const PEER: &str = "without telemetry";

/// The figures, telling `progress` what is being measured.
///
/// # Panics
/// If a stack does not start or refuses good requests, or nothing was exported.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("telemetry").await];
    let collector = Collector::start().await;
    let stacks = [
        BenchStack::without_telemetry().await,
        BenchStack::exporting_to(&collector, None).await,
        BenchStack::exporting_to(&collector, Some(0)).await,
    ];
    // Saves come last: what they save is indexed for a long time after.
    for (call, name) in [
        (Call::Get, "GetState"),
        (Call::Put, "PutState"),
        (Call::Save, "SaveCheckpoint of 2 KiB"),
    ] {
        for in_flight in [1, 64] {
            progress(&format!("{name} with telemetry, {in_flight} in flight"));
            let [off, on, all] = take_turns(call, in_flight, &stacks).await;
            let name = format!("{name}, {in_flight} in flight");
            figures.extend(figures_of(&name, &on, &off, Some(in_flight)));
            figures.extend(figures_of(
                &format!("{name}, all recorded"),
                &all,
                &off,
                None,
            ));
        }
    }
    assert!(collector.exports() > 0, "spans were exported");
    for stack in &stacks[1..] {
        assert!(stack.scrapes() > 0, "metrics were scraped");
    }
    figures
}

struct BenchStack {
    service: Service,
    scraper: Option<Scraper>,
    _redis: Redis,
    _temp: TempEnv,
}

impl BenchStack {
    async fn without_telemetry() -> Self {
        Self::start(|launch| launch, None).await
    }

    /// With as many new traces a second as a service records by itself, unless it is told.
    async fn exporting_to(collector: &Collector, traces_per_second: Option<u32>) -> Self {
        let scraper = Scraper::prepare();
        let address = scraper.address().to_owned();
        let configure = |launch: Launch| {
            let launch = launch
                .env("SHIM_OTLP_ENDPOINT", collector.address())
                .env("SHIM_METRICS_LISTEN", &address);
            match traces_per_second {
                Some(pace) => launch.env("SHIM_OTLP_TRACES_PER_SECOND", &pace.to_string()),
                None => launch,
            }
        };
        Self::start(configure, Some(scraper)).await
    }

    async fn start(configure: impl FnOnce(Launch) -> Launch, scraper: Option<Scraper>) -> Self {
        let (temp, redis) = (TempEnv::new(), Redis::start());
        let launch = configure(Launch::stack(&temp.data_dir(), &redis.unix_url()));
        let service = launch.start_or_panic().await;
        Self {
            service,
            scraper: scraper.map(Scraper::begin),
            _redis: redis,
            _temp: temp,
        }
    }

    fn scrapes(&self) -> u64 {
        self.scraper.as_ref().map_or(0, Scraper::scrapes)
    }
}

/// Every stack has as many turns. Who comes first changes, lest one always meets the other's aftermath.
async fn take_turns<const N: usize>(
    call: Call,
    in_flight: usize,
    stacks: &[BenchStack; N],
) -> [Side; N] {
    let mut sides = Vec::with_capacity(N);
    for stack in stacks {
        sides.push(Side::new(call, &stack.service, in_flight).await);
    }
    let Ok(mut sides) = <[Side; N]>::try_from(sides) else {
        unreachable!("a side was made of each stack")
    };
    for round in 0..ROUNDS {
        for turn in 0..N {
            sides[(round + turn) % N].turn(TURN).await;
        }
    }
    sides
}

/// What `on` costs beside `off`; held to what is promised if it is known how many calls were in flight.
fn figures_of(name: &str, on: &Side, off: &Side, promised: Option<usize>) -> Vec<Figure> {
    let figure = |what: &str, unit, value: fn(&Side) -> f64| {
        Figure::new(format!("{name}, {what}"), value(on), unit).beside(PEER, value(off))
    };
    let mut typical = figure("p50", "ms", Side::p50);
    let calls = figure("calls", "1/s", Side::rate);
    let cpu = figure("CPU of the service a call", "us", Side::cpu_per_call);
    let kept = on.throughput_beside(off);
    let mut share = Figure::new(format!("{name}, throughput kept"), kept, "share");
    match promised {
        Some(1) => typical = typical.target("<= peer + 0.1 ms", on.p50() <= off.p50() + ADDED_MS),
        Some(_) => share = share.target(&format!(">= {THROUGHPUT}"), kept >= THROUGHPUT),
        None => {}
    }
    vec![typical, calls, share, cpu]
}
