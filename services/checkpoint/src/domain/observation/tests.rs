//! What one event changes, whenever it comes; and the events that the other tests tell.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use prost::Message;
use shim_proto::checkpoint::v1::*;
use shim_proto::limits::observation::{
    MAX_EDITED_FILES, MAX_OBSERVED_BYTES, MAX_OPEN_CALLS, MAX_STEPS,
};
use shim_sqlite::UnixMicros;

use super::*;

pub(super) fn event(at: i64, told: Event) -> ObservedEvent {
    ObservedEvent {
        event_id: format!("e{at}"),
        at: Some(UnixMicros(at).into()),
        conversation: "c".into(),
        cwd: "/p".into(),
        event: Some(told),
        ..ObservedEvent::default()
    }
}

pub(super) fn prompt(at: i64, text: &str) -> ObservedEvent {
    event(
        at,
        Event::PromptSubmitted(PromptSubmitted {
            text: text.into(),
            ..PromptSubmitted::default()
        }),
    )
}

pub(super) fn begun(at: i64, id: &str, path: &str) -> ObservedEvent {
    event(
        at,
        Event::ToolCallStarted(ToolCallStarted {
            tool_use_id: id.into(),
            tool_name: "Edit".into(),
            summary: path.into(),
            files: written(path),
            ..ToolCallStarted::default()
        }),
    )
}

pub(super) fn finished(at: i64, id: &str, path: &str, outcome: ToolOutcome) -> ObservedEvent {
    event(
        at,
        Event::ToolCallFinished(ToolCallFinished {
            tool_use_id: id.into(),
            tool_name: "Edit".into(),
            files: written(path),
            outcome: outcome.into(),
            ..ToolCallFinished::default()
        }),
    )
}

fn written(path: &str) -> Vec<UsedFile> {
    vec![UsedFile {
        path: path.into(),
        r#use: FileUse::Write.into(),
    }]
}

pub(super) fn turn_ended(at: i64, answer: &str) -> ObservedEvent {
    event(
        at,
        Event::TurnEnded(TurnEnded {
            outcome: TurnOutcome::Completed.into(),
            last_answer: answer.into(),
            ..TurnEnded::default()
        }),
    )
}

pub(super) fn started(at: i64, source: SessionStartSource) -> ObservedEvent {
    event(
        at,
        Event::SessionStarted(SessionStarted {
            source: source.into(),
            ..SessionStarted::default()
        }),
    )
}

pub(super) fn ended(at: i64, reason: SessionEndReason) -> ObservedEvent {
    event(
        at,
        Event::SessionEnded(SessionEnded {
            reason: reason.into(),
        }),
    )
}

pub(super) fn planned(
    at: i64,
    is_whole: bool,
    steps: &[(&str, &str, PlanStepStatus)],
) -> ObservedEvent {
    let steps = steps.iter().map(|(id, text, status)| PlanStep {
        step_id: (*id).into(),
        text: (*text).into(),
        status: (*status).into(),
    });
    event(
        at,
        Event::ToolCallFinished(ToolCallFinished {
            tool_use_id: format!("plan{at}"),
            tool_name: "TodoWrite".into(),
            plan: Some(PlanUpdate {
                is_whole,
                steps: steps.collect(),
            }),
            ..ToolCallFinished::default()
        }),
    )
}

pub(super) fn in_agent(id: &str, mut it: ObservedEvent) -> ObservedEvent {
    it.agent_id = id.into();
    it
}

/// Folds as the store does: each half once, the other half known if it came before.
pub(super) fn all<'a>(events: impl IntoIterator<Item = &'a ObservedEvent>) -> Observation {
    let (mut it, mut halves) = (Observation::default(), HashSet::new());
    for event in events {
        let half = Half::of(event);
        if half.is_some_and(|half| !halves.insert(half.key())) {
            continue;
        }
        let other = half.and_then(Half::other);
        let other_half = other.is_some_and(|other| halves.contains(&other.key()));
        it = fold(it, event, Seen { other_half });
    }
    it
}

pub(super) fn of(events: &[ObservedEvent]) -> ObservedState {
    all(events).shown()
}

fn open(state: &ObservedState) -> Vec<&str> {
    let open = state.open_tool_calls.iter();
    open.map(|call| call.tool_use_id.as_str()).collect()
}

