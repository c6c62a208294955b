//! Every command of the command line, as its help lists them, about what was planted.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;
use shim_tests::binary;
use shim_tests::coordination::NAMESPACE;
use tokio::process::Command;

use super::World;
use super::known::Known;
use super::texts::{MARKERS, faults as faults_in};
use crate::bad_input::wire::Wire;

/// A command that goes on is ended after it has printed what there is.
const GOES_ON: Duration = Duration::from_secs(3);
/// Things of a kind that commands are asked about.
const MANY: usize = 12;

/// Commands that serve, or that change the machine, and print nothing of what is stored. Their logs and answers are looked
/// at elsewhere.
const OTHERWISE: [&str; 18] = [
    "up",
    "down",
    "hold",
    "gateway",
    // It reads what a client says; its stories look at what it says.
    "hook",
    // It prints figures and words of its own; its unit tests plant texts.
    "statusline",
    "checkpoint",
    "coordination",
    "worker",
    "evolution",
    // They need Node; what they print is held by snapshots with hostile names.
    "analyze",
    "generate-tests",
    "demo",
    "sessions restore-backup",
    "workers start",
    "workers drain",
    "workers stop",
    "install",
];

pub(super) async fn faults(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    take_locks(world).await;
    let known = Known::of(world).await;
    write_messages(world, &known.workers[..2.min(known.workers.len())]).await;
    let commands = leaves(world, &mut faults).await;
    let mut run = BTreeSet::new();
    for command in &commands {
        if OTHERWISE.contains(&command.as_str()) || command == "uninstall" {
            continue;
        }
        let all = arguments(command, &known, world);
        if all.is_empty() {
            faults.push(format!(
                "shim {command} is not asked for here: add its arguments, or the reason"
            ));
        }
        for arguments in all {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.extend(arguments.iter().map(String::as_str));
            let output = shim(world, &words).await;
            let what = format!("shim {}", words.join(" "))
                .escape_debug()
                .to_string();
            for bytes in [&output.stdout, &output.stderr] {
                faults.extend(faults_in(&what, &String::from_utf8_lossy(bytes)));
            }
            if output.status.success() {
                run.insert(command.clone());
            }
        }
    }
    // These answer well about what was planted, so that more than refusals was looked at.
    for command in [
        "sessions list",
        "sessions show",
        "sessions search",
        "sessions export",
        "sessions verify",
        "tasks list",
        "tasks show",
        "tasks health",
        "workers list",
        "workers show",
        "locks list",
        "locks show",
        "files list",
        "state list",
        "state get",
        "messages read",
        "status",
    ] {
        if !run.contains(command) {
            faults.push(format!("shim {command} never succeeded"));
        }
    }
    faults
}

/// The commands without commands below them.
async fn leaves(world: &World, faults: &mut Vec<String>) -> Vec<String> {
    let mut leaves = Vec::new();
    let mut open = vec![String::new()];
    while let Some(command) = open.pop() {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.push("--help");
        let help = String::from_utf8_lossy(&shim(world, &words).await.stdout).into_owned();
        let listed = help.split("\nCommands:\n").nth(1);
        let below: Vec<&str> = listed
            .into_iter()
            .flat_map(|listed| listed.lines().take_while(|line| !line.is_empty()))
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .collect();
        if below.is_empty() {
            leaves.push(command);
        } else {
            open.extend(
                below
                    .iter()
                    .map(|name| format!("{command} {name}").trim().to_owned()),
            );
        }
    }
    if leaves.len() < 50 {
        faults.push(format!(
            "only {} commands were found: {leaves:?}",
            leaves.len()
        ));
    }
    leaves
}

