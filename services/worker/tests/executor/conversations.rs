//! Attempts that go on with the conversation of the one before, and what they may cost. The doubles take the arguments of
//! `claude`; `tests/stories/claude_code` has the real one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use shim_proto::coordination::v1::Usage;
use shim_proto::reasons::task::{BUDGET_EXHAUSTED, NOT_ALLOWED};
use shim_work::{AttemptFailure, AttemptOutcome, ClaimedTask, Executor};
use shim_worker::ExecutorKind::Agent;

use crate::executor::test_env::{TestEnv, claim, run};

const SUCCESS: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"done"}"#;

/// An agent with the arguments of `claude`, which notes its arguments and its prompt in the folder it works in.
fn claude(env: &TestEnv, script: &str) -> Arc<dyn Executor> {
    let program = env.path("claude");
    let text = format!("#!/bin/sh\necho \"$*\" >> args\ncat > prompt\n{script}\n");
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    env.executor(Agent, "", |config| {
        config.program = program;
        config.args = Vec::new();
    })
}

/// What follows the usual arguments, of each run.
fn noted(folder: &Path) -> Vec<String> {
    let noted = std::fs::read_to_string(folder.join("args")).unwrap_or_default();
    let usual = "-p --output-format stream-json --verbose";
    let more = noted.lines().map(|line| {
        let more = line.strip_prefix(usual).unwrap();
        more.trim().to_owned()
    });
    more.collect()
}

fn failed(outcome: AttemptOutcome) -> AttemptFailure {
    match outcome {
        AttemptOutcome::Failed(failure) => failure,
        other => panic!("it fails: {other:?}"),
    }
}

fn prompt(env: &TestEnv) -> String {
    std::fs::read_to_string(env.root().join("prompt")).unwrap()
}

#[tokio::test]
async fn a_further_attempt_goes_on_with_the_conversation_until_the_task_is_done() {
    let env = TestEnv::new();
    let script = format!("[ -e works ] || exit 143\nprintf '%s\\n' '{SUCCESS}'");
    let executor = claude(&env, &script);
    let mut claim = claim("t");
    let failure = failed(run(&*executor, &claim).await);
    let first = noted(&env.root()).remove(0);
    let id = first.strip_prefix("--session-id ").unwrap().to_owned();
    let told = format!("its conversation: {id}");
    assert!(failure.error.message.ends_with(&told), "{failure:?}");
    assert_eq!(prompt(&env), "Count the lines\n");

    std::fs::write(env.root().join("works"), "").unwrap();
    claim.task.error = Some(failure.error);
    let outcome = run(&*executor, &claim).await;
    assert!(
        matches!(outcome, AttemptOutcome::Completed(_)),
        "{outcome:?}"
    );
    assert_eq!(noted(&env.root())[1], format!("--resume {id}"));
    let prompt = prompt(&env);
    assert!(
        prompt.starts_with(
            "Your last attempt at this task ended before it was done: exit status: 143"
        ),
        "{prompt}"
    );
    assert!(prompt.ends_with("The task again:\n\nCount the lines\n"));

    // Done, it would begin anew; so does another task, and an agent that is told so.
    run(&*executor, &claim).await;
    let anew = noted(&env.root()).remove(2);
    assert!(
        anew.starts_with("--session-id ") && !anew.contains(&id),
        "{anew}"
    );
}

#[tokio::test]
async fn an_attempt_whose_conversation_is_gone_begins_anew() {
    let env = TestEnv::new();
    // As the client says it: in a line of its own, and as a result.
    let script = format!(
        "case \"$*\" in *--resume*)\n\
           echo 'No conversation found with session ID: x' >&2\n\
           echo '{{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,\"num_turns\":0,\
           \"errors\":[\"No conversation found with session ID: x\"]}}'\n\
           exit 1 ;;\n\
         esac\n[ -e works ] || exit 1\nprintf '%s\\n' '{SUCCESS}'"
    );
    let executor = claude(&env, &script);
    let claim = claim("t");
    failed(run(&*executor, &claim).await);
    std::fs::write(env.root().join("works"), "").unwrap();
    let outcome = run(&*executor, &claim).await;
    assert!(
        matches!(outcome, AttemptOutcome::Completed(_)),
        "{outcome:?}"
    );
    let [first, resumed, anew] = &noted(&env.root())[..] else {
        panic!("three runs");
    };
    let id = |args: &str| args.split_once(' ').map(|(_, id)| id.to_owned()).unwrap();
    assert_eq!(*resumed, format!("--resume {}", id(first)));
    assert!(anew.starts_with("--session-id ") && id(anew) != id(first));
    assert_eq!(prompt(&env), "Count the lines\n");
}

