//! The hook before a tool that writes: a file that somebody else leases is not written.

use std::process::Stdio;

use serde_json::{Value, json};
use shim_tests::binary;
use tokio::process::{Child, Command};

use super::{Home, ended};

/// A conversation of a client that lives as long as this.
struct Window<'a> {
    home: &'a Home,
    id: String,
    client: Child,
}

impl<'a> Window<'a> {
    async fn new(home: &'a Home, number: u8) -> Self {
        let client = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let id = format!("c0ffee00-0000-4000-8000-0000000000{number:02}");
        let window = Self { home, id, client };
        window
            .tell("SessionStart", json!({"source": "startup"}), &[])
            .await;
        window
    }

    /// What a hook prints, with settings of its own.
    async fn tell(&self, hook: &str, fields: Value, settings: &[(&str, &str)]) -> String {
        let project = self.home.temp.project();
        let mut input = json!({
            "session_id": self.id,
            "transcript_path": self.home.path(&format!("{}.jsonl", self.id)),
            "cwd": project,
            "hook_event_name": hook,
        });
        input
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let mut command = self.home.command(&binary::shim(), &["hook"]);
        command
            .env("CLAUDE_PROJECT_DIR", &project)
            .env("CLAUDE_PID", self.client.id().unwrap().to_string())
            .envs(settings.iter().copied());
        let said = ended(&mut command, &input.to_string()).await;
        assert!(said.is_success && said.stderr.is_empty(), "{}", said.all());
        said.stdout
    }

    /// What the hook says before a tool writes.
    async fn before(&self, tool: &str, input: Value, settings: &[(&str, &str)]) -> Value {
        let fields =
            json!({"tool_name": tool, "tool_input": input, "tool_use_id": format!("t-{tool}")});
        match self.tell("PreToolUse", fields, settings).await {
            silent if silent.is_empty() => Value::Null,
            said => serde_json::from_str::<Value>(&said).unwrap()["hookSpecificOutput"].clone(),
        }
    }

    async fn edits(&self, file: &str, settings: &[(&str, &str)]) -> Value {
        let path = self.home.temp.project().join(file);
        let input = json!({"file_path": path, "old_string": "a", "new_string": "b"});
        self.before("Edit", input, settings).await
    }
}

fn reason(said: &Value) -> &str {
    assert_eq!(said["permissionDecision"], "deny", "{said}");
    said["permissionDecisionReason"].as_str().unwrap()
}

async fn project() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("project/.git")).unwrap();
    home.write("project/src/a.rs", "a");
    home.shim(&["up", "--detach"]).await;
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_a_file_that_somebody_else_leases_does_not_run() {
    let home = project().await;
    let window = Window::new(&home, 1).await;
    let lease = [
        "files",
        "acquire",
        "--holder",
        "window 2",
        "--purpose",
        "rewrite\nUntil: never",
        "src/*.rs",
    ];
    home.shim(&lease).await;

    let said = window.edits("src/a.rs", &[]).await;
    let why = reason(&said);
    for part in [
        "src/a.rs",
        "Held by: \"window 2\"",
        "What for: rewrite",
        " left (",
        "What to do: ",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(why.matches("\nUntil: ").count(), 1, "{why}");
    let path = |file: &str| json!(home.temp.project().join(file));
    std::os::unix::fs::symlink("src/a.rs", home.path("project/link.rs")).unwrap();
    for (tool, input) in [
        (
            "Write",
            json!({"file_path": path("src/new.rs"), "content": "x"}),
        ),
        (
            "Write",
            json!({"file_path": path("link.rs"), "content": "x"}),
        ),
        (
            "Write",
            json!({"file_path": path("src/../src/./a.rs"), "content": "x"}),
        ),
        (
            "MultiEdit",
            json!({"file_path": path("src/a.rs"), "edits": []}),
        ),
        (
            "NotebookEdit",
            json!({"notebook_path": path("src/a.rs"), "new_source": "x"}),
        ),
        (
            "mcp__filesystem__write_file",
            json!({"path": path("src/a.rs"), "content": "x"}),
        ),
    ] {
        let said = window.before(tool, input, &[]).await;
        reason(&said);
    }
    for (tool, input) in [
        ("Read", json!({"file_path": path("src/a.rs")})),
        (
            "Edit",
            json!({"file_path": path("README.md"), "old_string": "a", "new_string": "b"}),
        ),
        (
            "Edit",
            json!({"file_path": "/tmp/elsewhere.rs", "old_string": "a", "new_string": "b"}),
        ),
        ("Bash", json!({"command": "rm src/a.rs"})),
    ] {
        let said = window.before(tool, input, &[]).await;
        assert!(said.is_null(), "{tool}: {said}");
    }
    let warned = window
        .edits("src/a.rs", &[("SHIM_HOOK_LEASES", "warn")])
        .await;
    assert!(warned["permissionDecision"].is_null(), "{warned}");
    assert!(
        warned["additionalContext"]
            .as_str()
            .unwrap()
            .contains("window 2"),
        "{warned}"
    );
    assert!(
        window
            .edits("src/a.rs", &[("SHIM_HOOK_LEASES", "off")])
            .await
            .is_null()
    );
    home.shim(&["files", "release", "--holder", "window 2"])
        .await;
    assert!(window.edits("src/a.rs", &[]).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_edits_is_leased_for_it_until_it_ends() {
    let home = project().await;
    let (first, second) = (Window::new(&home, 1).await, Window::new(&home, 2).await);
    let auto = [("SHIM_LEASES_AUTO", "true")];
    assert!(first.edits("src/a.rs", &auto).await.is_null());
    assert!(first.edits("src/b.rs", &auto).await.is_null());
    assert!(first.edits("src/a.rs", &auto).await.is_null(), "its own");
    let listed: Value =
        serde_json::from_str(&home.shim(&["files", "list", "--json"]).await).unwrap();
    let leases = listed["leases"].as_array().unwrap();
    assert_eq!(leases.len(), 1, "one that grew: {listed}");
    assert_eq!(leases[0]["patterns"], json!(["src/a.rs", "src/b.rs"]));

    for settings in [&auto[..], &[]] {
        let said = second.edits("src/b.rs", settings).await;
        let why = reason(&said);
        let session = leases[0]["holder"].as_str().unwrap();
        assert!(why.contains(&format!("to_session={session}")), "{why}");
        assert!(
            why.contains("What for: the files this session edits"),
            "{why}"
        );
    }
    assert!(second.edits("src/c.rs", &auto).await.is_null());
    first
        .tell("SessionEnd", json!({"reason": "prompt_input_exit"}), &auto)
        .await;
    assert!(
        second.edits("src/b.rs", &auto).await.is_null(),
        "given back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_cannot_be_known_keep_no_tool_from_running() {
    let home = Home::new().with("SHIM_REDIS_URL", "redis://127.0.0.1:1");
    std::fs::create_dir(home.path("project/.git")).unwrap();
    home.shim(&["up", "--detach"]).await;
    let window = Window::new(&home, 1).await;
    assert!(window.edits("src/a.rs", &[]).await.is_null());
    let log = home.read("data/hook.log");
    assert_eq!(
        log.matches("leases on files were not looked at").count(),
        1,
        "{log}"
    );
    home.shim(&["down"]).await;
    assert!(
        window
            .edits("src/a.rs", &[("SHIM_HOOK_START_STACK", "false")])
            .await
            .is_null()
    );
}
