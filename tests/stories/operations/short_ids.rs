//! What the command line shows of an id is taken by the tools, too.

use serde_json::{Value, json};
use shim_tests::mcp::{GatewayLaunch, refusal, tool_output};
use shim_tests::temp_env::TempEnv;

use super::up;

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