#[tokio::test]
async fn where_the_configuration_says_so_no_conversation_is_kept() {
    let env = TestEnv::new();
    let program = env.path("claude");
    claude(&env, "exit 1");
    let executor = env.executor(Agent, "", |config| {
        config.program = program;
        config.args = Vec::new();
        config.resume = false;
    });
    let claim = claim("t");
    for _ in 0..2 {
        let failure = failed(run(&*executor, &claim).await);
        assert!(!failure.error.message.contains("conversation"));
    }
    assert_eq!(noted(&env.root()), ["", ""]);
}

fn with_budget(budget: f64, spent: f64) -> ClaimedTask {
    let mut claim = claim("t");
    claim.task.max_budget = Some(budget);
    claim.task.usage = Some(Usage {
        cost_usd: spent,
        ..Usage::default()
    });
    claim
}

#[tokio::test]
async fn a_task_costs_no_more_than_it_may_over_all_attempts() {
    let env = TestEnv::new();
    let spent = r#"{"type":"result","subtype":"error_max_budget_usd","is_error":true,"errors":["Reached maximum budget"]}"#;
    let executor = claude(&env, &format!("printf '%s\\n' '{spent}'; exit 1"));
    let failure = failed(run(&*executor, &with_budget(2.0, 0.5)).await);
    assert_eq!(
        (&*failure.error.reason, failure.is_final),
        (BUDGET_EXHAUSTED, true)
    );
    let runs = noted(&env.root());
    assert!(
        runs[0].ends_with("--max-budget-usd 1.500000"),
        "{:?}",
        runs[0]
    );

    let failure = failed(run(&*executor, &with_budget(2.0, 2.25)).await);
    assert_eq!(
        (&*failure.error.reason, failure.is_final),
        (BUDGET_EXHAUSTED, true)
    );
    assert!(failure.error.message.contains("2.25 of 2.00 US$"));
    assert_eq!(noted(&env.root()).len(), 1, "nothing was started");

    let other = env.script(Agent, "echo no");
    let failure = failed(run(&*other, &with_budget(2.0, 0.0)).await);
    assert_eq!(
        (&*failure.error.reason, failure.is_final),
        (NOT_ALLOWED, false)
    );
}

#[tokio::test]
async fn a_run_that_waits_for_what_will_not_come_is_ended() {
    let env = TestEnv::new();
    for (retry, why, has_time) in [
        (
            r#""error_status":401,"error":"authentication_failed","attempt":2,"retry_delay_ms":900"#,
            "the API answered 401: authentication_failed",
            false,
        ),
        (
            r#""error_status":429,"error":"rate_limit","attempt":1,"retry_delay_ms":3600000"#,
            "the API answered 429: rate_limit",
            true,
        ),
    ] {
        let line = format!(r#"{{"type":"system","subtype":"api_retry","max_retries":10,{retry}}}"#);
        let executor = claude(&env, &format!("printf '%s\\n' '{line}'\nexec sleep 1000"));
        let AttemptOutcome::Unfit(unfit) = run(&*executor, &claim("t")).await else {
            panic!("it is unfit");
        };
        assert!(unfit.why.contains(why), "{unfit:?}");
        assert_eq!(unfit.until.is_some(), has_time, "{unfit:?}");
    }
}

#[tokio::test]
async fn an_answer_without_a_turn_is_none() {
    let env = TestEnv::new();
    let blocked = r#"{"type":"result","subtype":"success","is_error":false,"num_turns":0,"result":"Blocked by a hook"}"#;
    let executor = claude(&env, &format!("printf '%s\\n' '{blocked}'"));
    let AttemptOutcome::Unfit(unfit) = run(&*executor, &claim("t")).await else {
        panic!("it is unfit");
    };
    assert_eq!(unfit.why, "no model was asked: Blocked by a hook");
}

#[tokio::test]
async fn what_an_earlier_attempt_cost_is_not_counted_again() {
    let env = TestEnv::new();
    let result = r#"{"type":"result","subtype":"success","is_error":false,"result":"x","total_cost_usd":0.75,
        "model_usage_since_last_result":{"a":{"costUSD":0.2},"b":{"costUSD":0.05}}}"#;
    let result = result.replace('\n', " ");
    let executor = claude(&env, &format!("printf '%s\\n' '{result}'"));
    let progress = shim_work::ProgressHandle::default();
    crate::executor::test_env::run_with(&*executor, &claim("t"), &progress).await;
    assert!((progress.take().usage.cost_usd - 0.25).abs() < 1e-9);
}
