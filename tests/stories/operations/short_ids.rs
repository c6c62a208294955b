//! What the command line shows of an id is taken by the tools, too.

use serde_json::{Value, json};
use shim_tests::mcp::{Gateway, GatewayLaunch, refusal, tool_output};
use shim_tests::temp_env::TempEnv;

use super::{command, ended, run, shim, up};

fn short(id: &Value) -> String {
    let id = id.as_str().unwrap();
    id[id.len() - 8..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_take_ids_as_the_command_line_shows_them() {
    let temp = TempEnv::new();
    up(&temp).await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let save = json!({"current_task": "t", "progress": 0.5});
    let saved = tool_output(window.call("shim_auto_checkpoint", save).await);
    let session = saved["session_id"].clone();
    let shown = json!({"view": "session", "session_id": short(&session)});
    let shown = tool_output(window.call("shim_session_status", shown).await);
    assert_eq!(shown["session_id"], session);

    let parts = json!([{"id": "a", "goal": "g"}, {"id": "b", "goal": "h", "after": ["a"]}]);
    let submit = json!({"action": "submit", "goal": "j", "subtasks": parts});
    let job = tool_output(window.call("shim_coordinate_task", submit).await);
    let (task, part) = (&job["task"]["task_id"], &job["subtasks"][1]["task_id"]);
    for (named, expected) in [
        (short(task), task),
        (short(part), part),
        (format!("{}/b", short(task)), part),
        (format!("{}/b", task.as_str().unwrap()), part),
    ] {
        let status = json!({"action": "status", "task_id": named});
        let status = tool_output(window.call("shim_coordinate_task", status).await);
        assert_eq!(&status["task"]["task_id"], expected, "{named}");
    }
    for unknown in ["ffffffff".to_owned(), format!("{}/c", short(task))] {
        let status = json!({"action": "status", "task_id": unknown});
        let refused = window.call("shim_coordinate_task", status).await;
        assert_eq!(refusal(&refused), "BAD_REQUEST", "{refused}");
    }
}

/// Every argument that names something, with a call that succeeds with `ID` in its place.
fn calls(tool: &str, argument: &str) -> Value {
    match (tool, argument) {
        ("shim_auto_checkpoint", "session_id") => {
            json!({"current_task": "t", "progress": 0.6, "session_id": "SESSION"})
        }
        ("shim_check_recovery", "session_id") => {
            json!({"action": "restore", "session_id": "SESSION"})
        }
        ("shim_check_recovery", "checkpoint_id") => {
            json!({"action": "restore", "checkpoint_id": "CHECKPOINT"})
        }
        ("shim_monitor_signals" | "shim_session_status", "session_id") => {
            json!({"session_id": "SESSION"})
        }
        ("shim_coordinate_task", "session_id") => {
            json!({"action": "submit", "goal": "g", "session_id": "SESSION"})
        }
        ("shim_coordinate_task", "task_id") => json!({"action": "status", "task_id": "TASK"}),
        ("shim_coordinate_task", "parent_task_id") => {
            json!({"action": "submit", "goal": "g", "parent_task_id": "TASK"})
        }
        ("shim_coordinate_task", "to_session") => {
            json!({"action": "message", "message": "m", "to_session": "SESSION"})
        }
        ("shim_coordinate_task", "to_worker") => {
            json!({"action": "message", "message": "m", "to_worker": "WORKER"})
        }
        ("shim_worker_task", "session_id") => {
            json!({"action": "register", "capabilities": ["rust"], "session_id": "SESSION"})
        }
        // The window has no such task, which is found out after the id was.
        ("shim_worker_task", "task_id") => {
            json!({"action": "release", "task_id": "TASK", "lease": "1"})
        }
        other => panic!("{other:?} takes an id, and no call here shows that it takes a short one"),
    }
}

async fn refused(window: &mut Gateway, tool: &str, call: &Value) -> String {
    let answer = window.call(tool, call.clone()).await;
    if answer["isError"] == json!(true) {
        refusal(&answer)
    } else {
        String::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_argument_of_every_tool_that_names_something_takes_short_ids() {
    let temp = TempEnv::new();
    up(&temp).await;
    let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
    let mut window = launch.open().await;
    let save = json!({"current_task": "t", "progress": 0.5});
    let saved = tool_output(window.call("shim_auto_checkpoint", save).await);
    let register = json!({"action": "register", "capabilities": ["rust"]});
    let worker = tool_output(window.call("shim_worker_task", register).await);
    let submit = json!({"action": "submit", "goal": "j"});
    let job = tool_output(window.call("shim_coordinate_task", submit).await);
    let whole = |kind: &str| match kind {
        "SESSION" => saved["session_id"].clone(),
        "CHECKPOINT" => saved["checkpoint"]["checkpoint_id"].clone(),
        "TASK" => job["task"]["task_id"].clone(),
        _ => worker["session_id"].clone(),
    };
    let tools = window.request("tools/list", json!({})).await.unwrap();
    let mut tried = 0;
    for tool in tools["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        for argument in tool["inputSchema"]["properties"]
            .as_object()
            .unwrap()
            .keys()
        {
            let names_something = argument.ends_with("_id") || argument.starts_with("to_");
            if !names_something || argument == "to_capability" {
                continue;
            }
            let call = calls(name, argument);
            let kind = call[argument].as_str().unwrap().to_owned();
            let id = whole(&kind).as_str().unwrap().to_owned();
            let mut spellings = vec![
                id.clone(),
                short(&json!(id)),
                id.to_uppercase(),
                id.replace('-', ""),
            ];
            if kind == "CHECKPOINT" {
                let session = whole("SESSION");
                spellings.push(format!("{}:1", short(&session)));
                spellings.push(format!("{}:1", session.as_str().unwrap()));
                spellings.push(short(&session));
            }
            let mut expected = None;
            for spelling in spellings {
                let mut call = call.clone();
                call[argument] = spelling.clone().into();
                let reason = refused(&mut window, name, &call).await;
                let expected = expected.get_or_insert_with(|| reason.clone());
                assert_eq!(&reason, expected, "{name} {argument} {spelling}");
                assert_ne!(reason, "BAD_REQUEST", "{name} {argument} {spelling}");
            }
            let mut call = call.clone();
            call[argument] = "ffffffff".into();
            assert_eq!(
                refused(&mut window, name, &call).await,
                "BAD_REQUEST",
                "{name} {argument}"
            );
            tried += 1;
        }
    }
    assert!(tried >= 11, "{tried}");
    // A view of one task takes its id as a query.
    let query = json!({"view": "tasks", "query": short(&whole("TASK"))});
    let shown = tool_output(window.call("shim_session_status", query).await);
    assert_eq!(shown["task"]["task_id"], whole("TASK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_of_a_program_is_the_parent_however_its_id_is_written() {
    let temp = TempEnv::new();
    up(&temp).await;
    let mut window = GatewayLaunch::new(&temp.data_dir(), &temp.project())
        .open()
        .await;
    let parts = json!([{"id": "a", "goal": "g"}, {"id": "b", "goal": "h"}]);
    let submit = json!({"action": "submit", "goal": "j", "subtasks": parts});
    let job = tool_output(window.call("shim_coordinate_task", submit).await);
    let (root, part) = (&job["task"]["task_id"], &job["subtasks"][1]["task_id"]);
    for (typed, parent) in [
        (root.as_str().unwrap().to_owned(), root),
        (short(root), root),
        (short(part), part),
        (format!("{}/b", short(root)), part),
    ] {
        let words = ["tasks", "submit", "below", "--json"];
        let said = ended(command(&temp, &words).env("SHIM_TASK_ID", &typed)).await;
        assert!(said.is_success, "{typed}: {}", said.text);
        let submitted: Value = serde_json::from_str(said.text.lines().next().unwrap()).unwrap();
        assert_eq!(&submitted["task"]["parentId"], parent, "{typed}");

        let launch = GatewayLaunch::new(&temp.data_dir(), &temp.project());
        let mut program = launch.with_env("SHIM_TASK_ID", &typed).open().await;
        let submit = json!({"action": "submit", "goal": "below"});
        let below = tool_output(program.call("shim_coordinate_task", submit).await);
        assert_eq!(&below["task"]["parent_task_id"], parent, "{typed}: {below}");
    }
    for unknown in ["ffffffff", "no id", "ffffffff/b"] {
        let words = ["tasks", "submit", "alone"];
        let said = ended(command(&temp, &words).env("SHIM_TASK_ID", unknown)).await;
        assert!(
            said.is_success && said.text.contains("names no task of this stack"),
            "{unknown}: {}",
            said.text
        );
    }
    let listed = shim(&temp, &["tasks", "list", "--root", &short(root)]).await;
    assert!(listed.contains("ready"), "{listed}");
    let unknown = run(&temp, &["tasks", "list", "--root", "ffffffff"]).await;
    assert!(!unknown.is_success, "{}", unknown.text);
}
