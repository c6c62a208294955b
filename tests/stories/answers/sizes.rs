//! Every tool with every action on one fixed story: how many characters each answer has, held against the table of
//! `gateway/README.md`, and the goals. Printed with `cargo nextest run --no-capture`.

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch};
use shim_tests::temp_env::TempEnv;

use super::measured::{Measured, Row};

const SAVE: &str = "shim_auto_checkpoint";
const RECOVER: &str = "shim_check_recovery";
const SIGNALS: &str = "shim_monitor_signals";
const STATUS: &str = "shim_session_status";
const COORDINATE: &str = "shim_coordinate_task";
const WORK: &str = "shim_worker_task";

/// The most characters of what a model reads again and again.
const GOALS: [(&str, usize); 5] = [
    ("save", 200),
    ("save, again", 200),
    ("save, the tenth", 200),
    ("status", 800),
    ("claim, no task", 200),
];
/// A span of time or a folder's name may be longer than in the table.
const TOLERANCE: usize = 30;

fn first_save() -> Value {
    json!({
        "current_task": "Port the configuration parser to the new grammar", "progress": 0.2,
        "decisions": ["Recursive descent, no generator", "Errors carry line and column"],
        "next_steps": ["Write the lexer", "Write the parser", "Port the tests"], "active_files": ["parser.rs"],
    })
}

/// One window alone: it saves, looks, and measures how near its end is.
async fn alone(measured: &mut Measured, window: &mut Gateway) {
    measured.call("save", window, SAVE, first_save()).await;
    let again = json!({
        "current_task": "Port the configuration parser to the new grammar", "progress": 0.4,
        "completed_steps": ["Write the lexer"], "next_steps": ["Write the parser", "Port the tests"],
    });
    measured
        .call("save, again", window, SAVE, again.clone())
        .await;
    for _ in 0..7 {
        window.call(SAVE, again.clone()).await;
    }
    measured.call("save, the tenth", window, SAVE, again).await;
    measured.call("status", window, STATUS, json!({})).await;
    let calm = json!({"estimated_tokens": 40_000, "tool_calls": 30});
    measured.call("signals, safe", window, SIGNALS, calm).await;
    let loaded = json!({"estimated_tokens": 190_000, "context_window": 200_000});
    measured
        .call("signals, raised", window, SIGNALS, loaded)
        .await;
    let search = json!({"view": "search", "query": "parser", "limit": 2});
    measured
        .call("search, 2 hits", window, STATUS, search)
        .await;
    let other = json!({
        "current_task": "Answer a question about the build", "progress": 0.1, "active_files": ["gone.rs"],
    });
    measured
        .call("save, another task", window, SAVE, other)
        .await;
    let detect = json!({"project": "/nothing/here"});
    measured
        .call("detect, nothing", window, RECOVER, detect)
        .await;
}

/// A job in two parts from its submission to its results.
async fn together(measured: &mut Measured, lead: &mut Gateway, worker: &mut Gateway) {
    let claim = json!({"action": "claim", "capabilities": ["rust"], "wait_seconds": 0});
    measured
        .call("claim, no task", worker, WORK, claim.clone())
        .await;
    let register = json!({"action": "register", "capabilities": ["rust"]});
    measured.call("register", worker, WORK, register).await;
    let submit = json!({"action": "submit", "goal": "Port the parser", "subtasks": [
        {"id": "lexer", "goal": "Port the lexer", "files": ["lexer.rs"], "requirements": ["rust"]},
        {"id": "grammar", "goal": "Port the grammar", "after": ["lexer"], "requirements": ["rust"]},
    ]});
    let job = measured.call("submit", lead, COORDINATE, submit).await["task"]["task_id"].clone();
    let of_job = |action: &str| json!({"action": action, "task_id": job});
    measured
        .call("status of a job", lead, COORDINATE, of_job("status"))
        .await;
    let wait = json!({"action": "wait", "task_id": job, "wait_seconds": 0});
    measured.call("wait", lead, COORDINATE, wait).await;
    let claim = json!({"action": "claim", "wait_seconds": 15});
    measured
        .call("claim, a task", worker, WORK, claim.clone())
        .await;
    let progress = json!({"action": "progress", "progress": 0.5, "note": "half of the tokens"});
    measured.call("progress", worker, WORK, progress).await;
    measured
        .call("workers", lead, STATUS, json!({"view": "workers"}))
        .await;
    measured
        .call("tasks", lead, STATUS, json!({"view": "tasks"}))
        .await;
    measured
        .call("queue", lead, STATUS, json!({"view": "queue"}))
        .await;
    let complete =
        json!({"action": "complete", "result": "The lexer is ported; all 40 tests pass."});
    measured.call("complete", worker, WORK, complete).await;
    measured
        .call("claim, what came before", worker, WORK, claim.clone())
        .await;
    let release = json!({"action": "release", "reason": "a window with the grammar open has it"});
    measured.call("release", worker, WORK, release).await;
    worker.call(WORK, claim).await;
    let fail = json!({"action": "fail", "error": "The grammar is ambiguous", "final": true});
    measured.call("fail", worker, WORK, fail).await;
    measured
        .call("results, one missing", lead, COORDINATE, of_job("results"))
        .await;
    measured
        .call("retry", lead, COORDINATE, of_job("retry"))
        .await;
    measured
        .call("cancel", lead, COORDINATE, of_job("cancel"))
        .await;
    let gated = json!({"action": "submit", "goal": "Publish", "approval": "start"});
    let gated = measured
        .call("submit, a gate", lead, COORDINATE, gated)
        .await["task"]["task_id"]
        .clone();
    let approve = json!({"action": "approve", "task_id": gated});
    measured.call("approve", lead, COORDINATE, approve).await;
    let message =
        json!({"action": "message", "to_capability": "rust", "message": "The grammar is mine."});
    measured.call("message", lead, COORDINATE, message).await;
}

