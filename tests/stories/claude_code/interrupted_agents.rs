//! Attempts that end early: the next one takes the conversation up where it was left.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use shim_proto::coordination::v1::TaskState;
use shim_proto::worker::v1::GetWorkerHealthRequest;
use shim_tests::claude::{shell, text};
use shim_tests::{binary, process};

use super::agent_stack::{AgentSetup, AgentStack};

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A command that never ends by itself.
const ENDLESS: &str = "while :; do read line < forever; done";

fn agents() -> [AgentSetup; 4] {
    [
        AgentSetup::new("slow"),
        AgentSetup::new("asked-to-stop"),
        AgentSetup::new("killed"),
        AgentSetup {
            args: "--dangerously-skip-permissions --max-turns 1",
            ..AgentSetup::new("brief")
        },
    ]
}

/// The client that does the task of the agent with this name, once the command runs that its model asked for.
async fn client_of(stack: &mut AgentStack, agent: &str) -> u32 {
    let asked = stack
        .tasks
        .work
        .get_worker_health(GetWorkerHealthRequest::default());
    let workers = asked.await.unwrap().into_inner().workers;
    let worker = workers.iter().find(|it| it.executor == agent).unwrap();
    let pid = worker.tasks[0].pid;
    while process::relative(pid, "read line < forever").is_none() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let claude = binary::claude().unwrap();
    process::relative(pid, &claude.display().to_string()).unwrap()
}

/// That a turn goes on with what was said before, and knows how it ended.
fn assert_gone_on(turn: &Value, first: &Value, goal: &str) {
    assert_eq!(turn["conversation"], first["conversation"]);
    let messages = turn["messages"].to_string();
    assert!(
        messages.matches(goal).count() >= 2,
        "the task as it was given, and again: {messages}"
    );
    assert!(
        messages.contains("Your last attempt at this task ended"),
        "{messages}"
    );
    assert!(messages.contains("tool_use"), "{messages}");
}

#[tokio::test]
async fn an_attempt_that_ended_early_is_gone_on_with_in_its_conversation() {
    let Some(mut stack) = AgentStack::open(&agents()).await else {
        return;
    };
    let fifo = stack.temp.project().join("forever");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let names = ["slow", "asked-to-stop", "killed"];
    let mut ids = Vec::new();
    for name in names {
        stack
            .script(name, &[shell(ENDLESS), text("gone on with")])
            .await;
        let id = stack.submit(name, |job| {
            if name == "slow" {
                job.timeout = prost_types::Duration::try_from(Duration::from_secs(10)).ok();
            }
        });
        ids.push(id.await);
    }
    stack
        .script("brief", &[shell("echo one"), text("gone on with")])
        .await;
    ids.push(stack.submit("brief", |_| {}).await);

    let mut firsts = Vec::new();
    for (name, signal) in [
        ("slow", None),
        ("asked-to-stop", Some(Signal::SIGTERM)),
        ("killed", Some(Signal::SIGKILL)),
        ("brief", None),
    ] {
        firsts.push(stack.turn(name).await);
        if let Some(signal) = signal {
            let pid = client_of(&mut stack, name).await;
            process::signal(pid, signal);
        }
    }
    for ((name, id), first) in agents().iter().map(|it| it.name).zip(&ids).zip(&firsts) {
        let task = stack.ended(id).await;
        assert_eq!(task.state(), TaskState::Completed, "{name}: {task:?}");
        assert_eq!(task.result.unwrap().text, "gone on with", "{name}");
        assert_eq!(task.attempts, 2, "{name}");
        let turn = stack.turn(name).await;
        assert_gone_on(&turn, first, &format!("do what {name} is asked"));
    }
}
