//! Headless agents by what the real client says of its end: results, refusals, limits, budgets.

use serde_json::json;
use shim_proto::coordination::v1::{TaskEvent, TaskEventKind, TaskState};
use shim_tests::claude::{text, tool, with_usage, write};

use super::agent_stack::{AgentSetup, AgentStack};

#[tokio::test]
async fn what_an_agent_says_of_its_end_is_judged_and_what_it_cost_is_summed() {
    let agents = [
        AgentSetup::new("writer"),
        AgentSetup::new("spender"),
        AgentSetup {
            args: "--permission-mode default",
            ..AgentSetup::new("forbidden")
        },
    ];
    let Some(mut stack) = AgentStack::open(&agents).await else {
        return;
    };
    let project = stack.temp.project();
    let dear = |step| with_usage(step, 100_000, 1_000);
    stack
        .script(
            "writer",
            &[write(&project.join("a"), "a"), dear(text("written"))],
        )
        .await;
    let spender = [dear(tool("Bash", &json!({"command": "true"}))), text("no")];
    stack.script("spender", &spender).await;
    stack
        .script(
            "forbidden",
            &[write(&project.join("b"), "b"), text("it was denied")],
        )
        .await;

    let writer = stack.submit("writer", |_| {}).await;
    let spender = stack
        .submit("spender", |job| job.max_budget = Some(0.05))
        .await;
    let forbidden = stack.submit("forbidden", |_| {}).await;

    let written = stack.ended(&writer).await;
    assert_eq!(written.state(), TaskState::Completed, "{written:?}");
    assert_eq!(written.result.unwrap().text, "written");
    let usage = written.usage.unwrap();
    assert!(
        usage.input_tokens >= 100_000 && usage.cost_usd > 0.1 && !usage.incomplete,
        "{usage:?}"
    );

    let spent = stack.ended(&spender).await;
    assert_eq!(spent.state(), TaskState::Failed, "{spent:?}");
    let error = spent.error.unwrap();
    assert_eq!(error.reason, "BUDGET_EXHAUSTED", "{}", error.message);
    assert_eq!((spent.attempts, spent.max_budget), (1, Some(0.05)));
    assert!(spent.usage.unwrap().cost_usd > 0.05);

    let denied = stack.ended(&forbidden).await;
    assert_eq!(denied.state(), TaskState::Completed, "{denied:?}");
    let denials = denied.result.unwrap().denials;
    assert!(denials[0].starts_with("Write: "), "{denials:?}");
    assert!(!project.join("b").exists());
}

#[tokio::test]
async fn what_the_provider_or_the_machine_refuses_costs_no_attempt() {
    let quick = &[("CLAUDE_CODE_MAX_RETRIES", "1")];
    let agents = [
        AgentSetup {
            variables: quick,
            ..AgentSetup::new("overloaded")
        },
        AgentSetup::new("refused"),
        AgentSetup {
            variables: quick,
            ..AgentSetup::new("limited")
        },
        AgentSetup {
            variables: &[
                ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
                ("CLAUDE_CODE_MAX_RETRIES", "1"),
            ],
            ..AgentSetup::new("unplugged")
        },
    ];
    let Some(mut stack) = AgentStack::open(&agents).await else {
        return;
    };
    let fault =
        |status: u16, error: &str| json!({"status": status, "error": error, "message": "not now"});
    let overloaded = fault(529, "overloaded_error");
    let steps = [overloaded.clone(), overloaded, text("at last")];
    stack.script("overloaded", &steps).await;
    let key = fault(401, "authentication_error");
    // More refusals than the client is given the time for.
    let steps = [key.clone(), key.clone(), text("with the new key")];
    stack.script("refused", &steps).await;
    let mut limit = fault(429, "rate_limit_error");
    limit["headers"] = json!({"retry-after": "900"});
    stack
        .script("limited", &[limit, text("after the limit")])
        .await;

    let names = ["overloaded", "refused", "limited"];
    let mut ids = Vec::new();
    for name in names {
        ids.push(stack.submit(name, |job| job.max_attempts = 1).await);
    }
    let unplugged = stack.submit("unplugged", |_| {}).await;
    for (name, (id, answer)) in
        names.iter().zip(
            ids.iter()
                .zip(["at last", "with the new key", "after the limit"]),
        )
    {
        let task = stack.ended(id).await;
        assert_eq!(task.state(), TaskState::Completed, "{name}: {task:?}");
        assert_eq!(task.result.unwrap().text, answer);
        assert_eq!(task.attempts, 1, "{name}");
    }
    let told = stack
        .log_until(&ids[1], |event| event.kind() == TaskEventKind::Requeued)
        .await;
    let why = &told.last().unwrap().detail;
    assert!(why.contains("401"), "{why}");

    let told = stack
        .log_until(&unplugged, |event| event.kind() == TaskEventKind::Requeued)
        .await;
    let why = &told.last().unwrap().detail;
    assert!(why.contains("ECONNREFUSED"), "{why}");
    let is_failed = |event: &TaskEvent| event.kind() == TaskEventKind::Retrying;
    assert!(!told.iter().any(is_failed), "{told:?}");
}

#[tokio::test]
async fn an_answer_of_a_hook_in_the_place_of_the_model_is_none() {
    let agents = [AgentSetup {
        args: "--dangerously-skip-permissions --settings hooks.json",
        ..AgentSetup::new("blocked")
    }];
    let Some(mut stack) = AgentStack::open(&agents).await else {
        return;
    };
    let hook = json!({"type": "command", "command": "echo not here >&2; exit 2"});
    let hooks = json!({"hooks": {"UserPromptSubmit": [{"hooks": [hook]}]}});
    std::fs::write(stack.temp.project().join("hooks.json"), hooks.to_string()).unwrap();
    let id = stack.submit("blocked", |_| {}).await;
    let told = stack
        .log_until(&id, |event| event.kind() == TaskEventKind::Requeued)
        .await;
    let why = &told.last().unwrap().detail;
    assert!(why.contains("no model was asked"), "{why}");
    let task = stack.tasks.task(&id).await.unwrap();
    assert_eq!((task.attempts, task.result), (0, None));
}
