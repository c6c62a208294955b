//! Every command that a refusal prints can be run in the state in which it is printed, and does what it says.

use std::process::Output;
use std::time::Duration;

use shim_proto::checkpoint::v1::{EndSessionRequest, GetSessionRequest, Session, SessionStatus};
use shim_tests::calls;
use shim_tests::coordination::{NAMESPACE, lock};
use uuid::Uuid;

use super::known_data::{
    completed_job, failed_job, gated_job, interrupted_session, limiter_session, running_job, worker,
};
use super::shell::Shell;

const TTL: Duration = Duration::from_secs(600);

/// The commands in the hint of a refusal, each as its words behind `shim`.
fn printed_commands(output: &Output) -> Vec<Vec<String>> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let hints = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("hint: "));
    hints.flat_map(quoted_commands).collect()
}

fn quoted_commands(text: &str) -> Vec<Vec<String>> {
    let quoted = text.split('`').skip(1).step_by(2);
    let commands = quoted.filter_map(|quoted| quoted.strip_prefix("shim "));
    commands.map(words).collect()
}

/// A command as a shell parts it, for the quoting that hints use.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in command.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Runs what is refused, then every command that the refusal prints. Returns how many that were.
async fn follow(shell: &Shell, refused: &[&str]) -> usize {
    let output = shell.run(refused).await;
    assert!(
        !output.status.success(),
        "{refused:?} is not refused: {output:?}"
    );
    let commands = printed_commands(&output);
    run_all(shell, refused, &commands).await;
    commands.len()
}

async fn run_all(shell: &Shell, printer: &[&str], commands: &[Vec<String>]) {
    for command in commands {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let followed = shell.run(&command).await;
        assert!(
            followed.status.success(),
            "{printer:?} printed {command:?}, which fails: {}",
            String::from_utf8_lossy(&followed.stderr)
        );
    }
}

async fn assert_followed(shell: &Shell, cases: &[&[&str]]) {
    for refused in cases {
        let commands = follow(shell, refused).await;
        assert!(commands > 0, "{refused:?} printed no command");
    }
}