/// What a killed window left is found, brought back, and another one put away.
async fn afterwards(measured: &mut Measured, launch: &GatewayLaunch, window: &mut Gateway) {
    let mut lost = Vec::new();
    for decisions in [3, 1_000] {
        let mut dying = launch.open().await;
        let mut save = first_save();
        let decided = (0..decisions)
            .map(|n| format!("Decision {n}: what was weighed, and why it is so and not otherwise"));
        save["decisions"] = decided.collect();
        let saved = dying.call(SAVE, save).await;
        lost.push(saved["structuredContent"]["session_id"].clone());
        dying.kill().await;
    }
    let is_offered = |found: &Value, id: &Value| {
        let candidates = found["structuredContent"]["candidates"].as_array();
        candidates.is_some_and(|all| all.iter().any(|one| one["session_id"] == *id))
    };
    for _ in 0..200 {
        let found = window.call(RECOVER, json!({})).await;
        if lost.iter().all(|id| is_offered(&found, id)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    measured
        .call("detect, 2 sessions", window, RECOVER, json!({}))
        .await;
    let restore = |id: &Value| json!({"action": "restore", "session_id": id});
    let mut heir = launch.open().await;
    measured
        .call("restore", &mut heir, RECOVER, restore(&lost[0]))
        .await;
    heir.close().await;
    let mut heir = launch.open().await;
    measured
        .call(
            "restore, 1,000 decisions",
            &mut heir,
            RECOVER,
            restore(&lost[1]),
        )
        .await;
    heir.close().await;
    let listed = json!({"view": "sessions", "limit": 2});
    measured.call("sessions, 2", window, STATUS, listed).await;
    for _ in 0..200 {
        let dismiss = json!({"action": "dismiss", "session_id": lost[0]});
        if window.call(RECOVER, dismiss).await["isError"] != json!(true) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let dismiss = json!({"action": "dismiss", "session_id": lost[1]});
    measured.call("dismiss", window, RECOVER, dismiss).await;
}

/// The table of the README: a row's name, and its characters now.
fn documented() -> Vec<(String, usize)> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let table = text.split("## What an answer costs").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, name, _, now, _, _] = cells.as_slice() else {
            return None;
        };
        Some(((*name).to_owned(), now.replace(',', "").parse().ok()?))
    });
    rows.collect()
}

fn print(rows: &[Row]) {
    for Row { name, facts, text } in rows {
        eprintln!("| {name} | {facts} | {text} |");
    }
}

#[tokio::test]
async fn every_answer_says_all_of_it_in_as_few_characters_as_documented() {
    let temp = TempEnv::new();
    std::fs::write(temp.project().join("parser.rs"), "fn parse() {}\n").unwrap();
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut measured = Measured::default();
    let mut window = launch.open().await;
    alone(&mut measured, &mut window).await;
    let mut worker = launch.open().await;
    together(&mut measured, &mut window, &mut worker).await;
    afterwards(&mut measured, &launch, &mut window).await;
    print(&measured.rows);

    let mut faults = measured.faults;
    let size = |name: &str| measured.rows.iter().find(|row| row.name == name);
    for (name, goal) in GOALS {
        let row = size(name).unwrap();
        if row.facts > goal {
            faults.push(format!("{name}: {} characters, {goal} wanted", row.facts));
        }
    }
    for name in ["restore", "restore, 1,000 decisions"] {
        let row = size(name).unwrap();
        if row.facts.max(row.text) > 6_000 {
            faults.push(format!("{name}: {} or {} characters", row.facts, row.text));
        }
    }
    let documented = documented();
    for (name, now) in &documented {
        match size(name) {
            None => faults.push(format!("{name} is in the table and not measured")),
            Some(row) if row.facts > now + now / 10 + TOLERANCE => {
                faults.push(format!(
                    "{name}: {} characters, {now} in the table",
                    row.facts
                ));
            }
            Some(_) => {}
        }
    }
    for row in &measured.rows {
        if !documented.iter().any(|(name, _)| name == row.name) {
            faults.push(format!("{} is not in the table", row.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