/// Ways to call a command, each with what was planted or with a hostile argument.
fn arguments(command: &str, known: &Known, world: &World) -> Vec<Vec<String>> {
    let marker = MARKERS[0];
    let hostile = format!("x\n{marker}\u{202e}");
    let plain = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let both = |words: Vec<String>| {
        let json = [words.clone(), plain(&["--json"])].concat();
        vec![words, json]
    };
    let each = |ids: &[String], more: &[&str]| -> Vec<Vec<String>> {
        let ids = ids.iter().take(MANY).cloned().chain([hostile.clone()]);
        ids.flat_map(|id| both([vec![id], plain(more)].concat()))
            .collect()
    };
    let temp = |name: &str| world.temp.root().join(name).display().to_string();
    match command {
        "sessions list" | "tasks list" | "workers list" | "tasks health" | "workers health"
        | "status" | "doctor" => {
            let mut all = both(Vec::new());
            if command == "workers list" {
                all.push(plain(&["--all"]));
            }
            all
        }
        "patterns" | "evolve list" | "evolve transforms" => {
            let mut all = both(Vec::new());
            if command != "evolve transforms" {
                all.push(vec![hostile]);
            }
            all
        }
        "evolve show" | "evolve approve" | "evolve reject" | "evolve revert" => {
            vec![plain(&["0123456789ab"]), vec![hostile]]
        }
        "trust" | "evolve trust" => {
            let mut all = both(vec![world.temp.project().display().to_string()]);
            all.push(vec![hostile]);
            all
        }
        "healthcheck" => vec![Vec::new(), plain(&["--service", &hostile])],
        "sessions verify" => vec![Vec::new(), vec![hostile]],
        "sessions show" | "sessions restore" | "sessions dismiss" => each(&known.sessions, &[]),
        "sessions end" => each(&known.sessions[..1.min(known.sessions.len())], &[]),
        "sessions fork" => each(&known.checkpoints[..1.min(known.checkpoints.len())], &[]),
        "sessions diff" => known
            .checkpoints
            .windows(2)
            .take(MANY)
            .flat_map(|pair| both(pair.to_vec()))
            .chain([vec![hostile.clone(), hostile.clone()]])
            .collect(),
        "sessions search" => ["forged", "unchanged", &hostile]
            .map(|words| both(plain(&[words])))
            .concat(),
        "sessions delete" => vec![vec![hostile]],
        "sessions prune" => vec![
            plain(&["--older-than", "9000h", "--dry-run"]),
            vec![hostile],
        ],
        "sessions export" => vec![
            Vec::new(),
            plain(&["--output", &temp("archive")]),
            vec![hostile],
        ],
        "sessions recover" => {
            let transcript = temp("transcript.jsonl");
            write_transcript(&transcript, &format!("{marker}\u{2028}{marker}\u{9b}2J"));
            vec![
                Vec::new(),
                vec![transcript.clone()],
                vec![transcript, "--json".to_owned()],
                vec![hostile],
            ]
        }
        "sessions import" => vec![vec![temp("archive")], vec![hostile]],
        "sessions backup" => vec![vec![temp("backup")], vec![temp("no/such\nerror: forged")]],
        "tasks show" | "tasks results" => each(&known.jobs, &[]),
        "tasks watch" => known
            .jobs
            .iter()
            .take(2)
            .flat_map(|id| both(vec![id.clone()]))
            .collect(),
        "tasks cancel" | "tasks retry" | "tasks approve" => {
            each(&known.jobs[..2.min(known.jobs.len())], &[])
        }
        "tasks pause" | "tasks resume" => vec![Vec::new(), vec![hostile]],
        "tasks prune" => both(plain(&["--older-than", "9000h", "--dead-letters"])),
        "tasks submit" => vec![
            vec![hostile.clone()],
            plain(&["--kind", marker, "--file", &hostile, "g"]),
            plain(&["--file", marker, "g"]),
            plain(&["--schedule", &hostile, "g"]),
        ],
        "workers show" => each(&known.workers, &[]),
        "workers watch" | "sessions watch" => both(Vec::new()),
        "state list" | "state watch" => both(plain(&["-n", NAMESPACE])),
        "state get" => each(&known.keys, &["-n", NAMESPACE]),
        "state put" => vec![
            plain(&["-n", NAMESPACE, marker, "{\"a\":1}"]),
            vec![hostile.clone(), hostile],
        ],
        "state patch" => vec![
            plain(&["-n", NAMESPACE, marker, "{\"a\":1}"]),
            vec![hostile.clone(), hostile],
        ],
        "state delete" => vec![plain(&["-n", NAMESPACE, marker]), vec![hostile]],
        "locks list" => both(plain(&["-n", NAMESPACE])),
        "locks show" => each(&known.locks, &["-n", NAMESPACE]),
        "locks release" => each(
            &known.locks[..1.min(known.locks.len())],
            &["-n", NAMESPACE, "--force"],
        ),
        "files list" => both(plain(&["-w", "ground"])),
        "files check" => both(plain(&["-w", "ground", "src/a.rs"])),
        "files acquire" => vec![
            plain(&["-w", "ground", "src/forged.rs", "--holder", marker]),
            plain(&["-w", "ground", &hostile, "--holder", &hostile]),
        ],
        "files release" => vec![
            plain(&["-w", "ground", "--holder", marker]),
            plain(&["-w", "ground", "--holder", &hostile]),
        ],
        // The inboxes that are read are the first ones.
        "messages clear" => each(&known.workers[known.workers.len().saturating_sub(1)..], &[]),
        "state clear" => vec![
            plain(&["-n", NAMESPACE, "--prefix", marker]),
            plain(&["-n", "cleared", "--force"]),
            plain(&["-n", &hostile, "--force"]),
        ],
        "messages read" => each(&known.workers, &[]),
        "messages send" => vec![
            plain(&["--session", &hostile, &hostile]),
            plain(&["--capability", marker, marker]),
        ],
        _ => Vec::new(),
    }
}

