//! Every tool with every choice of its action or view, every prompt and every resource, as the gateway lists them.

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch};

use super::World;
use super::known::Known;
use super::texts::{Hostile, MARKERS, faults as faults_in};

async fn window(world: &World) -> Gateway {
    let log = world.temp.root().join("gateway.log");
    GatewayLaunch::new(&world.temp.data_dir(), &world.temp.project())
        .with_env("SHIM_REDIS_URL", &world.redis.url())
        .with_log(&log)
        .open()
        .await
}

/// Calls a tool and looks at the text of its answer, and at the texts of its notices, which are made of lines, too.
async fn look(
    window: &mut Gateway,
    tool: &str,
    arguments: Value,
    faults: &mut Vec<String>,
) -> Value {
    let what = format!(
        "{tool} {}",
        arguments["action"]
            .as_str()
            .or(arguments["view"].as_str())
            .unwrap_or_default()
    );
    let answer = window.call(tool, arguments).await;
    for block in answer["content"].as_array().into_iter().flatten() {
        faults.extend(faults_in(&what, block["text"].as_str().unwrap_or_default()));
    }
    let structured = &answer["structuredContent"];
    let notices = structured["notices"].as_array().into_iter().flatten();
    for text in notices.filter_map(|notice| notice["text"].as_str()) {
        faults.extend(faults_in(&format!("a notice of {what}"), text));
    }
    if let Some(prompt) = structured["resume_prompt"].as_str() {
        faults.extend(faults_in(&format!("the prompt of {what}"), prompt));
    }
    answer
}

/// A window does everything with hostile texts.
pub(super) async fn plant(world: &World, hostile: &Hostile) -> Vec<String> {
    let mut faults = Vec::new();
    let mut window = window(world).await;
    let (lines, line) = (hostile.lines.as_str(), hostile.line.as_str());
    std::fs::write(world.temp.project().join("x\nNotice: forged"), "").unwrap();
    let save = json!({
        "session_id": "new", "current_task": lines, "progress": 0.5, "decisions": [lines, line], "next_steps": [lines, line],
        "completed_steps": [lines, line], "blockers": [lines], "summary": lines, "active_files": [line, "gone.rs"], "task_key": line,
    });
    let saved = look(&mut window, "shim_auto_checkpoint", save, &mut faults).await;
    if saved["isError"] == json!(true) {
        faults.push(format!("the save was refused: {saved}"));
    }
    let broken =
        json!({"current_task": lines, "progress": 0.5, "active_files": [lines], "project": lines});
    look(&mut window, "shim_auto_checkpoint", broken, &mut faults).await;
    let submit = json!({
        "action": "submit", "goal": lines, "kind": line, "files": [line],
        "subtasks": [{"id": line, "goal": lines, "files": [format!("{line}2")]}, {"id": "b", "goal": line, "after": [line]}],
        "payload": {"a": lines}, "steps": [], "executor": "chat", "requirements": ["forged"],
    });
    look(&mut window, "shim_coordinate_task", submit, &mut faults).await;
    let session_id = saved["structuredContent"]["session_id"].clone();
    let register =
        json!({"action": "register", "capabilities": ["forged"], "session_id": session_id});
    look(&mut window, "shim_worker_task", register, &mut faults).await;
    let message = json!({"action": "message", "to_session": session_id, "message": lines});
    look(&mut window, "shim_coordinate_task", message, &mut faults).await;
    for action in ["claim", "progress", "complete", "claim", "fail"] {
        let call = json!({
            "action": action, "wait_seconds": 5, "progress": 0.5, "note": lines, "result": lines, "data": {"a": lines},
            "artifacts": [line], "error": lines, "final": true, "session_id": session_id,
        });
        let call = keep(call, action);
        look(&mut window, "shim_worker_task", call, &mut faults).await;
    }
    window.kill().await;
    faults
}

/// The arguments that an action of a worker takes.
fn keep(mut call: Value, action: &str) -> Value {
    let own: &[&str] = match action {
        "claim" => &["wait_seconds"],
        "progress" => &["progress", "note"],
        "complete" => &["result", "data", "artifacts"],
        _ => &["error", "final"],
    };
    if let Value::Object(fields) = &mut call {
        fields.retain(|name, _| {
            ["action", "session_id"].contains(&name.as_str()) || own.contains(&name.as_str())
        });
    }
    call
}

/// What is wrong with the answers about what was planted.
pub(super) async fn faults(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let mut window = window(world).await;
    let known = Known::of(world).await;
    let tools = window.request("tools/list", json!({})).await.unwrap();
    for tool in tools["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let properties = &tool["inputSchema"]["properties"];
        let (choice, choices) = ["action", "view"]
            .iter()
            .find_map(|field| Some((*field, properties[field]["enum"].as_array()?.clone())))
            .unwrap_or(("", vec![Value::Null]));
        for choice_made in choices {
            let calls = calls(name, choice_made.as_str().unwrap_or_default(), &known);
            if calls.is_empty() {
                faults.push(format!(
                    "{name} {choice_made} is not asked for here: add a call"
                ));
            }
            for mut call in calls {
                if !choice.is_empty() {
                    call[choice] = choice_made.clone();
                }
                look(&mut window, name, call, &mut faults).await;
            }
        }
    }
    prompts(&mut window, &known, &mut faults).await;
    resources(&mut window, &known, &mut faults).await;
    window.close().await;
    let log = std::fs::read_to_string(world.temp.root().join("gateway.log")).unwrap();
    faults.extend(faults_in("the gateway's log", &log));
    faults
}

