//! How conversations end that tell of themselves, and what is left of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_proto::checkpoint::v1::*;
use shim_runtime::process;
use tonic::Code;

use crate::leases::{attach, attach_as};
use crate::test_service::{TestService, refusal, state};
use crate::windows::Window;

fn cause(session: &Session) -> InterruptionCause {
    session.interruption.as_ref().unwrap().cause()
}

fn evidence(session: &Session) -> &str {
    &session.interruption.as_ref().unwrap().evidence
}

impl TestService {
    /// Waits until the session is interrupted by this.
    async fn wait_for_cause(&mut self, session: &str, expected: InterruptionCause) {
        let wait = async {
            let is = |session: &Session| {
                let interruption = session.interruption.as_ref();
                interruption.is_some_and(|found| found.cause() == expected)
            };
            while !is(&self.session(session).await) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        waited.expect("the cause is found");
    }
}

/// The ids of the sessions that are offered in the stories' project.
async fn offered(service: &mut TestService) -> Vec<String> {
    let request = DetectRecoveryRequest {
        project: "/p".into(),
        only_project: true,
        ..DetectRecoveryRequest::default()
    };
    let found = service.api.detect_recovery(request).await.unwrap();
    let candidates = found.into_inner().candidates.into_iter();
    candidates.map(|one| one.session.unwrap().id).collect()
}

#[tokio::test]
async fn a_killed_client_leaves_a_session_that_comes_back_although_its_model_saved_nothing() {
    let mut service = TestService::start().await;
    let mut window = Window::open("c1");
    let events = vec![
        window.client.prompt("port the lexer"),
        window.client.begin("a", "/p/a.rs"),
        window.client.finish("a", "/p/a.rs"),
        window.client.begin("b", "/p/b.rs"),
    ];
    let session = service.tell(events).await;
    assert_eq!(session.status(), SessionStatus::Active);
    window.kill();
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(cause(&lost), InterruptionCause::Killed);
    assert!(
        evidence(&lost).ends_with("in the middle of a turn, in a call of Edit"),
        "{lost:?}"
    );
    assert_eq!(lost.head_number, 1);
    assert_eq!(offered(&mut service).await, [session.id.clone()]);
    let restored = service.restore(&session).await.unwrap();
    for part in [
        "Task (observed, the last prompt): port the lexer",
        "check before repeating)\n- Edit \"/p/b.rs\"",
        "- /p/a.rs: unchecked",
        "All of it was observed",
    ] {
        assert!(
            restored.resume_prompt.contains(part),
            "{part}: {}",
            restored.resume_prompt
        );
    }
    assert!(!restored.resume_prompt.contains("/p/b.rs: "));
}

#[tokio::test]
async fn a_live_client_keeps_its_session_however_long_it_is_silent() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let mut window = Window::open("c1");
    let events = vec![window.client.prompt("p"), window.client.end_turn("done")];
    let session = service.tell(events).await;
    // As long as it takes a session without such a client to be lost.
    let silent = service.open_session("/p").await;
    service
        .wait_for_status(&silent.id, SessionStatus::Interrupted)
        .await;
    let kept = service.session(&session.id).await;
    assert_eq!(kept.status(), SessionStatus::Active);
    window.kill();
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert!(
        evidence(&lost).ends_with("after a turn that was completed"),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_leaves_takes_nothing_from_a_client_that_lives() {
    let mut service = TestService::start_with(&[("checkpoint.lease", "1s")]).await;
    let mut window = Window::open("c1");
    let session = service.tell(vec![window.client.prompt("p")]).await;
    let gateway = Some(window.client.gateway());
    let owner = attach_as(&mut service, &session.id, session.epoch, gateway)
        .await
        .unwrap();
    assert!(service.session(&session.id).await.attached);
    drop(owner);
    let silent = service.open_session("/p").await;
    service
        .wait_for_status(&silent.id, SessionStatus::Interrupted)
        .await;
    let kept = service.session(&session.id).await;
    assert_eq!(
        (kept.status(), kept.attached),
        (SessionStatus::Active, false)
    );
    window.kill();
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(cause(&lost), InterruptionCause::Killed);
}

#[tokio::test]
async fn a_conversation_that_ended_in_good_order_is_ended_unless_work_is_open() {
    let mut service = TestService::start().await;
    for (at, reason) in [
        SessionEndReason::Other,
        SessionEndReason::Clear,
        SessionEndReason::Exit,
    ]
    .into_iter()
    .enumerate()
    {
        let mut window = Window::open(&format!("good{at}"));
        let events = vec![window.client.prompt("p"), window.client.end_turn("done")];
        let session = service.tell(events).await;
        service.tell(vec![window.ended(reason)]).await;
        let ended = service.session(&session.id).await;
        assert_eq!(ended.status(), SessionStatus::Ended, "{reason:?}");
        window.kill();

        let mut window = Window::open(&format!("open{at}"));
        let session = service.tell(vec![window.client.prompt("p")]).await;
        service.save(&session, state("told", 0.5)).await.unwrap();
        let events = vec![window.client.end_turn("later"), window.ended(reason)];
        service.tell(events).await;
        let left = service
            .wait_for_status(&session.id, SessionStatus::Interrupted)
            .await;
        assert_eq!(cause(&left), InterruptionCause::ClientClosed, "{reason:?}");
    }
}

#[tokio::test]
async fn each_end_in_the_middle_of_work_has_its_cause_also_if_it_is_told_late() {
    let mut service = TestService::start().await;
    let mut cut = Window::open("cut");
    let session = service.tell(vec![cut.client.prompt("p")]).await;
    service.tell(vec![cut.ended(SessionEndReason::Other)]).await;
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(cause(&lost), InterruptionCause::Terminated);

    for (at, (outcome, expected)) in [
        (TurnOutcome::UsageLimit, InterruptionCause::UsageLimit),
        (TurnOutcome::Overloaded, InterruptionCause::Overloaded),
        (TurnOutcome::ContextFull, InterruptionCause::ContextFull),
        (TurnOutcome::Unauthorized, InterruptionCause::ApiError),
    ]
    .into_iter()
    .enumerate()
    {
        let mut window = Window::open(&format!("fail{at}"));
        let session = service.tell(vec![window.client.prompt("p")]).await;
        let failed = window.failed(outcome);
        let ended = window.ended(SessionEndReason::Other);
        // A client that runs without a window does not wait for the hook of a failed turn.
        let events = match at % 2 {
            0 => vec![failed, ended],
            _ => vec![ended, failed],
        };
        for event in events {
            service.tell(vec![event]).await;
        }
        service.wait_for_cause(&session.id, expected).await;
    }
}

#[tokio::test]
async fn what_a_killed_client_told_before_is_found_after_its_death_was_noticed() {
    let mut service = TestService::start().await;
    let mut window = Window::open("c1");
    let session = service.tell(vec![window.client.prompt("p")]).await;
    window.kill();
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(cause(&lost), InterruptionCause::Killed);
    // They were spooled while it lived.
    let events = vec![
        window.client.end_turn("done"),
        window.ended(SessionEndReason::Exit),
    ];
    let late = service.tell(events).await;
    assert_eq!(late.status(), SessionStatus::Ended, "{late:?}");
}

#[tokio::test]
async fn a_restarted_service_watches_on_and_finds_who_died_meanwhile() {
    let mut service = TestService::start().await;
    let (mut lives, mut dies) = (Window::open("lives"), Window::open("dies"));
    let living = service.tell(vec![lives.client.prompt("p")]).await;
    let dying = service.tell(vec![dies.client.prompt("q")]).await;
    let mut service = service.restart(|_| dies.kill()).await;
    let lost = service
        .wait_for_status(&dying.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(cause(&lost), InterruptionCause::Killed);
    assert_eq!(lost.head_number, 1);
    assert_eq!(
        service.session(&living.id).await.status(),
        SessionStatus::Active
    );
    lives.kill();
    service
        .wait_for_status(&living.id, SessionStatus::Interrupted)
        .await;
}

#[tokio::test]
async fn an_owner_hears_that_its_conversation_was_ended() {
    let mut service = TestService::start().await;
    let mut window = Window::open("c1");
    let events = vec![window.client.prompt("p"), window.client.end_turn("done")];
    let session = service.tell(events).await;
    let mut owner = attach(&mut service, &session.id, session.epoch)
        .await
        .unwrap();
    service
        .tell(vec![window.ended(SessionEndReason::Clear)])
        .await;
    let told = owner.responses.message().await;
    assert_eq!(
        refusal(told),
        (Code::FailedPrecondition, "SESSION_ENDED".into())
    );
    assert_eq!(
        service.session(&session.id).await.status(),
        SessionStatus::Ended
    );
}

/// The client's folder with the transcript of a conversation.
fn client_folder(folder: &Path, conversation: &str, lines: &[&str]) -> PathBuf {
    let project = folder.join("client/projects/-p");
    std::fs::create_dir_all(&project).unwrap();
    let transcript = project.join(format!("{conversation}.jsonl"));
    std::fs::write(&transcript, lines.join("\n")).unwrap();
    transcript
}

const CONVERSATION: &str = "0a1b2c3d-1111-4222-8333-444455556666";

#[tokio::test]
async fn a_transcript_tells_what_no_hook_told_and_hooks_count_more() {
    let mut service = TestService::start().await;
    let mut window = Window::open(CONVERSATION);
    let line = |kind: &str, uuid: u32, message: &str| {
        format!(
            r#"{{"type":"{kind}","uuid":"00000000-0000-4000-8000-{uuid:012}","sessionId":"{CONVERSATION}","timestamp":"2026-01-02T03:04:{uuid:02}.000Z","cwd":"/p","message":{message}}}"#
        )
    };
    let call = line(
        "assistant",
        5,
        r#"{"id":"m1","role":"assistant","content":[{"type":"tool_use","id":"toolu_9","name":"Bash","input":{"command":"cargo test","description":"Run tests with password=hunter2hunter2"}}]}"#,
    );
    let lines = ["\u{1}torn", &call, r#"{"type":"assistant","mess"#];
    let transcript = client_folder(service.folder.path(), CONVERSATION, &lines);
    let mut prompt = window.client.prompt("port the lexer");
    prompt.transcript_path = transcript.display().to_string();
    prompt.at = Some(prost_types::Timestamp {
        seconds: 1_767_323_040,
        nanos: 0,
    });
    let session = service.tell(vec![prompt]).await;
    window.kill();
    let lost = service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert!(evidence(&lost).ends_with("in a call of Bash"), "{lost:?}");
    let newest = service.headers(&session.id).await;
    assert_eq!(newest[0].trigger(), CheckpointTrigger::Transcript);
    let state = service.content(&newest[0].id).await;
    assert_eq!(state.current_task, "port the lexer");
    let observed = state.observed.unwrap();
    assert!(observed.has_transcript);
    assert_eq!(observed.open_tool_calls[0].tool_use_id, "toolu_9");
    assert!(
        !observed.open_tool_calls[0].summary.contains("hunter2"),
        "{observed:?}"
    );
}

#[tokio::test]
async fn a_conversation_that_is_alive_again_or_about_to_be_is_not_offered() {
    let mut service = TestService::start().await;
    let mut window = Window::open(CONVERSATION);
    let transcript = client_folder(service.folder.path(), CONVERSATION, &[]);
    let folder = service.folder.path().join("client");
    let mut prompt = window.client.prompt("port the lexer");
    prompt.transcript_path = transcript.display().to_string();
    let session = service.tell(vec![prompt]).await;
    window.kill();
    service
        .wait_for_status(&session.id, SessionStatus::Interrupted)
        .await;
    assert_eq!(offered(&mut service).await, [session.id.clone()]);

    let job = folder.join("jobs/0a1b2c3d");
    std::fs::create_dir_all(&job).unwrap();
    let job = job.join("state.json");
    let told = format!(r#"{{"state":"respawning","sessionId":"{CONVERSATION}"}}"#);
    std::fs::write(&job, told).unwrap();
    assert!(offered(&mut service).await.is_empty());
    std::fs::remove_file(&job).unwrap();

    let own = process::own();
    let sessions = folder.join("sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let live = format!(
        r#"{{"pid":{},"sessionId":"{CONVERSATION}","procStart":"{}","kind":"bg"}}"#,
        own.pid, own.start_ticks
    );
    std::fs::write(sessions.join(format!("{}.json", own.pid)), live).unwrap();
    assert!(offered(&mut service).await.is_empty());
    std::fs::remove_dir_all(&sessions).unwrap();
    assert_eq!(offered(&mut service).await, [session.id]);
}
