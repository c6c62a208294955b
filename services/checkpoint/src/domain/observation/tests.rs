#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;
use prost::Message;
use shim_proto::checkpoint::v1::*;
use shim_proto::limits::observation::{
    MAX_EDITED_FILES, MAX_OBSERVED_BYTES, MAX_OPEN_CALLS, MAX_STEPS,
};
use shim_sqlite::UnixMicros;

use super::binding::{OwnerLife, opens, takes_over};
use super::state::{beside_told, observed_only, told_task};
use super::*;

fn event(at: i64, told: Event) -> ObservedEvent {
    ObservedEvent {
        event_id: format!("e{at}"),
        at: Some(UnixMicros(at).into()),
        conversation: "c".into(),
        cwd: "/p".into(),
        event: Some(told),
        ..ObservedEvent::default()
    }
}

fn prompt(at: i64, text: &str) -> ObservedEvent {
    event(
        at,
        Event::PromptSubmitted(PromptSubmitted {
            text: text.into(),
            ..PromptSubmitted::default()
        }),
    )
}

fn begun(at: i64, id: &str, path: &str) -> ObservedEvent {
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

fn finished(at: i64, id: &str, path: &str, outcome: ToolOutcome) -> ObservedEvent {
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

fn turn_ended(at: i64, answer: &str) -> ObservedEvent {
    event(
        at,
        Event::TurnEnded(TurnEnded {
            outcome: TurnOutcome::Completed.into(),
            last_answer: answer.into(),
            ..TurnEnded::default()
        }),
    )
}

fn started(at: i64, source: SessionStartSource) -> ObservedEvent {
    event(
        at,
        Event::SessionStarted(SessionStarted {
            source: source.into(),
            ..SessionStarted::default()
        }),
    )
}

fn ended(at: i64, reason: SessionEndReason) -> ObservedEvent {
    event(
        at,
        Event::SessionEnded(SessionEnded {
            reason: reason.into(),
        }),
    )
}

fn planned(at: i64, is_whole: bool, steps: &[(&str, &str, PlanStepStatus)]) -> ObservedEvent {
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

fn in_agent(id: &str, mut it: ObservedEvent) -> ObservedEvent {
    it.agent_id = id.into();
    it
}

/// Folds as the store does: each half once, the other half known if it came before.
fn all<'a>(events: impl IntoIterator<Item = &'a ObservedEvent>) -> Observation {
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

fn of(events: &[ObservedEvent]) -> ObservedState {
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

#[test]
fn what_was_told_stays_as_it_was_told() {
    let told = CheckpointState {
        current_task: "port the lexer".into(),
        progress: 0.4,
        decisions: vec!["use nom".into()],
        next_steps: vec!["strings".into()],
        active_files: vec![FileState {
            path: "a.rs".into(),
            blake3: "h".into(),
            ..FileState::default()
        }],
        ..CheckpointState::default()
    };
    let it = all(&[
        prompt(1, "go on"),
        finished(2, "a", "/p/b", ToolOutcome::Succeeded),
    ]);
    let mut state = beside_told(told.clone(), 7, &it);
    assert_eq!(state.observed.take(), Some(it.shown()));
    assert_eq!(
        state.active_files[0].seen_at_number, 7,
        "nobody looked again"
    );
    state.active_files[0].seen_at_number = 0;
    assert_eq!(state, told);
}

#[test]
fn without_a_told_task_the_last_prompt_stands_for_it() {
    use PlanStepStatus::{Done, Open};
    let work = |last: PlanStepStatus| {
        vec![
            prompt(1, "  fix the parser\nand its tests"),
            planned(2, true, &[("", "parser", Done), ("", "tests", last)]),
            finished(3, "a", "/p/a", ToolOutcome::Succeeded),
        ]
    };
    let mut events = work(Open);
    events.push(turn_ended(4, "The parser works."));
    let state = observed_only(&all(&events));
    assert_eq!(state.current_task, "fix the parser\nand its tests");
    assert_eq!(
        (state.task_key.as_str(), state.is_task_observed),
        ("observed", true)
    );
    assert_eq!(state.next_steps, ["tests"]);
    assert_eq!(state.completed_steps, ["parser"]);
    assert_eq!(state.active_files[0].path, "/p/a");
    assert_eq!(
        (state.summary.as_str(), state.progress),
        ("The parser works.", 0.0)
    );

    let done = |tail: &[ObservedEvent]| {
        let events = work(Done).into_iter().chain(tail.iter().cloned());
        observed_only(&all(&events.collect::<Vec<_>>())).progress
    };
    assert_eq!(done(&[]), 0.0, "the turn goes on");
    assert_eq!(done(&[turn_ended(4, "")]), 1.0);
    let failed = event(
        4,
        Event::TurnEnded(TurnEnded {
            outcome: TurnOutcome::UsageLimit.into(),
            ..TurnEnded::default()
        }),
    );
    assert_eq!(done(&[failed]), 0.0);
    let next = [turn_ended(4, ""), prompt(5, "and now"), turn_ended(6, "")];
    assert_eq!(done(&next), 0.0, "the plan is of another prompt");
    assert_eq!(observed_only(&all(&[turn_ended(4, "x")])).progress, 0.0);
}

#[test]
fn a_told_task_goes_on_until_it_is_finished_and_a_person_asks_for_more() {
    let task = |key: &str, progress| SessionTask {
        task_key: key.into(),
        progress,
        saved_at: Some(UnixMicros(10).into()),
        ..SessionTask::default()
    };
    let it = |at| all(&[prompt(at, "more")]);
    let session = Session::default();
    let key = |tasks: &[SessionTask], at| {
        told_task(&session, tasks, &it(at)).map(|task| task.task_key.clone())
    };
    let some = |key: &str| Some(key.to_owned());
    assert_eq!(key(&[task("t1", 0.5)], 20), some("t1"));
    assert_eq!(key(&[task("t1", 1.0)], 5), some("t1"));
    assert_eq!(key(&[task("t1", 1.0)], 20), None);
    assert_eq!(key(&[task("observed", 0.0), task("t2", 0.5)], 5), None);
    assert_eq!(key(&[], 5), None);
}

#[test]
fn a_window_that_only_opened_leaves_nothing_and_work_opens_a_session() {
    for idle in [
        started(1, SessionStartSource::Resume),
        ended(1, SessionEndReason::Exit),
        event(1, Event::UsageMeasured(Default::default())),
        event(1, Event::CwdChanged(Default::default())),
    ] {
        assert!(!opens(&idle), "{idle:?}");
    }
    for work in [prompt(1, "p"), begun(1, "a", "/a"), turn_ended(1, "")] {
        assert!(opens(&work), "{work:?}");
    }
}

#[test]
fn a_session_goes_to_whom_lives_and_comes_later() {
    use OwnerLife::{Gone, Lives, Same};
    let of = |status: SessionStatus| Session {
        status: status.into(),
        interruption: Some(Interruption {
            at: Some(UnixMicros(10).into()),
            ..Interruption::default()
        }),
        ended_at: Some(UnixMicros(10).into()),
        ..Session::default()
    };
    let [active, lost, over] = [
        SessionStatus::Active,
        SessionStatus::Interrupted,
        SessionStatus::Ended,
    ]
    .map(of);
    let resume = |at| started(at, SessionStartSource::Resume);
    let mut read = prompt(20, "p");
    read.source = ObservationSource::Transcript.into();
    for (session, event, owner, alive, expected) in [
        (&active, resume(5), Gone, Some(true), true),
        (&active, resume(5), Lives, Some(true), false),
        (&active, prompt(5, "p"), Same, Some(true), false),
        (&active, resume(5), Gone, Some(false), false),
        (&lost, begun(20, "a", "/a"), Same, Some(true), true),
        (&lost, begun(5, "a", "/a"), Same, Some(true), false),
        (&lost, resume(5), Gone, Some(true), true),
        (&lost, resume(20), Gone, Some(false), false),
        (
            &lost,
            ended(20, SessionEndReason::Exit),
            Same,
            Some(true),
            false,
        ),
        (&lost, read, Gone, Some(true), false),
        (&over, prompt(20, "p"), Same, Some(true), true),
        (
            &over,
            finished(20, "a", "/a", ToolOutcome::Succeeded),
            Same,
            Some(true),
            false,
        ),
        (&over, resume(20), Same, None, true),
        (&over, resume(5), Same, Some(true), false),
    ] {
        let takes = takes_over(session, &event, owner, alive);
        assert_eq!(
            takes,
            expected,
            "{:?} {event:?} {owner:?} {alive:?}",
            session.status()
        );
    }
}

/// One of a few things that may happen, at a moment of its own.
fn something(at: i64) -> impl Strategy<Value = ObservedEvent> {
    (0..13_u8, 0..4_u8).prop_map(move |(kind, n)| {
        let (id, path) = (format!("call{n}"), format!("/p/{n}"));
        let agent = format!("agent{n}");
        let step = format!("{n}");
        match kind {
            0 => prompt(at, &format!("prompt {at}")),
            1 => begun(at, &id, &path),
            2 => finished(at, &id, &path, ToolOutcome::Succeeded),
            3 => finished(at, &id, &path, ToolOutcome::Failed),
            4 => turn_ended(at, &format!("answer {at}")),
            5 => started(at, SessionStartSource::Resume),
            6 => ended(at, SessionEndReason::Other),
            7 => in_agent(
                &agent,
                event(at, Event::SubagentStarted(Default::default())),
            ),
            8 => in_agent(&agent, event(at, Event::SubagentEnded(Default::default()))),
            9 => in_agent(&agent, begun(at, &format!("of{n}"), &path)),
            10 => planned(
                at,
                false,
                &[(&step, &format!("step {n}"), PlanStepStatus::Done)],
            ),
            11 => planned(
                at,
                true,
                &[(&step, &format!("step {n}"), PlanStepStatus::Open)],
            ),
            _ => event(
                at,
                Event::CompactionFinished(CompactionFinished {
                    summary: format!("summary {at}"),
                    ..CompactionFinished::default()
                }),
            ),
        }
    })
}

/// Of what is told twice under one name the first telling counts; here each is told once.
fn once(events: Vec<ObservedEvent>) -> Vec<ObservedEvent> {
    let mut halves = HashSet::new();
    let is_new =
        |event: &ObservedEvent| Half::of(event).is_none_or(|half| halves.insert(half.key()));
    let mut events = events;
    let mut is_new = is_new;
    events.retain(|event| is_new(event));
    events
}

proptest! {
    #[test]
    fn the_order_in_which_events_come_changes_nothing(
        events in (1..40_i64).map(something).collect::<Vec<_>>(),
        seed in any::<u64>(),
    ) {
        let events = once(events);
        let mut mixed = events.clone();
        // A permutation by a hash of each place.
        mixed.sort_by_key(|event| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes());
            hasher.update(event.event_id.as_bytes());
            *hasher.finalize().as_bytes()
        });
        let (mut one, mut other) = (of(&events), of(&mixed));
        for state in [&mut one, &mut other] {
            state.plan.sort_by(|a, b| a.step_id.cmp(&b.step_id));
            state.running_subagents.sort();
        }
        prop_assert_eq!(one, other);
    }
}