#[test]
fn a_call_is_open_until_it_or_its_turn_ends_however_late_that_is_told() {
    let ok = ToolOutcome::Succeeded;
    let late = of(&[
        prompt(1, "p"),
        finished(3, "a", "/p/a", ok),
        begun(2, "a", "/p/a"),
    ]);
    assert_eq!((open(&late), late.tool_calls), (vec![], 1));
    assert!(late.is_in_turn);
    let two = of(&[prompt(1, "p"), begun(2, "a", "/p/a"), begun(3, "b", "/p/b")]);
    assert_eq!(open(&two), ["a", "b"]);
    for end in [turn_ended(4, "done"), prompt(4, "q")] {
        let over = of(&[begun(2, "a", "/p/a"), end.clone()]);
        assert_eq!(open(&over), Vec::<&str>::new(), "{end:?}");
        let late = of(&[end.clone(), begun(2, "a", "/p/a")]);
        assert_eq!(open(&late), Vec::<&str>::new(), "{end:?}");
    }
    // The outcome is told as unknown until the conversation goes on.
    let resume = started(5, SessionStartSource::Resume);
    let resumed = of(&[begun(2, "a", "/p/a"), resume.clone()]);
    assert_eq!((open(&resumed), resumed.is_in_turn), (vec!["a"], false));
    let on = of(&[begun(2, "a", "/p/a"), resume, begun(6, "b", "/p/b")]);
    assert_eq!(open(&on), ["b"]);
    let compacted = started(5, SessionStartSource::Compact);
    assert!(of(&[begun(2, "a", "/p/a"), compacted]).is_in_turn);
}

#[test]
fn a_prompt_that_is_given_while_the_model_works_is_of_the_same_turn() {
    let of_turn = |mut it: ObservedEvent, id: &str| {
        if let Some(Event::PromptSubmitted(prompt)) = &mut it.event {
            prompt.prompt_id = id.into();
        }
        it
    };
    let mut events = vec![
        of_turn(prompt(10, "first"), "p1"),
        begun(20, "a", "/p/a"),
        of_turn(prompt(30, "and this"), "p1"),
    ];
    let (first, second) = (Half::of(&events[0]), Half::of(&events[2]));
    assert_ne!(first.map(Half::key), second.map(Half::key));
    let state = of(&events);
    assert_eq!((open(&state), state.prompts), (vec!["a"], 2));
    assert_eq!(
        (state.first_prompt.as_str(), state.last_prompt.as_str()),
        ("first", "and this")
    );
    // A person stopped the call, which no hook tells, and asked for something else.
    events.push(of_turn(prompt(40, "other"), "p2"));
    assert!(open(&of(&events)).is_empty());
}

#[test]
fn a_subagents_call_lives_as_long_as_the_subagent() {
    let start = in_agent("s", event(2, Event::SubagentStarted(Default::default())));
    let call = in_agent("s", begun(3, "a", "/p/a"));
    let stop = in_agent("s", event(9, Event::SubagentEnded(Default::default())));
    let running = of(&[
        prompt(1, "p"),
        start.clone(),
        call.clone(),
        turn_ended(4, ""),
    ]);
    assert_eq!((open(&running), running.is_in_turn), (vec!["a"], false));
    assert_eq!(running.running_subagents, ["s"]);
    for order in [[&start, &call, &stop], [&stop, &call, &start]] {
        let over = all(order).shown();
        assert_eq!((open(&over).len(), over.running_subagents.len()), (0, 0));
    }
}

#[test]
fn only_what_was_written_counts_as_edited_and_each_call_once() {
    use ToolOutcome::{Denied, Failed, Interrupted, Succeeded};
    let events = [
        finished(5, "a", "/p/a", Succeeded),
        finished(6, "a", "/p/a", Succeeded),
        finished(7, "b", "/p/b", Failed),
        finished(8, "c", "/p/c", Denied),
        finished(9, "d", "/p/d", Interrupted),
        finished(4, "e", "/p/e", Succeeded),
        finished(10, "f", "/p/a", Succeeded),
    ];
    let state = of(&events);
    let files = state.edited_files.iter();
    let files: Vec<_> = files.map(|file| (file.path.as_str(), file.edits)).collect();
    assert_eq!(files, [("/p/a", 2), ("/p/e", 1)]);
    assert_eq!((state.tool_calls, state.tool_failures), (6, 1));
}

