//! What the client's status line costs: the program beside `/bin/true`, with a stack that answers.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::figure::Figure;
use super::latency::Latencies;
use crate::binary;
use crate::temp_env::TempEnv;

const RUNS: usize = 300;
const WARM_UP_RUNS: usize = 20;
const MAX_P50_MS: f64 = 10.0;

/// The figures of the status line, with the stack that runs in `temp`.
///
/// # Panics
/// If the program cannot be run.
pub(super) fn measure(temp: &TempEnv) -> Vec<Figure> {
    let command = |words: &[&str]| {
        let mut command = Command::new(binary::shim());
        command.args(words).env("SHIM_DATA_DIR", temp.data_dir());
        command.env("CLAUDE_PID", std::process::id().to_string());
        command
    };
    let prompt = json!({"session_id": "line", "cwd": temp.project(), "hook_event_name": "UserPromptSubmit",
        "transcript_path": "/nowhere/line.jsonl", "prompt_id": "p", "prompt": "Measure"});
    time(&mut command(&["hook"]), prompt.to_string().as_bytes());
    let (mut ours, mut peers) = (Latencies::default(), Latencies::default());
    for run in 0..RUNS + WARM_UP_RUNS {
        let usage = json!({"input_tokens": 100_000 + run, "output_tokens": 5});
        let input = json!({"session_id": "line", "cwd": temp.project(), "cost": {"total_cost_usd": 0.5},
            "context_window": {"context_window_size": 1_000_000, "current_usage": usage}});
        let took = time(&mut command(&["statusline"]), input.to_string().as_bytes());
        let peer = time(&mut Command::new("/bin/true"), b"");
        if run >= WARM_UP_RUNS {
            ours.record(took);
            peers.record(peer);
        }
    }
    [(50, "median"), (99, "99 of 100")]
        .map(|(percent, name)| {
            let figure = Figure::new(
                format!("status line, {name} of {RUNS}"),
                ours.percentile_ms(percent),
                "ms",
            );
            let figure = figure.beside("/bin/true", peers.percentile_ms(percent));
            if percent == 50 {
                figure.at_most(MAX_P50_MS)
            } else {
                figure
            }
        })
        .into()
}

fn time(command: &mut Command, input: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be run");
    // One that reads nothing may be gone.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    begun.elapsed()
}
