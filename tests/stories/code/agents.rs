//! What no transform does is worked out by an agent, and held to the same checks.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shim_tests::service::Launch;
use shim_tests::temp_env::TempEnv;

use super::{CodeEnv, find, text};

const TANGLED: &str = "src/tangled.js";

/// A function that is too complex, which no transform mends.
fn tangled() -> String {
    let branches: String = (0..18)
        .map(|at| format!("  if (x === {at} && y > {at}) {{ total += {at} * y; }}\n"))
        .collect();
    format!(
        "'use strict';\nexports.tangled = function tangled(x, y) {{\n  let total = 0;\n{branches}  return total;\n}};\n"
    )
}

/// What the agent makes of it, under some name.
fn untangled(name: &str) -> String {
    format!(
        "'use strict';\nexports.{name} = function tangled(x, y) {{\n  return Number.isInteger(x) && x >= 0 && x < 18 && y > x ? x * y : 0;\n}};\n"
    )
}

/// A stand-in that keeps its prompt and says what stands in a file.
fn settings(temp: &TempEnv, launch: Launch) -> Launch {
    let folder = temp.root().display().to_string();
    let agent = temp.root().join("agent");
    let script = format!("#!/bin/sh\ncat > '{folder}/prompt'\ncat '{folder}/answer'\n");
    std::fs::write(&agent, script).unwrap();
    std::fs::set_permissions(&agent, PermissionsExt::from_mode(0o755)).unwrap();
    let config = temp.root().join("shim.toml");
    let worker = format!(
        "[worker]\nroots = ['{folder}/ranges']\nstart = ['claude']\n[worker.executors.claude]\nkind = 'agent'\nprogram = '{folder}/agent'\nargs = []\n"
    );
    std::fs::write(&config, worker).unwrap();
    launch.env("SHIM_CONFIG", &text(&config))
}

fn let_answer(env: &CodeEnv, said: &str) {
    let lines = [
        json!({"type": "system", "subtype": "init", "session_id": "s1", "model": "stand-in", "tools": ["Read"]}),
        json!({"type": "result", "subtype": "success", "is_error": false, "result": said, "num_turns": 1}),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(env.temp.root().join("answer"), lines).unwrap();
}

/// Hands the best opportunity to the agent, and waits for its job.
async fn handed(env: &CodeEnv) -> Value {
    let asked = json!({"transforms": ["dead-code"], "limit": 1, "agents": 1, "include": [TANGLED]});
    let merged = env.done("evolve", &asked).await;
    let job = find(&merged["result"], "agents").unwrap()[0]["task_id"]
        .as_str()
        .unwrap()
        .to_owned();
    env.shim(&["tasks", "watch", &job]).await;
    // It fails where something is missing, and says what.
    let results = env.shim(&["tasks", "results", &job, "--json"]).await;
    serde_json::from_slice(&results.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_change_is_verified_and_committed_on_a_branch_or_discarded() {
    let env = CodeEnv::with(settings).await;
    env.commit(&[(TANGLED, &tangled())]);
    env.said(&["trust", "."]).await;

    let file = |name: &str| {
        format!(
            "It is simpler now.\n=== FILE {TANGLED}\n{}=== END\n",
            untangled(name)
        )
    };
    let_answer(&env, &file("tangled"));
    let offered = handed(&env).await;
    assert_eq!(offered["complete"], true, "{offered}");
    let prompt = std::fs::read_to_string(env.temp.root().join("prompt")).unwrap();
    assert!(
        prompt.contains(TANGLED) && prompt.contains("What speaks for it:\n- "),
        "{prompt}"
    );
    env.assert_untouched();
    let id = find(&offered, "evolution_id").unwrap().as_str().unwrap();
    let said = offered["result"]["text"].as_str().unwrap();
    let (_, gate) = said.split_once("shim tasks approve ").unwrap();
    let gate = &gate[..8];
    env.said(&["tasks", "approve", gate]).await;
    let watched = env.said(&["tasks", "watch", gate]).await;
    assert!(watched.contains("completed"), "{watched}");
    let shown = &env.json(&["evolve", "show", id, "--json"]).await[0]["evolution"];
    let branch = shown["branch"].as_str().unwrap();
    assert_eq!(
        env.git(&["show", &format!("{branch}:{TANGLED}")]),
        untangled("tangled")
    );
    env.assert_untouched();

    let_answer(&env, &file("renamed"));
    let offered = handed(&env).await;
    let id = find(&offered, "evolution_id").unwrap().as_str().unwrap();
    env.shim(&["evolve", "approve", id]).await;
    let shown = &env.json(&["evolve", "show", id, "--json"]).await[0]["evolution"];
    assert_eq!(shown["state"], "EVOLUTION_STATE_DISCARDED", "{shown}");
    let failed = find(shown, "checks")
        .unwrap()
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    assert_eq!(failed["name"], "exports", "{shown}");
    env.assert_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_whole_files_is_told_and_proposes_nothing() {
    let env = CodeEnv::with(settings).await;
    env.commit(&[(TANGLED, &tangled())]);
    let_answer(&env, "I would rather not.");
    let offered = handed(&env).await;
    assert_ne!(offered["complete"], true, "{offered}");
    let why = offered.to_string();
    assert!(why.contains("the answer holds no file"), "{why}");
    assert!(why.contains("hand it to an agent again"), "{why}");
    let listed = env
        .said(&["evolve", "list", ".", "--state", "proposed"])
        .await;
    assert!(listed.starts_with("no evolutions"), "{listed}");
    env.assert_untouched();
}