/// An active session of this test, as often as it is needed: each remedy takes one.
async fn held(shell: &Shell) -> Session {
    limiter_session(&shell.service).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_held_is_taken_by_the_printed_command() {
    let shell = Shell::new().await;
    for words in [
        &["restore", "{id}"][..],
        &["restore", "{short}"],
        &["restore", "{short}", "--json"],
        &["restore", "{id}:1"],
        &["restore", "{checkpoint}"],
        &["end", "{short}"],
        &["end", "{id}", "--abandoned"],
        &["delete", "{id}"],
        &["delete", "{short}", "--yes"],
        &["dismiss", "{id}"],
    ] {
        let session = held(&shell).await;
        let id = session.id.as_str();
        let history = calls::history(&mut shell.service.client(), id, 0)
            .await
            .unwrap();
        let words: Vec<String> = words
            .iter()
            .map(|word| {
                word.replace("{id}", id)
                    .replace("{short}", &id[id.len() - 8..])
                    .replace("{checkpoint}", &history.checkpoints[0].id)
            })
            .collect();
        let words: Vec<&str> = std::iter::once("sessions")
            .chain(words.iter().map(String::as_str))
            .collect();
        assert_eq!(follow(&shell, &words).await, 1, "{words:?}");
        let is_taken = words[1] != "dismiss";
        let found = shell.run(&["sessions", "show", id]).await;
        let shown = String::from_utf8_lossy(&found.stdout).into_owned();
        assert_eq!(is_taken, !shown.contains("active"), "{words:?}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remedies_of_sessions_work_where_they_are_printed() {
    let shell = Shell::new().await;
    let (held, lost) = (
        held(&shell).await,
        interrupted_session(&shell.service).await,
    );
    let ended = interrupted_session(&shell.service).await;
    let end = EndSessionRequest {
        request_id: calls::request_id(),
        session_id: ended.id.clone(),
        ..Default::default()
    };
    shell.service.client().end_session(end).await.unwrap();
    let unknown = Uuid::now_v7().to_string();
    let of = |id: &str, number: u32| format!("{id}:{number}");
    let (none, one) = (of(&lost.id, 99), of(&lost.id, 1));
    assert_followed(
        &shell,
        &[
            &["sessions", "show", "ffffffff"],
            &["sessions", "show", &unknown],
            &["sessions", "restore", &unknown],
            &["sessions", "fork", &unknown],
            &["sessions", "restore", "ffffffff"],
            &["sessions", "end", &unknown],
            &["sessions", "show", &lost.id, "--checkpoint", "99"],
            &["sessions", "restore", &none],
            &["sessions", "fork", &none],
            &["sessions", "diff", &one, &none],
            &["sessions", "dismiss", &held.id],
            &["sessions", "dismiss", &ended.id],
            &["sessions", "end", &ended.id],
            &["sessions", "delete", &lost.id],
            &["messages", "send", "--session", &ended.id, "hello"],
            &["tasks", "submit", "a goal", "--notify", &ended.id],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_and_a_checkpoint_are_named_by_whole_and_short_ids() {
    let shell = Shell::new().await;
    let session = interrupted_session(&shell.service).await;
    let history = calls::history(&mut shell.service.client(), &session.id, 0).await;
    let checkpoint = history.unwrap().checkpoints[0].id.clone();
    let spellings = [
        session.id.clone(),
        session.id.to_uppercase(),
        session.id.replace('-', ""),
        session.id[session.id.len() - 8..].to_owned(),
        format!("{}:1", session.id),
        format!("{}:1", &session.id[session.id.len() - 8..]),
        checkpoint.clone(),
        checkpoint.to_uppercase(),
        checkpoint[checkpoint.len() - 8..].to_owned(),
    ];
    for spelling in &spellings {
        for command in ["restore", "fork"] {
            let output = shell.run(&["sessions", command, spelling]).await;
            assert!(output.status.success(), "{command} {spelling}: {output:?}");
        }
    }
    let client = &mut shell.service.client();
    let request = GetSessionRequest {
        session_id: session.id.clone(),
    };
    let after = client
        .get_session(request)
        .await
        .unwrap()
        .into_inner()
        .session
        .unwrap();
    assert_eq!(after.status(), SessionStatus::Interrupted);
    assert_eq!(after.epoch, session.epoch, "a look takes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn remedies_of_what_windows_share_work_where_they_are_printed() {
    let shell = Shell::new().await;
    let mut clients = shell.service.coordination();
    for name in ["deploy", "my schema"] {
        clients.lock(lock(name, "window 1", TTL)).await.unwrap();
    }
    let put = shell
        .run(&["state", "put", "my plan", "{\"step\": 1}"])
        .await;
    assert!(put.status.success(), "{put:?}");
    let leased = ["files", "acquire", "src/**", "--holder", "window-2"];
    assert!(shell.run(&leased).await.status.success());
    let elsewhere = [&leased[..], &["-w", "elsewhere"]].concat();
    assert!(shell.run(&elsewhere).await.status.success());
    let unknown = Uuid::now_v7().to_string();
    assert_followed(
        &shell,
        &[
            &["locks", "release", "free"],
            &["locks", "release", "free", "-n", NAMESPACE],
            &["locks", "release", "deploy", "-n", NAMESPACE],
            &["locks", "release", "my schema", "-n", NAMESPACE],
            &["state", "get", "none"],
            &["state", "get", "none", "-n", "elsewhere"],
            &["state", "patch", "none", "{\"step\": 2}"],
            &["state", "put", "my plan", "{\"step\": 2}", "--expect", "5"],
            &[
                "state",
                "put",
                "none",
                "{\"step\": 2}",
                "--expect",
                "5",
                "-n",
                "elsewhere",
            ],
            &["state", "delete", "my plan", "--expect", "5"],
            &["files", "acquire", "src/a.rs", "--holder", "window-3"],
            &[
                "files",
                "acquire",
                "src/a.rs",
                "--holder",
                "window-3",
                "-w",
                "elsewhere",
            ],
            &[
                "files",
                "release",
                "ffffffff",
                "--holder",
                "window-3",
                "-w",
                "elsewhere",
            ],
            &["workers", "show", "ffffffff"],
            &["workers", "show", &unknown],
            &["messages", "send", "--capability", "none", "hello"],
            &["messages", "read", "ffffffff"],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remedies_of_tasks_work_where_they_are_printed() {
    let shell = Shell::new().await;
    let worker = worker(&shell.service, "window 1").await;
    let running = running_job(&shell.service, &worker).await;
    let gated = gated_job(&shell.service).await;
    let unknown = Uuid::now_v7().to_string();
    let no_part = format!("{running}/none");
    let short = &gated[gated.len() - 8..];
    assert_followed(
        &shell,
        &[
            &["tasks", "show", "ffffffff"],
            &["tasks", "show", &unknown],
            &["tasks", "cancel", &unknown],
            &["tasks", "show", &no_part],
            &["tasks", "approve", &running],
        ],
    )
    .await;
    for refused in [["tasks", "retry", &running], ["tasks", "retry", short]] {
        follow(&shell, &refused).await;
    }
    let completed = completed_job(&shell.service, &worker).await;
    let failed = failed_job(&shell.service, &worker).await;
    for shown in [
        ["tasks", "watch", &completed],
        ["tasks", "watch", &failed],
        ["tasks", "show", &gated],
        ["workers", "health", "--"],
    ] {
        let output = shell.run(&shown).await;
        // A field of its own needs no quotes: `next        shim tasks approve ID   (or --reject)`.
        let printed = String::from_utf8_lossy(&output.stdout).replace("next        shim", "`shim");
        let commands = quoted_commands(&printed.replace("   (or", "`   (or"));
        assert_eq!(commands.len(), 1, "{shown:?}: {output:?}");
        run_all(&shell, &shown, &commands).await;
    }
}
