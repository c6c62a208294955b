//! Which session a conversation is, through all that a person does with it.

use serde_json::Value;
use shim_proto::checkpoint::v1::{Session, SessionStatus};
use shim_tests::claude::{WindowKind, text, with_usage};

use super::observed_stack::ObservedStack;

/// The session that has a conversation now.
async fn session_of(stack: &mut ObservedStack, turn: &Value) -> Session {
    let conversation = turn["conversation"].as_str().unwrap();
    let session = stack.observer.session(conversation).await;
    session.unwrap_or_else(|| panic!("no session of {conversation}"))
}

#[tokio::test]
async fn clear_begins_another_session_and_compact_keeps_it() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let window = stack.window("w", WindowKind::Interactive);
    let script = [text("ANSWER-ONE"), text("ANSWER-TWO"), text("ANSWER-THREE")];
    stack.lab.script(window.key(), &script).await;
    stack
        .lab
        .aside(window.key(), "They spoke of two things.")
        .await;
    window.start(&mut stack.lab, "the first thing").await;
    window.shows(&mut stack.lab, "ANSWER-ONE").await;
    let first = stack.lab.turn(window.key()).await;
    window.type_line(&mut stack.lab, "/clear").await;
    window.type_line(&mut stack.lab, "the second thing").await;
    window.shows(&mut stack.lab, "ANSWER-TWO").await;
    let second = stack.lab.turn(window.key()).await;
    assert_ne!(first["conversation"], second["conversation"]);
    let cleared = stack.session(&first, SessionStatus::Ended).await;
    let session = stack.session(&second, SessionStatus::Active).await;
    assert_ne!(cleared.id, session.id);
    let observed = stack.observer.observed(&cleared.id).await;
    assert_eq!(observed.last_prompt, "the first thing");

    window.type_line(&mut stack.lab, "/compact").await;
    loop {
        let observed = stack.observer.observed(&session.id).await;
        if observed.compactions == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    window.type_line(&mut stack.lab, "the third thing").await;
    window.shows(&mut stack.lab, "ANSWER-THREE").await;
    let third = stack.lab.turn(window.key()).await;
    assert_eq!(second["conversation"], third["conversation"]);
    assert_eq!(session_of(&mut stack, &third).await.id, session.id);
}

#[tokio::test]
async fn a_conversation_that_is_resumed_is_the_same_session_and_a_fork_is_another() {
    let Some(mut stack) = ObservedStack::open().await else {
        return;
    };
    let window = stack.window("w", WindowKind::Headless);
    let script = ["one", "two", "three", "four"].map(|said| with_usage(text(said), 3_000, 20));
    stack.lab.script(window.key(), &script).await;
    let result = window.run(&mut stack.lab, "the first thing").await;
    let id = result["session_id"].as_str().unwrap().to_owned();
    let first = stack.lab.turn(window.key()).await;
    let session = stack.session(&first, SessionStatus::Ended).await;
    for (name, arguments, is_same) in [
        ("resumed", vec!["--resume", &id], true),
        ("continued", vec!["--continue"], true),
        ("forked", vec!["--resume", &id, "--fork-session"], false),
    ] {
        let again = window.clone().named(name).args(&arguments);
        again.run(&mut stack.lab, &format!("{name} now")).await;
        let turn = stack.lab.turn(window.key()).await;
        let found = session_of(&mut stack, &turn).await;
        assert_eq!(found.id == session.id, is_same, "{name}: {found:?}");
        let observed = stack.observer.observed(&found.id).await;
        assert_eq!(observed.last_prompt, format!("{name} now"));
    }
    assert_eq!(stack.observer.sessions().await.len(), 2);
}