/// Runs a command to its end, or until it has been silent for long.
async fn shim(world: &World, words: &[&str]) -> Output {
    let goes_on = words.contains(&"watch");
    let child = Command::new(binary::shim())
        .arg("--data-dir")
        .arg(world.temp.data_dir())
        .args(words)
        .current_dir(world.temp.project())
        .env("HOME", world.temp.root())
        .env("SHIM_REDIS_URL", world.redis.url())
        .env("SHIM_REGISTRY_DEAD_AFTER", "1h")
        .env(
            "SHIM_METRICS_LISTEN",
            format!("127.0.0.1:{}", world.probes.number()),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    if goes_on && let Some(pid) = child.id() {
        tokio::spawn(async move {
            tokio::time::sleep(GOES_ON).await;
            shim_tests::process::signal(pid, nix::sys::signal::Signal::SIGKILL);
        });
    }
    child.wait_with_output().await.unwrap()
}

/// The transcript of a conversation in which all that can be chosen is hostile.
fn write_transcript(path: &str, text: &str) {
    let of = |kind: &str, message: serde_json::Value| {
        json!({"type": kind, "uuid": kind, "sessionId": "hostile", "timestamp": "2026-01-02T10:00:00Z", "cwd": "/tmp",
            "message": message})
    };
    let call =
        json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {"description": text}});
    let lines = [
        of("user", json!({"content": format!("x\n{text}")})),
        of("assistant", json!({"id": "m", "content": [call]})),
    ];
    std::fs::write(path, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
}

/// Locks that are held for longer than the story takes.
async fn take_locks(world: &World) {
    let coordination = Wire::to_coordination(&world.service);
    for text in MARKERS {
        let lock = json!({
            "request_id": shim_tests::calls::request_id(), "namespace": NAMESPACE, "name": text, "owner": text,
            "purpose": format!("x\n{text}\u{2028}{text}\u{202e}"), "ttl": "3600s",
        });
        coordination.call("AcquireLock", &lock).await.unwrap();
    }
}

/// Messages in inboxes that nobody reads.
async fn write_messages(world: &World, inboxes: &[String]) {
    let coordination = Wire::to_coordination(&world.service);
    for inbox in inboxes {
        for text in MARKERS {
            let message = json!({
                "request_id": shim_tests::calls::request_id(), "worker_id": inbox, "sender": text,
                "text": format!("x\n{text}\u{2028}{text}\u{9b}2J"), "data": {"a\nb": format!("x\n{text}")},
            });
            coordination.call("SendMessage", &message).await.unwrap();
        }
    }
}
