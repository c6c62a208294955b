//! `chaos [PANEL]`: the suites at full size. The last line is one JSON object; it fails if a promise was broken.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value, json};
use shim_tests::chaos::checkpoint;
use shim_tests::chaos::claude;
use shim_tests::chaos::coordination::{holders, outages, races};
use shim_tests::chaos::evolution;
use shim_tests::chaos::overload;
use shim_tests::chaos::tasks::{self, claim_race};

/// Kills, freezes and races what the promises are about, and looks for what was lost.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to run.
    #[arg(value_enum, default_value_t = Suite::Checkpoint)]
    panel: Suite,
    /// How many kills: of the checkpoint service (200), of Redis (50), of Claude Code (100), or of the evolution service and its tools (100); of tasks, how many kills and freezes each of
    /// workers, services and Redis (200).
    #[arg(long)]
    rounds: Option<u64>,
    /// Where all chance comes from; the clock if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Overload: seconds of too many calls.
    #[arg(long, default_value_t = 60)]
    surge: u64,
    /// Overload: seconds of steady load.
    #[arg(long, default_value_t = 600)]
    soak: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Savers on a checkpoint service that is killed.
    Checkpoint,
    /// Compare-and-sets on one entry from many processes.
    Races,
    /// Lock holders that are frozen, with one Redis and with Redlock.
    Locks,
    /// Redis killed, cut off and frozen under load.
    Outages,
    /// Races, locks and outages.
    Coordination,
    /// Workers at tasks while workers, services and Redis are killed and frozen.
    Tasks,
    /// Sessions of the real Claude Code that are killed, and what is known of them.
    Claude,
    /// Races for one task, again and again.
    Claims,
    /// Work on a user's project while the evolution service, its tool host and its tools are killed.
    Evolution,
    /// More calls, connections and streams than can be served, and a long steady load.
    Overload,
}

impl Suite {
    fn includes(self, other: Self) -> bool {
        self == other || self == Self::Coordination
    }
}

/// Compare-and-sets of each of the 32 racers.
const RACES: u64 = 10_000;
/// Locks granted in one run on one Redis, and over Redlock nodes.
const ACQUISITIONS: u64 = 100_000;
const REDLOCK_ACQUISITIONS: u64 = 20_000;
/// Tasks that are done while everything is killed and frozen, and that are raced for.
const TASKS: u64 = 2_000;
const CLAIMS: u64 = 10_000;
/// Connections that are opened and never used.
const IDLE_CONNECTIONS: usize = 5_000;
/// Outages other than kills: each of them lasts seconds.
const LONG_OUTAGES: u64 = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(clock_seed);
    print_line(&format!("{:?} panel, seed {seed}", arguments.panel));
    let (is_clean, found) = match arguments.panel {
        Suite::Checkpoint => checkpoint_suite(arguments.rounds.unwrap_or(200), seed).await,
        Suite::Tasks => tasks_suite(arguments.rounds.unwrap_or(200), seed).await,
        Suite::Claims => claims_suite().await,
        Suite::Claude => claude_suite(arguments.rounds.unwrap_or(100), seed).await,
        Suite::Evolution => evolution_suite(arguments.rounds.unwrap_or(100), seed).await,
        Suite::Overload => overload_suite(arguments.surge, arguments.soak).await,
        panel => coordination_suites(panel, arguments.rounds.unwrap_or(50), seed).await,
    };
    print_line(&found.to_string());
    if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn checkpoint_suite(rounds: u64, seed: u64) -> (bool, Value) {
    let settings = checkpoint::SuiteOptions { rounds, seed };
    match checkpoint::run(settings, &mut stdout().lock()).await {
        Ok(verdict) => (verdict.is_clean(), json!(verdict)),
        Err(broken) => (
            false,
            json!({"seed": seed, "broken": format!("{broken:?}")}),
        ),
    }
}

async fn tasks_suite(rounds: u64, seed: u64) -> (bool, Value) {
    let settings = tasks::SuiteOptions {
        rounds,
        tasks: TASKS,
        calm_kills: rounds.div_ceil(5),
        dead_after: Duration::from_secs(5),
        with_peer: true,
        seed,
    };
    match tasks::run(settings, print_line).await {
        Ok(verdict) => (verdict.is_clean() && verdict.is_prompt(), json!(verdict)),
        Err(broken) => (false, json!({"seed": seed, "broken": broken.to_string()})),
    }
}

