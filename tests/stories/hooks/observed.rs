//! A session is known by its hooks alone: told at once, told from the spool, and through kills.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::json;
use shim_proto::checkpoint::v1::{PlanStepStatus, SessionStatus};
use shim_runtime::stack::StackState;
use shim_tests::process;
use shim_tests::rng::SeededRng;
use shim_tests::temp_env::TempEnv;

use super::*;

/// A turn in which a file is edited, a plan made, a call fails and one is open.
fn tell_turn(command: impl Fn() -> Command, temp: &TempEnv) {
    let tell = |name: &str, more: serde_json::Value| {
        assert_eq!(hook_of(&mut command(), temp, name, &more), None, "{name}");
    };
    tell("SessionStart", json!({"source": "startup"}));
    tell("UserPromptSubmit", json!({"prompt": "Mend the parser"}));
    let edit = json!({"tool_name": "Edit", "tool_use_id": "t1", "duration_ms": 4,
        "tool_input": {"file_path": "src/parser.rs", "new_string": "CONTENT"}, "tool_response": {"originalFile": "CONTENT"}});
    tell("PreToolUse", edit.clone());
    tell("PostToolUse", edit);
    let plan = json!({"tool_name": "TodoWrite", "tool_use_id": "t2", "tool_response": {},
        "tool_input": {"todos": [{"content": "read", "status": "completed"}, {"content": "mend", "status": "pending"}]}});
    tell("PreToolUse", plan.clone());
    tell("PostToolUse", plan);
    let test = json!({"tool_name": "Bash", "tool_use_id": "t3", "error": "Exit code 1",
        "tool_input": {"command": "cargo test --token=ghp_aB3dE5gH7jK9aB3dE5gH7jK9aB3dE5gH7jK9"}});
    tell("PreToolUse", test.clone());
    tell("PostToolUseFailure", test);
    tell(
        "PreToolUse",
        json!({"tool_name": "Bash", "tool_use_id": "t4", "tool_input": {"command": "sleep 600"}}),
    );
    tell("Notification", json!({"message": "of no interest"}));
}

fn assert_told(state: &ObservedState) {
    assert_eq!(state.last_prompt, "Mend the parser");
    assert_eq!(state.conversation, CONVERSATION);
    assert_eq!(
        (state.prompts, state.tool_calls, state.tool_failures),
        (1, 4, 1),
        "{state:?}"
    );
    let edited: Vec<_> = state
        .edited_files
        .iter()
        .map(|it| (it.path.as_str(), it.edits))
        .collect();
    assert_eq!(edited.len(), 1, "{edited:?}");
    assert!(
        edited[0].0.ends_with("src/parser.rs") && edited[0].1 == 1,
        "{edited:?}"
    );
    let open: Vec<_> = state
        .open_tool_calls
        .iter()
        .map(|it| it.summary.as_str())
        .collect();
    assert_eq!(open, ["sleep 600"]);
    let plan: Vec<_> = state
        .plan
        .iter()
        .map(|it| (it.text.as_str(), it.status()))
        .collect();
    assert_eq!(
        plan,
        [
            ("read", PlanStepStatus::Done),
            ("mend", PlanStepStatus::Open)
        ]
    );
    assert!(state.is_in_turn);
    assert!(!format!("{state:?}").contains("CONTENT"));
}

#[tokio::test]
async fn a_session_is_known_by_its_hooks_alone() {
    let temp = TempEnv::new();
    up(&temp);
    tell_turn(|| command(&temp), &temp);
    let (session, state) = observed(&temp).await.unwrap();
    assert_eq!(session.status(), SessionStatus::Active);
    assert_eq!(session.client.unwrap().conversation, CONVERSATION);
    assert_told(&state);
    assert_eq!(spooled(&temp), 0, "{}", journal(&temp.data_dir()));
}

#[tokio::test]
async fn what_cannot_be_told_waits_for_the_stack_without_its_secrets() {
    let temp = TempEnv::new();
    let alone = || {
        let mut command = command(&temp);
        command.env("SHIM_HOOK_START_STACK", "false");
        command
    };
    tell_turn(alone, &temp);
    assert!(!is_running(&temp));
    assert!(spooled(&temp) > 0);
    assert!(
        journal(&temp.data_dir()).contains(" spooled: "),
        "{}",
        journal(&temp.data_dir())
    );
    for file in std::fs::read_dir(temp.data_dir().join("hook-spool"))
        .unwrap()
        .flatten()
    {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("aB3dE5gH7jK9"));
    }
    // What no hook wrote stands first, and keeps nothing back.
    std::fs::create_dir(temp.data_dir().join("hook-spool/0.events")).unwrap();
    up(&temp);
    let state = wait_for("the spool is read", async || {
        let (_, state) = observed(&temp).await?;
        (state.tool_calls == 4).then_some(state)
    });
    assert_told(&state.await);
}

#[tokio::test]
async fn the_start_of_a_session_starts_the_stack_and_hands_nothing_on() {
    let temp = TempEnv::new();
    // The output is read to its end: it would stay open as long as a stack that inherited it.
    hook(&temp, "SessionStart", &json!({"source": "startup"}));
    wait_for("the stack runs", async || is_running(&temp).then_some(())).await;
    let StackState::Running(info) = temp.stack().state() else {
        panic!("the stack is gone");
    };
    let environment = std::fs::read(format!("/proc/{}/environ", info.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("CLAUDE_PID="));
    hook(
        &temp,
        "UserPromptSubmit",
        &json!({"prompt": "Mend the parser"}),
    );
    let (_, state) = wait_for("the prompt is kept", async || observed(&temp).await).await;
    assert_eq!(state.last_prompt, "Mend the parser");
}

/// Hooks go on while the stack is killed again and again: what each told is kept once.
#[tokio::test]
async fn hooks_lose_nothing_while_the_stack_is_killed() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    eprintln!("seed {seed}");
    let mut random = SeededRng::new(seed.into());
    let temp = TempEnv::new();
    up(&temp);
    hook(
        &temp,
        "UserPromptSubmit",
        &json!({"prompt": "Mend the parser"}),
    );
    let mut calls = BTreeSet::new();
    for number in 0..60 {
        if random.one_in(12)
            && let StackState::Running(info) = temp.stack().state()
        {
            process::signal(info.pid, Signal::SIGKILL);
        }
        if random.one_in(12) {
            // Starts it, if it does not run.
            hook(
                &temp,
                "UserPromptSubmit",
                &json!({"prompt": format!("go on {number}")}),
            );
        }
        let id = format!("call-{number}");
        let call = json!({"tool_name": "Edit", "tool_use_id": id, "tool_input": {"file_path": format!("f{number}.rs")}});
        hook(&temp, "PreToolUse", &call);
        hook(&temp, "PostToolUse", &call);
        calls.insert(number);
    }
    if !is_running(&temp) {
        up(&temp);
    }
    let state = wait_for("everything is kept", async || {
        let (_, state) = observed(&temp).await?;
        (state.tool_calls >= calls.len() as u64 && spooled(&temp) == 0).then_some(state)
    });
    let state = state.await;
    assert_eq!(state.tool_calls, calls.len() as u64);
    let edits: u32 = state.edited_files.iter().map(|file| file.edits).sum();
    assert_eq!(
        (state.edited_files.len(), edits as usize),
        (calls.len(), calls.len())
    );
    assert!(
        state.open_tool_calls.is_empty(),
        "{:?}",
        state.open_tool_calls
    );
}
