//! What a hook costs: the program beside `/bin/true` and a Node program that does nothing, its memory, and many hooks' events
//! through one stack.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::{
    ClientInfo, FileUse, ObservedEvent, ReportEventsRequest, ToolCallFinished, ToolCallStarted,
    UsedFile,
};
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::stack::StackState;

use super::figure::Figure;
use super::latency::Latencies;
use super::machine;
use crate::temp_env::TempEnv;
use crate::{binary, process};

const RUNS: usize = 400;
const WARM_UP_RUNS: usize = 20;
const MAX_P50_MS: f64 = 8.0;
const MAX_MIB: f64 = 10.0;
const MIB: f64 = 1024.0 * 1024.0;
const EVENTS_PER_SECOND: usize = 1_000;
const SECONDS: usize = 20;
/// Sessions whose hooks come at the same time.
const CONVERSATIONS: usize = 50;

/// All figures of hooks.
///
/// # Panics
/// If the stack does not start.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("hook").await];
    let temp = TempEnv::new();
    up(&temp);
    progress("a hook beside /bin/true and a Node program that does nothing");
    figures.extend(runs(&temp));
    progress("the status line beside /bin/true");
    figures.extend(super::status_line::measure(&temp));
    progress("1,000 events a second through one stack");
    figures.extend(load(&temp).await);
    figures
}

fn up(temp: &TempEnv) {
    let mut up = Command::new(binary::shim());
    up.arg("--data-dir").arg(temp.data_dir());
    let up = up
        .args(["up", "--detach"])
        .output()
        .expect("the program can be run");
    assert!(up.status.success(), "the stack does not start: {up:?}");
}

/// A tool call before it, as the client tells it.
fn call(project: &Path, number: usize) -> Vec<u8> {
    let fields = json!({
        "session_id": "bench", "transcript_path": "/nowhere/bench.jsonl", "cwd": project, "prompt_id": "p",
        "hook_event_name": if number.is_multiple_of(2) { "PreToolUse" } else { "PostToolUse" },
        "tool_name": "Read", "tool_use_id": format!("t{}", number / 2), "tool_input": {"file_path": "src/lib.rs"},
        "tool_response": {"content": "x".repeat(2_000)},
    });
    fields.to_string().into_bytes()
}

/// By turns, so that what else the machine does meets all of them.
fn runs(temp: &TempEnv) -> Vec<Figure> {
    let project = temp.project();
    let mut hook = Command::new(binary::shim());
    hook.arg("hook").env("SHIM_DATA_DIR", temp.data_dir());
    hook.env("CLAUDE_PID", std::process::id().to_string());
    let node = which("node").map(|node| {
        let mut command = Command::new(node);
        command.args(["-e", "0"]);
        command
    });
    let mut programs = vec![
        ("shim hook", hook),
        ("/bin/true", Command::new("/bin/true")),
    ];
    programs.extend(node.map(|command| ("node -e 0", command)));
    let mut times: Vec<Latencies> = programs.iter().map(|_| Latencies::default()).collect();
    for run in 0..RUNS + WARM_UP_RUNS {
        let input = call(&project, run);
        for ((_, command), times) in programs.iter_mut().zip(&mut times) {
            let took = time(command, &input);
            if run >= WARM_UP_RUNS {
                times.record(took);
            }
        }
    }
    let mut figures = Vec::new();
    for (percent, name) in [(50, "median"), (99, "99 of 100")] {
        let ours = times[0].percentile_ms(percent);
        for ((peer, _), times) in programs.iter().zip(&mut times).skip(1) {
            let figure = Figure::new(format!("hook, {name} of {RUNS}"), ours, "ms");
            let figure = figure.beside(peer, times.percentile_ms(percent));
            figures.push(match percent {
                50 => figure.at_most(MAX_P50_MS),
                _ => figure,
            });
        }
    }
    figures.push(memory(&mut programs[0].1, &call(&project, 0)));
    figures
}

fn which(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
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
    assert!(output.status.success() && output.stdout.is_empty());
    begun.elapsed()
}

/// The memory of a hook whose input has not ended: all of the program is loaded by then but the call, so it is read at its
/// end, from the kernel's count of what it used at most.
fn memory(command: &mut Command, input: &[u8]) -> Figure {
    let program = command.get_program().to_owned();
    let variables: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    let mut timed = Command::new("/usr/bin/env");
    timed
        .arg("python3")
        .arg("-c")
        .arg(MAX_RSS)
        .arg(program)
        .envs(variables);
    let mut child = timed
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python can be run");
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let kib: f64 = text.parse().unwrap_or(f64::NAN);
    Figure::new("hook, most memory", kib * 1024.0 / MIB, "MiB").at_most(MAX_MIB)
}