async fn claims_suite() -> (bool, Value) {
    match claim_race::run(claim_race::SuiteOptions { times: CLAIMS }).await {
        Ok(verdict) => (verdict.is_clean(), json!(verdict)),
        Err(broken) => (false, json!({"broken": broken.to_string()})),
    }
}

async fn claude_suite(rounds: u64, seed: u64) -> (bool, Value) {
    match claude::run(claude::SuiteOptions { rounds, seed }, print_line).await {
        Some(verdict) => (verdict.is_clean(), json!(verdict)),
        None => (
            true,
            json!({"skipped": "there is no real Claude Code here"}),
        ),
    }
}

async fn evolution_suite(rounds: u64, seed: u64) -> (bool, Value) {
    let settings = evolution::SuiteOptions {
        rounds,
        seed,
        with_long_calls: true,
    };
    match evolution::run(settings, print_line).await {
        Ok(verdict) => (verdict.is_clean() && verdict.is_prompt(), json!(verdict)),
        Err(broken) => (
            false,
            json!({"seed": seed, "broken": format!("{broken:?}")}),
        ),
    }
}

async fn overload_suite(surge: u64, soak: u64) -> (bool, Value) {
    let settings = overload::SuiteOptions {
        surge: Duration::from_secs(surge),
        factor: 4,
        idle_connections: IDLE_CONNECTIONS,
        slow_read_time: Duration::from_secs(20),
        soak: Duration::from_secs(soak),
    };
    let verdict = overload::run(settings, print_line).await;
    (verdict.is_clean(), json!(verdict))
}

async fn coordination_suites(panel: Suite, kills: u64, seed: u64) -> (bool, Value) {
    let mut findings = Findings::default();
    if panel.includes(Suite::Races) {
        let verdict = races::run(races::SuiteOptions { times: RACES, seed }).await;
        findings.add("races", verdict.is_clean(), &verdict);
    }
    if panel.includes(Suite::Locks) {
        for (about, acquisitions) in [("locks", ACQUISITIONS), ("redlock", REDLOCK_ACQUISITIONS)] {
            let settings = holders::SuiteOptions {
                acquisitions,
                redlock: about == "redlock",
                seed,
            };
            let verdict = holders::run(settings).await;
            findings.add(about, verdict.is_clean(), &verdict);
        }
    }
    if panel.includes(Suite::Outages) {
        for (about, settings) in outages_to_run(kills, seed) {
            let verdict = outages::run(settings).await;
            findings.add(about, verdict.is_clean(), &verdict);
        }
    }
    (findings.broken == 0, findings.found.into())
}

/// What the suites found, printed as it comes.
#[derive(Default)]
struct Findings {
    found: Map<String, Value>,
    broken: usize,
}

impl Findings {
    fn add(&mut self, about: &str, is_clean: bool, verdict: &impl Serialize) {
        let verdict = json!(verdict);
        print_line(&format!("{about}: clean {is_clean}, {verdict}"));
        self.broken += usize::from(!is_clean);
        self.found.insert(about.to_owned(), verdict);
    }
}

fn outages_to_run(kills: u64, seed: u64) -> [(&'static str, outages::SuiteOptions); 4] {
    use outages::{Fsync, Outage};
    let of = |outage, fsync, times, away_millis| outages::SuiteOptions {
        outage,
        fsync,
        times,
        away_millis,
        seed,
    };
    [
        ("kill", of(Outage::Kill, Fsync::Always, kills, 10..1_500)),
        (
            "kill, synced by the kernel",
            of(Outage::Kill, Fsync::Kernel, kills, 10..1_500),
        ),
        (
            "cut",
            of(Outage::Cut, Fsync::EverySecond, LONG_OUTAGES, 5_000..5_001),
        ),
        (
            "freeze",
            of(Outage::Freeze, Fsync::EverySecond, LONG_OUTAGES, 500..3_000),
        ),
    ]
}

fn print_line(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

fn clock_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| now.as_secs())
}
