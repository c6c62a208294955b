//! Commands: what they get, what they may do, how they end.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use shim_checks::{Lifeline, within};
use shim_proto::coordination::v1::TaskResult;
use shim_proto::reasons::task::{EXECUTOR_FAILED, NOT_ALLOWED, TIMED_OUT};
use shim_runtime::free_form;
use shim_work::{AttemptFailure, AttemptOutcome, ProgressHandle};
use shim_worker::ExecutorKind::Command;
use tokio_util::sync::CancellationToken;

use crate::executor::test_env::{TestEnv, claim, claim_with, run, run_with, span};

fn completed(outcome: AttemptOutcome) -> TaskResult {
    match outcome {
        AttemptOutcome::Completed(result) => result,
        other => panic!("it completes: {other:?}"),
    }
}

fn failed(outcome: AttemptOutcome) -> AttemptFailure {
    match outcome {
        AttemptOutcome::Failed(failure) => failure,
        other => panic!("it fails: {other:?}"),
    }
}

#[tokio::test]
async fn a_command_reads_its_task_and_what_it_prints_is_the_result() {
    let env = TestEnv::new();
    let executor = env.command("pwd; cat; echo \"$SHIM_TASK_ID $SHIM_TASK_LEASE $SHIM_TASK_GOAL\"");
    let progress = ProgressHandle::default();
    let claim = claim_with(&json!({"depth": 2}));
    let result = completed(run_with(&*executor, &claim, &progress).await);
    let lines: Vec<_> = result.text.lines().collect();
    assert_eq!(lines[0], env.root().to_str().unwrap());
    let task: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(
        (&task["goal"], &task["payload"]["depth"]),
        (&json!("Count the lines"), &json!(2))
    );
    assert_eq!(lines[2], "task-1 7 Count the lines");
    assert_eq!((result.exit_code, result.truncated), (Some(0), false));
    assert_eq!(progress.take().note.as_deref(), Some(lines[2]));
    assert!(progress.pid().is_some());
}

#[tokio::test]
async fn a_json_object_is_data_for_programs() {
    let env = TestEnv::new();
    let result = completed(run(&*env.command("echo '{\"lines\": 42}'"), &claim("t")).await);
    assert_eq!(free_form::to_json(&result.data.unwrap())["lines"], 42);
    assert!(
        completed(run(&*env.command("echo 42"), &claim("t")).await)
            .data
            .is_none()
    );
}

