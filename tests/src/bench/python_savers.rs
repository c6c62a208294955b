//! Sixteen Python processes that save two KiB each again and again, through the service, beside as many that use
//! LangGraph's SqliteSaver on one file, with the same durability. The sides take turns.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::figure::Figure;
use super::latency::Latencies;
use crate::python;
use crate::service::Service;

const PROCESSES: usize = 16;
const ROUNDS: usize = 5;
const SECONDS: f64 = 2.0;
const TIMEOUT: Duration = Duration::from_secs(120);
const PEER: &str = "LangGraph SqliteSaver";

pub(super) async fn measure(service: &Service, folder: &Path) -> Vec<Figure> {
    let address = format!("unix:{}", service.socket().display());
    let (mut ours, mut theirs) = (Latencies::default(), Latencies::default());
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let file = folder.join(format!("langgraph-{round}.db"));
        let saves = turn("langgraph", &file.display().to_string()).await;
        their_rates.push(rate(&saves));
        theirs.extend(saves);
        let saves = turn("shim", &address).await;
        our_rates.push(rate(&saves));
        ours.extend(saves);
    }
    let (rate, peer_rate) = (median(our_rates), median(their_rates));
    let (p99, peer_p99) = (ours.percentile_ms(99), theirs.percentile_ms(99));
    let rates = Figure::new("save 2 KiB, 16 Python processes, saves", rate, "1/s");
    let times = Figure::new("save 2 KiB, 16 Python processes, p99", p99, "ms");
    vec![
        rates
            .beside(PEER, peer_rate)
            .target(">= 1.3x peer", rate >= 1.3 * peer_rate),
        times.beside(PEER, peer_p99).target("<= 20 ms", p99 <= 20.0),
    ]
}

/// All processes save from the same moment on: when every one has started and saved once.
async fn turn(kind: &str, target: &str) -> Latencies {
    let words = python::script_command("bench_saver.py");
    let mut savers = Vec::new();
    for _ in 0..PROCESSES {
        savers.push(Saver::start(&words, kind, target));
    }
    for saver in &mut savers {
        let told = saver.next().await;
        assert_eq!(told["ready"], Value::Bool(true), "a {kind} saver starts");
    }
    for saver in &mut savers {
        saver.orders.write_all(b"go\n").await.expect("it listens");
    }
    let mut all = Latencies::default();
    for saver in &mut savers {
        let told = saver.next().await;
        for ms in told["latencies_ms"].as_array().into_iter().flatten() {
            let ms = ms.as_f64().expect("a saver tells milliseconds");
            all.record(Duration::from_secs_f64(ms / 1e3));
        }
    }
    all
}

/// One process. Dropping it kills it.
struct Saver {
    _child: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Saver {
    fn start(words: &[String], kind: &str, target: &str) -> Self {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args([kind, target]);
        command.arg(SECONDS.to_string()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python runs");
        let out = child.stdout.take().expect("it is piped");
        Self {
            orders: child.stdin.take().expect("it is piped"),
            lines: BufReader::new(out).lines(),
            _child: child,
        }
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(TIMEOUT, self.lines.next_line()).await;
        let line = line.expect("a saver answers in time").expect("it is read");
        let line = line.expect("a saver failed; what it said stands above");
        serde_json::from_str(&line).expect("a saver prints JSON")
    }
}

fn rate(saves: &Latencies) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = saves.count() as f64;
    count / SECONDS
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