#[test]
fn the_last_prompt_is_a_persons_newest_and_what_a_transcript_tells_again_is_none() {
    let by_client = event(
        8,
        Event::PromptSubmitted(PromptSubmitted {
            text: "a task ended".into(),
            by_client: true,
            ..PromptSubmitted::default()
        }),
    );
    let mut retold = prompt(7, "second");
    retold.source = ObservationSource::Transcript.into();
    let state = of(&[prompt(5, "second"), prompt(2, "first"), by_client, retold]);
    assert_eq!(state.last_prompt, "second");
    assert_eq!((state.first_prompt.as_str(), state.prompts), ("first", 2));
    assert!(of(&[prompt(2, "only")]).first_prompt.is_empty());
}

#[test]
fn an_end_holds_until_the_client_lives_again() {
    let end = ended(5, SessionEndReason::Exit);
    assert_eq!(
        of(&[prompt(1, "p"), end.clone()]).ended(),
        SessionEndReason::Exit
    );
    assert!(
        of(&[prompt(1, "p"), end.clone()]).is_in_turn,
        "the turn did not end"
    );
    let resume = started(6, SessionStartSource::Resume);
    for order in [[&end, &resume], [&resume, &end]] {
        assert_eq!(all(order).shown().ended, None);
    }
}

#[test]
fn a_plan_is_the_newest_whole_list_with_what_changed_after_it() {
    use PlanStepStatus::{Deleted, Done, InProgress, Open};
    let whole = planned(2, true, &[("1", "one", Open), ("2", "two", Open)]);
    let done = planned(3, false, &[("1", "", Done), ("2", "", Deleted)]);
    let new = planned(4, false, &[("3", "three", InProgress)]);
    let old = planned(1, true, &[("9", "old", Open)]);
    for order in [[&whole, &done, &new, &old], [&new, &done, &old, &whole]] {
        let state = all(order).shown();
        let mut steps: Vec<_> = state
            .plan
            .iter()
            .map(|step| (step.text.as_str(), step.status()))
            .collect();
        steps.sort();
        assert_eq!(steps, [("one", Done), ("three", InProgress)]);
    }
    let unknown = of(&[planned(3, false, &[("7", "", Done)])]);
    assert!(
        unknown.plan.is_empty(),
        "a step without a text names nothing"
    );
}

#[test]
fn figures_replace_each_other_and_what_is_not_told_stays() {
    let usage = |at, tokens, window| {
        let usage = UsageMeasured {
            context_tokens: tokens,
            context_window: window,
            ..UsageMeasured::default()
        };
        event(at, Event::UsageMeasured(usage))
    };
    let (old, new) = (usage(1, Some(10), Some(200)), usage(2, Some(20), None));
    for order in [[&old, &new], [&new, &old]] {
        let kept = all(order).shown().usage.unwrap();
        assert_eq!(
            (kept.context_tokens, kept.context_window),
            (Some(20), Some(200))
        );
    }
    assert_eq!(all([&old, &new]).changes, 0, "figures are no work");
}

#[test]
fn what_is_kept_is_bounded_whatever_comes() {
    let long = "/".to_owned() + &"x".repeat(4_000);
    let mut it = Observation::default();
    for at in 1..400 {
        let files: Vec<UsedFile> = (0..50)
            .flat_map(|n| written(&format!("{long}{at}.{n}")))
            .collect();
        let mut call = begun(at, &format!("a{at}"), &"s".repeat(500));
        let mut done = finished(at, &format!("b{at}"), "", ToolOutcome::Succeeded);
        if let (Some(Event::ToolCallStarted(call)), Some(Event::ToolCallFinished(done))) =
            (&mut call.event, &mut done.event)
        {
            call.files.clone_from(&files);
            done.files = files;
        }
        let (id, text) = (format!("step {at}"), "t".repeat(1_000));
        let plan = planned(at, false, &[(&id, &text, PlanStepStatus::Open)]);
        let agent = event(at, Event::SubagentStarted(Default::default()));
        let agent = in_agent(&format!("g{at}"), agent);
        for event in [call, done, plan, agent] {
            it = fold(it, &event, Seen::default());
        }
        assert!(
            it.encoded_len() <= MAX_OBSERVED_BYTES,
            "{}",
            it.encoded_len()
        );
    }
    let state = it.shown();
    assert!(state.edited_files.len() <= MAX_EDITED_FILES);
    assert!(state.open_tool_calls.len() <= MAX_OPEN_CALLS && state.plan.len() <= MAX_STEPS);
    assert!(!state.open_tool_calls.is_empty() && !state.edited_files.is_empty());
    assert_eq!(state.open_tool_calls.last().unwrap().tool_use_id, "a399");
    assert!(state.running_subagents.len() <= 50);
}