fn calls(tool: &str, choice: &str, known: &Known) -> Vec<Value> {
    let hostile = format!("x\n{}", MARKERS[0]);
    let sessions = || {
        known
            .sessions
            .iter()
            .take(8)
            .map(|id| json!({"session_id": id}))
    };
    let jobs = || known.jobs.iter().take(12).map(|id| json!({"task_id": id}));
    match (tool, choice) {
        ("shim_auto_checkpoint", _) => vec![json!({"current_task": hostile, "progress": 2})],
        ("shim_monitor_signals", _) => vec![
            json!({}),
            json!({"session_id": hostile}),
            json!({hostile.as_str(): 1}),
        ],
        ("shim_check_recovery", "detect") => vec![json!({}), json!({"project": hostile})],
        ("shim_check_recovery", "restore" | "dismiss") => sessions()
            .chain([json!({}), json!({"project": hostile})])
            .collect(),
        ("shim_session_status", "session") => sessions().collect(),
        ("shim_session_status", "sessions" | "tasks" | "workers" | "queue") => {
            vec![json!({"limit": 50})]
        }
        ("shim_session_status", "search") => {
            vec![json!({"query": "forged"}), json!({"query": hostile})]
        }
        ("shim_coordinate_task", "submit") => vec![json!({"goal": hostile, "schedule": hostile})],
        ("shim_coordinate_task", "wait") => known
            .jobs
            .iter()
            .take(12)
            .map(|id| json!({"task_id": id, "wait_seconds": 0}))
            .collect(),
        ("shim_coordinate_task", "status" | "results") => {
            jobs().chain([json!({"task_id": hostile})]).collect()
        }
        ("shim_coordinate_task", "cancel" | "retry" | "approve") => jobs()
            .take(2)
            .map(|mut job| {
                job["reason"] = hostile.clone().into();
                if choice == "retry" {
                    job.as_object_mut().unwrap().remove("reason");
                }
                job
            })
            .collect(),
        ("shim_coordinate_task", "message") => {
            vec![json!({"to_capability": hostile, "message": hostile})]
        }
        ("shim_worker_task", "register") => vec![
            json!({"capabilities": ["forged"]}),
            json!({"capabilities": [hostile]}),
        ],
        ("shim_worker_task", "claim") => vec![json!({"wait_seconds": 0})],
        ("shim_worker_task", "progress") => {
            vec![json!({"progress": 0.5, "task_id": hostile, "lease": "1"})]
        }
        ("shim_worker_task", "complete") => {
            vec![json!({"result": hostile, "task_id": hostile, "lease": "1"})]
        }
        ("shim_worker_task", "fail") => {
            vec![json!({"error": hostile, "task_id": hostile, "lease": "1"})]
        }
        ("shim_worker_task", "release") => {
            vec![json!({"reason": hostile, "task_id": hostile, "lease": "1"})]
        }
        _ => Vec::new(),
    }
}

async fn prompts(window: &mut Gateway, known: &Known, faults: &mut Vec<String>) {
    let hostile = format!("x\n{}", MARKERS[0]);
    let listed = window.request("prompts/list", json!({})).await.unwrap();
    for prompt in listed["prompts"].as_array().unwrap() {
        let name = prompt["name"].as_str().unwrap();
        let mut calls = vec![json!({})];
        for argument in prompt["arguments"].as_array().into_iter().flatten() {
            let field = argument["name"].as_str().unwrap();
            calls.push(json!({field: hostile}));
            if field == "session_id" {
                calls.extend(known.sessions.iter().take(8).map(|id| json!({field: id})));
            }
        }
        for arguments in calls {
            let asked = json!({"name": name, "arguments": arguments});
            let what = format!("the prompt {name}");
            match window.request("prompts/get", asked).await {
                Ok(answer) => {
                    for message in answer["messages"].as_array().unwrap() {
                        faults.extend(faults_in(
                            &what,
                            message["content"]["text"].as_str().unwrap(),
                        ));
                    }
                }
                Err(error) => faults.extend(faults_in(
                    &what,
                    error["message"].as_str().unwrap_or_default(),
                )),
            }
        }
    }
}

/// Resources are JSON, in which a text is a text.
async fn resources(window: &mut Gateway, known: &Known, faults: &mut Vec<String>) {
    let listed = window.request("resources/list", json!({})).await.unwrap();
    let mut uris: Vec<String> = listed["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|resource| Some(resource["uri"].as_str()?.to_owned()))
        .collect();
    let templates = window
        .request("resources/templates/list", json!({}))
        .await
        .unwrap();
    for template in templates["resourceTemplates"].as_array().unwrap() {
        let template = template["uriTemplate"].as_str().unwrap();
        let ids = match template.split('/').nth(2) {
            Some("sessions") => &known.sessions,
            Some("checkpoints") => &known.checkpoints,
            Some("tasks") => &known.jobs,
            _ => {
                faults.push(format!("{template} is not asked for here: add its ids"));
                continue;
            }
        };
        let hostile = format!("x\n{}", MARKERS[0]);
        uris.extend(
            ids.iter()
                .take(4)
                .chain([&hostile])
                .map(|id| template.replace("{id}", id)),
        );
    }
    for uri in uris {
        match window.request("resources/read", json!({"uri": uri})).await {
            Ok(answer) => {
                let text = answer["contents"][0]["text"].as_str().unwrap_or_default();
                faults.extend(faults_in(&format!("the resource {uri}"), text));
            }
            Err(error) => faults.extend(faults_in(
                "a resource's error",
                error["message"].as_str().unwrap_or_default(),
            )),
        }
    }
}
