//! The same events in any order give the same observation.

use std::collections::HashSet;

use proptest::prelude::*;
use shim_proto::checkpoint::v1::*;

use super::tests::*;
use super::*;

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