/// Runs a hook and prints its peak memory in KiB.
const MAX_RSS: &str = "import resource, subprocess, sys\nsubprocess.run([sys.argv[1], 'hook'], stdin=sys.stdin.buffer, \
                       check=True)\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

/// Each event in a call of its own, as hooks tell them, at a steady pace.
async fn load(temp: &TempEnv) -> Vec<Figure> {
    let StackState::Running(info) = temp.stack().state() else {
        return Vec::new();
    };
    let channel: Channel = connect(&Endpoint::Unix(temp.stack().socket()), None)
        .expect("a socket needs no certificate");
    let mut tick = tokio::time::interval(Duration::from_secs(1) / 100);
    let (mut calls, mut latencies) = (tokio::task::JoinSet::new(), Latencies::default());
    let (mut failed, mut early) = (0, 0);
    let begun = Instant::now();
    for hundredth in 0..SECONDS * 100 {
        tick.tick().await;
        for number in 0..EVENTS_PER_SECOND / 100 {
            let number = hundredth * (EVENTS_PER_SECOND / 100) + number;
            let mut client = ObservationServiceClient::new(channel.clone());
            let events = vec![event(temp, number)];
            calls.spawn(async move {
                let begun = Instant::now();
                let answer = client.report_events(ReportEventsRequest { events }).await;
                (
                    begun.elapsed(),
                    answer.is_ok_and(|answer| answer.get_ref().refused.is_empty()),
                )
            });
        }
        if hundredth == SECONDS * 25 {
            early = process::resident_bytes(info.pid);
        }
        while let Some(done) = calls.try_join_next() {
            note(done, &mut latencies, &mut failed);
        }
    }
    while let Some(done) = calls.join_next().await {
        note(done, &mut latencies, &mut failed);
    }
    let pace = (SECONDS * EVENTS_PER_SECOND) as f64 / begun.elapsed().as_secs_f64();
    let late = process::resident_bytes(info.pid);
    let growth = (late as f64 - early as f64) / MIB;
    vec![
        Figure::new("events of hooks through one stack", pace, "1/s")
            .target(">= 950 1/s and none refused", pace >= 950.0 && failed == 0),
        Figure::new("an event, 99 of 100", latencies.percentile_ms(99), "ms"),
        Figure::new(
            "memory of the stack after 20,000 events",
            late as f64 / MIB,
            "MiB",
        ),
        Figure::new("its growth from 5,000 to 20,000 events", growth, "MiB").at_most(8.0),
    ]
}

fn note(
    done: Result<(Duration, bool), tokio::task::JoinError>,
    latencies: &mut Latencies,
    failed: &mut usize,
) {
    match done {
        Ok((took, true)) => latencies.record(took),
        _ => *failed += 1,
    }
}

/// Calls of many conversations, each begun and finished.
fn event(temp: &TempEnv, number: usize) -> ObservedEvent {
    let conversation = format!("bench-{}", number % CONVERSATIONS);
    let call = number / CONVERSATIONS;
    let (tool_use_id, tool_name) = (format!("t{}", call / 2), "Edit".to_owned());
    let files = vec![UsedFile {
        path: temp
            .project()
            .join(format!("src/{}.rs", call % 40))
            .display()
            .to_string(),
        r#use: FileUse::Write.into(),
    }];
    let event = if call.is_multiple_of(2) {
        Event::ToolCallStarted(ToolCallStarted {
            tool_use_id,
            tool_name,
            files,
            ..ToolCallStarted::default()
        })
    } else {
        Event::ToolCallFinished(ToolCallFinished {
            tool_use_id,
            tool_name,
            files,
            ..ToolCallFinished::default()
        })
    };
    ObservedEvent {
        event_id: uuid::Uuid::now_v7().to_string(),
        at: Some(std::time::SystemTime::now().into()),
        conversation,
        cwd: temp.project().display().to_string(),
        client: Some(ClientInfo {
            name: "bench".to_owned(),
            hostname: "bench".to_owned(),
            ..ClientInfo::default()
        }),
        event: Some(event),
        ..ObservedEvent::default()
    }
}
