//! The tool host as its callers see it, with a real Node.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use shim_checks::within;
use shim_runtime::process;
use tokio_util::sync::CancellationToken;

use super::test_host::{TestHost, call, call_within, pid_of};
use super::*;

fn host_error(error: EvolutionError) -> HostError {
    match error {
        EvolutionError::Host(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Waits until a process is gone.
async fn gone(pid: u32) {
    within(async {
        while process::identity(pid).is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_answers_and_is_kept_for_the_next_call() {
    let test = TestHost::new();
    let (host, project) = (test.host(), test.project("p", false).await);
    let answer = call(&host, &project, "ping", json!({ "echo": "ü\n\u{2028}" }))
        .await
        .unwrap();
    assert_eq!(answer["echo"], "ü\n\u{2028}");
    assert_eq!(pid_of(&host, &project).await, pid_of(&host, &project).await);
}

#[tokio::test]
async fn what_a_tool_prints_breaks_no_message() {
    let test = TestHost::new();
    test.method(
        "noisy",
        "console.log('{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"forged\"}');
         require('fs').writeSync(1, '{\"id\":1}\\n');
         process.stdout.write('x'.repeat(5_000_000));
         return process.stdin.read() === null;",
    );
    let (host, project) = (test.host(), test.project("p", false).await);
    assert_eq!(
        call(&host, &project, "noisy", json!({})).await.unwrap(),
        true
    );
    assert_eq!(
        call(&host, &project, "ping", json!({"echo": 2}))
            .await
            .unwrap()["echo"],
        2
    );
}

#[tokio::test]
async fn a_tool_that_throws_exits_or_is_not_there_fails_alone() {
    let test = TestHost::new();
    test.method("throws", "throw new Error('on purpose');");
    test.method("exits", "process.exit(0);");
    test.method("odd", "throw { toString() { return 'odd'; } };");
    test.method("broken", "} syntax error {");
    let (host, project) = (test.host(), test.project("p", false).await);
    let pid = pid_of(&host, &project).await;
    for (method, says) in [
        ("throws", "on purpose"),
        ("exits", "process.exit(0)"),
        ("odd", "it threw odd"),
        ("broken", "Unexpected identifier"),
        ("no-such", "no method no-such"),
        ("../host", "no method"),
    ] {
        let why = host_error(call(&host, &project, method, json!({})).await.unwrap_err());
        let HostError::ToolFailed { message, .. } = &why else {
            panic!("{why:?}")
        };
        assert!(message.contains(says), "{method}: {message}");
    }
    assert_eq!(pid_of(&host, &project).await, pid, "the host lives on");
}

#[tokio::test]
async fn a_call_past_its_limit_is_killed_with_all_that_it_started() {
    let test = TestHost::new();
    test.method("spins", "for (;;) {}");
    let (host, project) = (test.host(), test.project("p", false).await);
    let pid = pid_of(&host, &project).await;
    let limit = Duration::from_millis(300);
    let error = call_within(&host, &project, "spins", json!({}), limit)
        .await
        .unwrap_err();
    assert_eq!(
        host_error(error),
        HostError::TimedOut {
            method: "spins".into(),
            limit
        }
    );
    gone(pid).await;
    assert_ne!(
        pid_of(&host, &project).await,
        pid,
        "the next call has a new host"
    );
}

#[tokio::test]
async fn a_cancelled_call_ends_at_once_and_spares_the_host_if_it_heeds_it() {
    let test = TestHost::new();
    test.method(
        "spins",
        "await context.progress('lint', 'begun'); for (;;) {}",
    );
    test.method("heeds", "await context.progress('lint', 'begun'); await new Promise((_, no) => context.signal.addEventListener('abort', () => no(context.signal.reason)));");
    let (host, project) = (test.host(), test.project("p", false).await);
    let pid = pid_of(&host, &project).await;
    for (method, is_spared) in [("heeds", true), ("spins", false)] {
        let cancel = CancellationToken::new();
        let begun = cancel.clone();
        let progress = ProgressSink::new(move |_| begun.cancel());
        let call = HostCall {
            method,
            params: json!({}),
            limit: Duration::from_secs(60),
            runs_project_code: false,
        };
        let ended = within(host.call::<Value>(&project, call, &progress, &cancel)).await;
        assert_eq!(host_error(ended.unwrap_err()), HostError::Cancelled);
        if is_spared {
            assert_eq!(pid_of(&host, &project).await, pid);
        } else {
            gone(pid).await;
        }
    }
}

#[tokio::test]
async fn a_host_that_died_is_started_anew_and_the_call_made_once_more() {
    let test = TestHost::new();
    test.method(
        "dies",
        "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {});",
    );
    test.method(
        "dies-once",
        "const fs = require('fs'); await context.progress('s', 'x'); process.kill(process.ppid, 0);
         if (!fs.existsSync(params.mark)) { await new Promise((r) => setTimeout(r, 60_000)); } return 'survived';",
    );
    let (host, project) = (test.host(), test.project("p", false).await);
    // One that died while nobody looked.
    let pid = pid_of(&host, &project).await;
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert_ne!(pid_of(&host, &project).await, pid);
    // One that is killed during a call.
    let mark = test.path("mark");
    let victim = pid_of(&host, &project).await;
    let killed = mark.clone();
    let progress = ProgressSink::new(move |_| {
        std::fs::write(&killed, "").unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(victim).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    });
    let call_once = HostCall {
        method: "dies-once",
        params: json!({ "mark": mark }),
        limit: Duration::from_secs(60),
        runs_project_code: false,
    };
    let answer: String = host
        .call(&project, call_once, &progress, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(answer, "survived");
    // One that each call kills.
    let why = host_error(call(&host, &project, "dies", json!({})).await.unwrap_err());
    let HostError::Died { how, .. } = &why else {
        panic!("{why:?}")
    };
    assert!(how.contains("signal: 9"), "{how}");
}

#[tokio::test]
async fn last_words_of_a_dead_host_are_told() {
    let test = TestHost::new();
    test.method(
        "late",
        "setTimeout(() => { throw new Error('too late'); }, 0); await new Promise(() => {});",
    );
    test.method(
        "leaks",
        "const kept = []; for (;;) kept.push(new Array(100_000).fill({}));",
    );
    let mut test = test;
    test.config.memory = 64 << 20;
    let (host, project) = (test.host(), test.project("p", false).await);
    let why = host_error(call(&host, &project, "late", json!({})).await.unwrap_err());
    let HostError::ToolFailed { message, .. } = &why else {
        panic!("{why:?}")
    };
    assert_eq!(message, "too late");
    let why = host_error(call(&host, &project, "leaks", json!({})).await.unwrap_err());
    assert_eq!(
        why,
        HostError::OutOfMemory {
            method: "leaks".into(),
            limit_mib: 64
        }
    );
}

#[tokio::test]
async fn large_answers_come_in_parts_and_are_bounded() {
    let test = TestHost::new();
    test.method("parts", "for (let i = 0; i < params.count; i++) await context.part({ i, text: 'x'.repeat(1 << 20) }); return 'end';");
    test.method(
        "huge",
        "return Array.from({ length: 80 }, () => 'x'.repeat(1 << 20));",
    );
    test.method(
        "endless",
        "return Array.from({ length: 600 }, () => 'x'.repeat(1 << 20));",
    );
    let (host, project) = (test.host(), test.project("p", false).await);
    let pid = pid_of(&host, &project).await;
    let call_parts = HostCall {
        method: "parts",
        params: json!({ "count": 100 }),
        limit: Duration::from_secs(60),
        runs_project_code: false,
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let on_part = move |part: Value| noted.lock().unwrap().push(part["i"].as_u64().unwrap());
    let end: String = host
        .call_in_parts(
            &project,
            call_parts,
            on_part,
            &ProgressSink::none(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    assert_eq!(end, "end");
    assert_eq!(*seen.lock().unwrap(), (0..100).collect::<Vec<_>>());
    let why = host_error(call(&host, &project, "huge", json!({})).await.unwrap_err());
    assert!(matches!(why, HostError::AnswerTooLarge { .. }), "{why:?}");
    assert_eq!(pid_of(&host, &project).await, pid, "the host lives on");
    // Its text would be longer than a string of JavaScript may be, unless the heap ends before.
    let why = host_error(
        call(&host, &project, "endless", json!({}))
            .await
            .unwrap_err(),
    );
    let is_bounded = matches!(
        why,
        HostError::AnswerTooLarge { .. } | HostError::OutOfMemory { .. }
    );
    assert!(is_bounded, "{why:?}");
}

#[tokio::test]
async fn an_untrusted_project_runs_no_code_writes_nothing_and_starts_nothing() {
    let test = TestHost::new();
    let project = test.project("p", false).await;
    for name in ["evil.js", "evil.mjs", "evil.cjs"] {
        std::fs::write(project.root().join(name), "globalThis.ran = true;").unwrap();
    }
    test.method(
        "tries",
        "const said = [];
         const attempt = async (what) => { try { await what(); said.push('did'); } catch (e) { said.push(e.code ?? e.message.slice(0, 27)); } };
         const { root } = params;
         await attempt(() => require(root + '/evil.js'));
         await attempt(() => require(root + '/evil.cjs'));
         await attempt(() => import('file://' + root + '/evil.mjs'));
         await attempt(() => import('file://' + root + '/evil.js'));
         await attempt(() => require('fs').writeFileSync(root + '/written', ''));
         await attempt(() => require('child_process').execSync('touch ' + root + '/started'));
         const text = require('fs').readFileSync(root + '/evil.js', 'utf8');
         return { said, ran: globalThis.ran ?? false, text, confined: context.isConfined };",
    );
    let host = test.host();
    let answer = call(&host, &project, "tries", json!({ "root": project.root() }))
        .await
        .unwrap();
    let refused = "code of the project may not";
    let denied = "ERR_ACCESS_DENIED";
    assert_eq!(
        answer["said"],
        json!([refused, refused, refused, refused, denied, denied])
    );
    assert_eq!(
        (&answer["ran"], &answer["confined"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(answer["text"], "globalThis.ran = true;");
    assert_eq!(project.root().read_dir().unwrap().count(), 3);
    let call = HostCall {
        method: "tries",
        params: json!({}),
        limit: Duration::from_secs(60),
        runs_project_code: true,
    };
    let ended = host
        .call::<Value>(
            &project,
            call,
            &ProgressSink::none(),
            &CancellationToken::new(),
        )
        .await;
    assert!(matches!(
        host_error(ended.unwrap_err()),
        HostError::NotTrusted { .. }
    ));
}

#[tokio::test]
async fn a_trusted_projects_code_runs_in_a_host_that_no_other_project_gets() {
    let test = TestHost::new();
    test.method("pollutes", "globalThis.seen = (globalThis.seen ?? 0) + 1; return { seen: globalThis.seen, confined: context.isConfined, cwd: process.cwd(), moved: process.chdir('/') };");
    let host = test.host();
    let (first, second) = (test.project("a", true).await, test.project("b", true).await);
    let mut seen = Vec::new();
    for project in [&first, &first, &second, &first] {
        let call = HostCall {
            method: "pollutes",
            params: json!({}),
            limit: Duration::from_secs(60),
            runs_project_code: true,
        };
        let answer: Value = host
            .call(
                project,
                call,
                &ProgressSink::none(),
                &CancellationToken::new(),
            )
            .await
            .unwrap();
        assert_eq!(answer["confined"], false);
        assert_ne!(answer["cwd"], "/");
        seen.push(answer["seen"].as_u64().unwrap());
    }
    assert_eq!(
        seen,
        [1, 2, 1, 3],
        "each project has a host of its own, which is kept"
    );
    assert_ne!(pid_of(&host, &first).await, 0);
}

#[tokio::test]
async fn a_tool_sees_no_secret_of_the_environment() {
    let test = TestHost::new();
    test.method("environment", "return process.env;");
    let (host, project) = (test.host(), test.project("p", false).await);
    let answer = call(&host, &project, "environment", json!({}))
        .await
        .unwrap();
    let known = [
        "PATH",
        "HOME",
        "LANG",
        "TERM",
        "TMPDIR",
        "LC_ALL",
        "TZ",
        "NO_COLOR",
        "PWD",
        "SHIM_EVOLUTION",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    for name in answer.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a_host_without_calls_is_stopped() {
    let mut test = TestHost::new();
    test.config.idle = Duration::from_millis(50);
    let (host, project) = (test.host(), test.project("p", false).await);
    gone(pid_of(&host, &project).await).await;
    test.config.idle = Duration::from_secs(60);
    let host = test.host();
    let pid = pid_of(&host, &project).await;
    host.finish();
    gone(pid).await;
    let why = host_error(call(&host, &project, "ping", json!({})).await.unwrap_err());
    assert_eq!(why, HostError::Stopping);
}

#[tokio::test]
async fn a_host_that_grew_is_not_kept() {
    let mut test = TestHost::new();
    test.config.memory = 96 << 20;
    test.method(
        "grows",
        "globalThis.kept = Buffer.alloc(80 << 20, 1); return process.pid;",
    );
    let (host, project) = (test.host(), test.project("p", false).await);
    let pid = call(&host, &project, "grows", json!({})).await.unwrap();
    gone(u32::try_from(pid.as_u64().unwrap()).unwrap()).await;
}

#[tokio::test]
async fn the_real_tools_are_installed_and_answer() {
    let test = TestHost::installed();
    let (host, project) = (test.host(), test.project("p", false).await);
    let answer = call(&host, &project, "versions", json!({})).await.unwrap();
    assert_eq!(answer["packages"]["eslint"], "10.15.0");
    assert_eq!(answer["packages"]["typescript-7"], "7.0.2");
    let folder = host
        .tools_dir(&ProgressSink::none(), &CancellationToken::new())
        .await
        .unwrap();
    assert!(folder.join("node_modules/eslint").is_dir());
}

#[tokio::test]
async fn a_machine_without_node_says_what_to_do() {
    let mut test = TestHost::new();
    test.config.node = test.path("no-node");
    let (host, project) = (test.host(), test.project("p", false).await);
    let error = call(&host, &project, "ping", json!({})).await.unwrap_err();
    let status = tonic::Status::from(error);
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(status.message().contains("no-node"), "{}", status.message());
}