#[tokio::test]
async fn a_program_sees_no_variable_but_those_it_is_given() {
    let env = TestEnv::new();
    let executor = env.executor(Command, "env", |config| {
        config.env = vec!["CARGO_PKG_NAME".to_owned(), "NO_SUCH_VARIABLE".to_owned()];
    });
    let result = completed(run(&*executor, &claim("t")).await);
    let mut names: Vec<_> = result
        .text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    names.retain(|(name, _)| {
        !["HOME", "LANG", "TERM", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)
    });
    names.sort_unstable();
    let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
    let expected = [
        "CARGO_PKG_NAME",
        "PATH",
        "SHIM_TASK_GOAL",
        "SHIM_TASK_ID",
        "SHIM_TASK_LEASE",
        "TRACEPARENT",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn arguments_from_a_task_need_permission() {
    let env = TestEnv::new();
    let claim = claim_with(&json!({"args": ["a b", "$HOME"], "stdin": "in"}));
    let script = "printf '<%s>' \"$@\"; cat";
    let failure = failed(run(&*env.command(script), &claim).await);
    assert_eq!(
        (failure.error.reason.as_str(), failure.is_final),
        (NOT_ALLOWED, true)
    );
    let open = env.executor(Command, script, |config| config.allow_args = true);
    assert_eq!(completed(run(&*open, &claim).await).text, "<a b><$HOME>in");
    for wrong in [
        json!({"args": "x"}),
        json!({"args": [1]}),
        json!({"args": ["\0"]}),
        json!({"stdin": 1}),
    ] {
        assert_eq!(
            failed(run(&*open, &claim_with(&wrong)).await).error.reason,
            NOT_ALLOWED
        );
    }
}

#[tokio::test]
async fn a_folder_outside_of_the_roots_is_refused() {
    let env = TestEnv::new();
    let executor = env.command("pwd");
    std::fs::create_dir(env.root().join("in")).unwrap();
    std::os::unix::fs::symlink("/usr", env.root().join("out")).unwrap();
    let result = completed(run(&*executor, &claim_with(&json!({"working_dir": "in"}))).await);
    assert_eq!(
        result.text.trim_end(),
        env.root().join("in").to_str().unwrap()
    );
    for outside in ["out", "..", "/usr"] {
        let outcome = run(&*executor, &claim_with(&json!({"working_dir": outside}))).await;
        assert_eq!(failed(outcome).error.reason, NOT_ALLOWED, "{outside}");
    }
}

#[tokio::test]
async fn long_output_is_cut_and_whole_in_a_private_file() {
    let env = TestEnv::with(|config| config.max_output = 2_000);
    let result = completed(run(&*env.command("seq 10000"), &claim("t")).await);
    assert!(result.truncated && result.text.len() < 2_100);
    assert!(result.text.starts_with("1\n2\n") && result.text.ends_with("9999\n10000\n"));
    let [artifact] = &result.artifacts[..] else {
        panic!("one artifact: {:?}", result.artifacts);
    };
    assert_eq!(
        std::fs::read_to_string(artifact).unwrap().lines().count(),
        10_000
    );
    let mode = std::fs::metadata(artifact).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// What a key file looks like; no line of it but the first says what it is.
fn key_file() -> (String, String) {
    let line = "MIIEpAIBAAKCAQEA".repeat(4);
    let dashes = "-----";
    let key = format!(
        "{dashes}BEGIN PRIVATE KEY{dashes}\n{line}\n{line}\n{dashes}END PRIVATE KEY{dashes}\n"
    );
    (key, line)
}

#[tokio::test]
async fn a_key_that_is_printed_is_in_no_note_result_or_file() {
    let env = TestEnv::with(|config| config.max_output = 2_000);
    let (key, line) = key_file();
    std::fs::write(env.root().join("key"), key).unwrap();
    let script = "for round in $(seq 200); do echo $round; cat key; done";
    let progress = ProgressHandle::default();
    let outcome = run_with(&*env.command(script), &claim("t"), &progress).await;
    let result = completed(outcome);
    assert_eq!(progress.take().note.as_deref(), Some("200"));
    assert!(result.truncated && !result.text.contains(&line[..16]));
    let kept = std::fs::read_to_string(&result.artifacts[0]).unwrap();
    let rounds = (1..=200).map(|round| format!("{round}\n[redacted:private-key]\n"));
    assert_eq!(kept, rounds.collect::<String>());
}

#[tokio::test]
async fn a_value_that_is_printed_below_its_name_is_in_no_note_or_result() {
    let env = TestEnv::new();
    let value = "k3yW1thN0F0rm";
    let script = format!("echo api_key:; echo '  {value}'");
    let progress = ProgressHandle::default();
    let outcome = run_with(&*env.command(&script), &claim("t"), &progress).await;
    let mark = "[redacted:assigned-secret]";
    assert_eq!(completed(outcome).text, format!("api_key:\n  {mark}\n"));
    assert_eq!(progress.take().note.as_deref(), Some(mark));
}

#[tokio::test]
async fn a_failure_hides_the_secrets_of_the_last_output() {
    let env = TestEnv::new();
    let secret = format!("ghp_{}", "a1B2c3D4e5F6".repeat(3));
    // Where the message is cut, there is one.
    let script = format!("for round in $(seq 999); do echo {secret} >&2; done; exit 3");
    let failure = failed(run(&*env.command(&script), &claim("t")).await);
    let message = failure.error.message;
    assert!(message.contains("[redacted:"), "{message}");
    assert!(!message.contains("c3D4"), "{message}");
}

#[tokio::test]
async fn a_failure_shows_the_code_and_the_last_output() {
    let env = TestEnv::new();
    let failure = failed(run(&*env.command("echo out; echo why >&2; exit 3"), &claim("t")).await);
    assert_eq!(failure.error.reason, EXECUTOR_FAILED);
    assert_eq!(failure.error.message, "exit status: 3\nwhy");
    assert!(!failure.is_crash && !failure.is_final);
    let failure = failed(run(&*env.command("kill -SEGV $$"), &claim("t")).await);
    assert!(
        failure.is_crash && failure.error.message.contains("SIGSEGV"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_program_that_cannot_run_leaves_the_task_untried() {
    let env = TestEnv::new();
    let text = env.root().join("text");
    std::fs::write(&text, "no program").unwrap();
    for program in ["no-such-program".into(), "/no/such/program".into(), text] {
        let executor = env.executor(Command, "", |config| config.program = program);
        let why = executor.check_runnable().unwrap_err();
        assert_eq!(
            run(&*executor, &claim("t")).await,
            AttemptOutcome::NotRunnable(why)
        );
    }
}

#[tokio::test]
async fn the_whole_group_dies_when_the_time_is_up() {
    let env = TestEnv::new();
    let path = env.path("lifeline");
    let mut lifeline = Lifeline::at(&path);
    let script = format!(
        "{} (sleep 1000 & sleep 1000) & echo begun; wait",
        Lifeline::HOLD
    );
    let executor = env.executor(Command, &script, |config| {
        config.args.push(path.to_str().unwrap().to_owned());
    });
    let mut claim = claim("t");
    claim.task.timeout = span(300);
    let failure = failed(run(&*executor, &claim).await);
    lifeline.opened().await;
    assert_eq!(failure.error.reason, TIMED_OUT);
    assert!(failure.error.message.contains("begun"));
    lifeline.closed().await;
}

#[tokio::test]
async fn a_program_that_ignores_its_end_is_killed_after_the_grace() {
    let env = TestEnv::with(|config| config.grace = Duration::from_millis(200));
    let path = env.path("lifeline");
    let mut lifeline = Lifeline::at(&path);
    let script = format!(
        "trap '' TERM; {} (trap '' TERM; sleep 1000) & while :; do sleep 1000; done",
        Lifeline::HOLD
    );
    let executor = env.executor(Command, &script, |config| {
        config.args.push(path.to_str().unwrap().to_owned());
    });
    let stop = CancellationToken::new();
    let (claim, progress) = (claim("t"), ProgressHandle::default());
    let stopping = async {
        lifeline.opened().await;
        stop.cancel();
    };
    let (outcome, ()) =
        within(async { tokio::join!(executor.run(&claim, &progress, &stop), stopping) }).await;
    assert_eq!(outcome, AttemptOutcome::Stopped);
    lifeline.closed().await;
}

#[tokio::test]
async fn a_program_may_clean_up_within_the_grace() {
    let env = TestEnv::new();
    let script = "trap 'echo cleaned > cleaned; exit 0' TERM; echo ready; sleep 1000 & wait";
    let executor = env.command(script);
    let stop = CancellationToken::new();
    let (claim, progress) = (claim("t"), ProgressHandle::default());
    let stopping = async {
        progress.updated().await;
        stop.cancel();
    };
    let (outcome, ()) =
        within(async { tokio::join!(executor.run(&claim, &progress, &stop), stopping) }).await;
    assert_eq!(outcome, AttemptOutcome::Stopped);
    assert!(env.root().join("cleaned").exists());
}

#[tokio::test]
async fn what_cannot_be_executed_is_no_fault_of_a_task_that_did_not_bring_it() {
    let env = TestEnv::new();
    let missing = env.command("no-such-program-anywhere");
    let AttemptOutcome::Unfit(unfit) = run(&*missing, &claim("t")).await else {
        panic!("it is unfit");
    };
    assert!(unfit.why.contains("exit status: 127: "), "{unfit:?}");
    assert!(unfit.why.contains("no-such-program-anywhere"), "{unfit:?}");
    let open = env.executor(Command, "\"$1\"", |config| config.allow_args = true);
    let brought = claim_with(&json!({"args": ["no-such-program-anywhere"]}));
    assert_eq!(
        failed(run(&*open, &brought).await).error.reason,
        EXECUTOR_FAILED
    );
    // What is missing is none of what the task brought.
    let wrapper = env.executor(Command, "exec no-such-program-anywhere \"$@\"", |config| {
        config.allow_args = true;
    });
    for payload in [
        json!({"args": ["a.rs"]}),
        json!({"stdin": "words"}),
        json!({"args": ["a.rs"], "stdin": "words"}),
    ] {
        let AttemptOutcome::Unfit(unfit) = run(&*wrapper, &claim_with(&payload)).await else {
            panic!("{payload}: it is unfit");
        };
        assert!(unfit.why.contains("no-such-program-anywhere"), "{unfit:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_given_twice_is_told() {
    let env = TestEnv::new();
    let result = completed(run(&*env.command("echo '{\"a\": 1, \"a\": 2}'"), &claim("t")).await);
    assert_eq!(free_form::to_json(&result.data.unwrap())["a"], 2);
    assert_eq!(
        result.remarks,
        ["a is given twice in its JSON; the last one counts"]
    );
}
