#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
use super::*;
use serde_json::json;
use shim_proto::checkpoint::v1::{PlanStepStatus, PlanUpdate};

const CWD: &str = "/home/ann/project";

fn of(tool: &str, input: Value) -> ToolInput {
    describe(tool, &input, Path::new(CWD))
}

fn files(described: &ToolInput) -> Vec<(&str, FileUse)> {
    let files = described.files.iter();
    files
        .map(|file| (file.path.as_str(), file.r#use()))
        .collect()
}

#[test]
fn files_are_absolute_and_contents_are_not_taken() {
    let cases = [
        (
            "Edit",
            json!({"file_path": "src/a.rs", "old_string": "SECRET", "new_string": "SECRET"}),
            FileUse::Write,
        ),
        (
            "Write",
            json!({"file_path": "/home/ann/project/src/a.rs", "content": "SECRET"}),
            FileUse::Write,
        ),
        (
            "MultiEdit",
            json!({"file_path": "./src/x/../a.rs", "edits": [{"new_string": "SECRET"}]}),
            FileUse::Write,
        ),
        (
            "NotebookEdit",
            json!({"notebook_path": "src/a.rs", "new_source": "SECRET"}),
            FileUse::Write,
        ),
        (
            "Read",
            json!({"file_path": "src//a.rs", "offset": 7}),
            FileUse::Read,
        ),
    ];
    for (tool, input, usage) in cases {
        let described = of(tool, input);
        assert_eq!(
            files(&described),
            [("/home/ann/project/src/a.rs", usage)],
            "{tool}"
        );
        assert_eq!(described.summary, "src/a.rs", "{tool}");
        assert!(!format!("{described:?}").contains("SECRET"), "{tool}");
    }
}

#[test]
fn what_is_no_path_is_no_file() {
    for path in [
        json!(""),
        json!("  "),
        json!("a\0b"),
        json!(7),
        json!(null),
        json!(["a"]),
        json!("x".repeat(5_000)),
    ] {
        assert_eq!(
            of("Edit", json!({ "file_path": path.clone() })),
            ToolInput::default(),
            "{path}"
        );
    }
    let outside = of("Read", json!({"file_path": "../../../../etc/passwd"}));
    assert_eq!(files(&outside), [("/etc/passwd", FileUse::Read)]);
    let drive = of("Edit", json!({"file_path": "C:\\work\\a.rs"}));
    assert_eq!(files(&drive), [("C:\\work\\a.rs", FileUse::Write)]);
}

#[test]
fn a_summary_says_in_one_line_what_is_about_to_happen() {
    let cases = [
        (
            "Bash",
            json!({"command": "cargo test\nrm -r x", "description": "Run the tests"}),
            "Run the tests",
        ),
        (
            "Bash",
            json!({"command": "\n  cargo test -p a\nrm -r x"}),
            "cargo test -p a",
        ),
        (
            "PowerShell",
            json!({"command": "Get-ChildItem"}),
            "Get-ChildItem",
        ),
        (
            "Grep",
            json!({"pattern": "fn main", "path": "src"}),
            "fn main in src",
        ),
        ("Glob", json!({"pattern": "**/*.rs"}), "**/*.rs"),
        (
            "Agent",
            json!({"description": "Find callers", "subagent_type": "Explore", "prompt": "long"}),
            "Explore: Find callers",
        ),
        (
            "Task",
            json!({"description": "Find callers", "prompt": "long"}),
            "Find callers",
        ),
        (
            "WebFetch",
            json!({"url": "https://example.com/a", "prompt": "what"}),
            "https://example.com/a",
        ),
        ("Skill", json!({"skill": "review", "args": "x"}), "review"),
        (
            "AskUserQuestion",
            json!({"questions": [{"question": "Which one?", "options": []}]}),
            "Which one?",
        ),
        (
            "Unheard",
            json!({"alpha": "SECRET", "beta": 1}),
            "alpha, beta",
        ),
        (
            "mcp__my_srv__do_it",
            json!({"alpha": "SECRET"}),
            "my_srv do_it (alpha)",
        ),
        ("mcp__", json!([1]), ""),
    ];
    for (tool, input, summary) in cases {
        let described = of(tool, input);
        assert_eq!(
            (described.summary.as_str(), &described.files[..].len()),
            (summary, &described.files.len()),
            "{tool}"
        );
    }
}

#[test]
fn a_long_summary_is_cut_behind_its_secrets() {
    let secret = format!("ghp_{}", "aB3dE5gH7jK9".repeat(3));
    let command = format!(
        "{} curl -H 'authorization: bearer {secret}' {}",
        "x".repeat(440),
        "y".repeat(4_000)
    );
    let described = of("Bash", json!({ "command": command }));
    assert!(described.summary.len() <= 500 && described.summary.ends_with('…'));
    assert!(
        !described.summary.contains("ghp_aB3"),
        "{}",
        described.summary
    );
}

#[test]
fn files_of_other_servers_are_those_of_this_machine() {
    let cases = [
        (
            "mcp__filesystem__write_file",
            json!({"path": "/srv/a", "content": "SECRET"}),
            vec![("/srv/a", FileUse::Write)],
        ),
        (
            "mcp__filesystem__edit_file",
            json!({"path": "/srv/./a"}),
            vec![("/srv/a", FileUse::Write)],
        ),
        (
            "mcp__filesystem__move_file",
            json!({"source": "/a", "destination": "/b"}),
            vec![("/a", FileUse::Write), ("/b", FileUse::Write)],
        ),
        (
            "mcp__filesystem__read_multiple_files",
            json!({"paths": ["/a", "/b"]}),
            vec![("/a", FileUse::Read), ("/b", FileUse::Read)],
        ),
        (
            "mcp__ide__get-file",
            json!({"uri": "file:///a"}),
            vec![("/a", FileUse::Read)],
        ),
        // The paths of a forge are relative.
        (
            "mcp__github__create_or_update_file",
            json!({"path": "src/a.rs"}),
            vec![],
        ),
        (
            "mcp__web__fetch",
            json!({"uri": "https://example.com/a"}),
            vec![],
        ),
    ];
    for (tool, input, expected) in cases {
        assert_eq!(files(&of(tool, input)), expected, "{tool}");
    }
}

fn steps(plan: &PlanUpdate) -> Vec<(&str, &str, PlanStepStatus)> {
    let steps = plan.steps.iter();
    steps
        .map(|it| (it.step_id.as_str(), it.text.as_str(), it.status()))
        .collect()
}

#[test]
fn the_models_list_is_read_whole_or_step_by_step() {
    let todos = json!({"todos": [
        {"content": "one", "status": "completed", "activeForm": "doing one"},
        {"content": "two", "status": "in_progress"},
        {"content": " ", "status": "pending"}, 7,
        {"content": "three", "status": "whatever"},
    ]});
    let described = of("TodoWrite", todos);
    let plan = described.plan.unwrap();
    assert!(plan.is_whole);
    assert_eq!(
        steps(&plan),
        [
            ("", "one", PlanStepStatus::Done),
            ("", "two", PlanStepStatus::InProgress),
            ("", "three", PlanStepStatus::Open)
        ]
    );
    assert_eq!(described.summary, "3 steps, 1 done");
    assert_eq!(of("TodoWrite", json!({"todos": "none"})).plan, None);

    let input = json!({"subject": "Write it", "description": "with care"});
    let before = of("TaskCreate", input.clone()).plan.unwrap();
    assert_eq!(steps(&before), [("", "Write it", PlanStepStatus::Open)]);
    for response in [
        json!({"task": {"id": "3", "subject": "Write it"}}),
        json!("Task #3 created successfully: Write it"),
    ] {
        let after = plan_after("TaskCreate", &input, &response).unwrap();
        assert_eq!(steps(&after), [("3", "Write it", PlanStepStatus::Open)]);
    }

    let update = json!({"taskId": "3", "status": "in_progress"});
    let plan = plan_after("TaskUpdate", &update, &json!({"success": true})).unwrap();
    assert_eq!(steps(&plan), [("3", "", PlanStepStatus::InProgress)]);
    assert_eq!(
        plan_after("TaskUpdate", &update, &json!({"success": false})),
        None
    );
    let renamed = of(
        "TaskUpdate",
        json!({"taskId": 3, "subject": "Write it well"}),
    )
    .plan
    .unwrap();
    assert_eq!(
        steps(&renamed),
        [("3", "Write it well", PlanStepStatus::Unspecified)]
    );
    assert_eq!(
        of("TaskUpdate", json!({"taskId": "3", "owner": "x"})).plan,
        None
    );
    assert_eq!(plan_after("Edit", &json!({}), &json!({})), None);
}

#[test]
fn any_arguments_are_read_without_a_fault() {
    let odd = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!({}),
        json!({"todos": {}}),
        json!({"questions": 1}),
        json!({"task": 3}),
    ];
    let tools = [
        "Edit",
        "Grep",
        "Bash",
        "Agent",
        "TodoWrite",
        "TaskCreate",
        "TaskUpdate",
        "AskUserQuestion",
        "WebFetch",
        "mcp__a__b",
        "mcp__",
        "",
        "é",
    ];
    for tool in tools {
        for input in &odd {
            assert_eq!(of(tool, input.clone()).files, []);
            let _ = plan_after(tool, input, input);
        }
    }
}
