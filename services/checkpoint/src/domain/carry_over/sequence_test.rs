//! Any sequence of saves beside a model that says the rule without lists.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shim_proto::checkpoint::v1::{ClaimKind, ClaimVerdict};
use shim_render::verification::verify_claims;

use super::*;

/// One save of the property: places of steps in a small pool.
#[derive(Debug, Clone)]
struct Save {
    next: Option<Vec<usize>>,
    completed: Vec<usize>,
    dropped: Vec<usize>,
    is_done: bool,
}

const POOL: [&str; 6] = [
    "run the tests",
    "fix grammar",
    "read",
    "write",
    "ship",
    "测试",
];

fn save() -> impl Strategy<Value = Save> {
    let steps = || proptest::collection::vec(0..POOL.len(), 0..4);
    (
        proptest::option::of(steps()),
        steps(),
        steps(),
        any::<bool>(),
    )
        .prop_map(|(next, completed, dropped, is_done)| Save {
            next,
            completed,
            dropped,
            is_done,
        })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Open,
    Finished,
    Dropped,
    LeftOpen,
}

/// What each step is after a save, said without lists: the newest save that speaks of a step decides.
fn model(known: &mut BTreeMap<usize, Is>, times: &mut BTreeMap<usize, usize>, save: &Save) {
    let before = known.clone();
    let named = |steps: &[usize], step: usize| steps.contains(&step);
    let next = save.next.clone().unwrap_or_default();
    let is_ended = save.is_done && next.is_empty();
    for step in 0..POOL.len() {
        // What was left open at the end of the task is planned if the task goes on.
        let was = before.get(&step).copied().map(|was| match was {
            Is::LeftOpen => Is::Open,
            was => was,
        });
        let completed = named(&save.completed, step);
        let is_open = if is_ended {
            false
        } else if save.next.is_some() {
            named(&next, step) && !(completed && was != Some(Is::Finished))
        } else {
            // Left out: each time that it is finished ends one of the times that it was planned.
            let left = times.get(&step).copied().unwrap_or(0)
                - usize::from(completed && was == Some(Is::Open));
            was == Some(Is::Open) && left > 0 && !named(&save.dropped, step)
        };
        let now = if is_open {
            Some(Is::Open)
        } else if completed {
            Some(Is::Finished)
        } else if named(&save.dropped, step) {
            Some(Is::Dropped)
        } else if named(&next, step) || was == Some(Is::Open) {
            Some(if is_ended { Is::LeftOpen } else { Is::Dropped })
        } else {
            was
        };
        let planned = if save.next.is_some() && !is_ended {
            next.iter().filter(|named| **named == step).count()
        } else {
            times.get(&step).copied().unwrap_or(0) - usize::from(completed && was == Some(Is::Open))
        };
        let is_planned = is_open || now == Some(Is::LeftOpen);
        times.insert(step, if is_planned { planned } else { 0 });
        if let Some(now) = now {
            known.insert(step, now);
        }
    }
}

fn texts(places: &[usize], spelling: usize) -> Vec<String> {
    let spelled = |place: &usize| match spelling % 3 {
        0 => POOL[*place].to_owned(),
        1 => format!(" {}.", POOL[*place].to_uppercase()),
        _ => POOL[*place].replace(' ', "  "),
    };
    places.iter().map(spelled).collect()
}

proptest! {
    /// For any sequence of saves, each step that was ever named is open, finished, dropped or left open, as the newest save that
    /// speaks of it says, and the counts of the answer are what a restore shows.
    #[test]
    fn every_step_is_what_the_newest_save_that_speaks_of_it_says(saves in proptest::collection::vec(save(), 1..8)) {
        let (mut known, mut times) = (BTreeMap::new(), BTreeMap::new());
        let mut state = CheckpointState::default();
        for (number, save) in saves.iter().enumerate() {
            let new = CheckpointState {
                progress: if save.is_done { 1.0 } else { 0.5 },
                next_steps: texts(save.next.as_deref().unwrap_or_default(), number),
                completed_steps: texts(&save.completed, number + 1),
                ..CheckpointState::default()
            };
            let changes = Changes {
                cleared: if save.next.is_some() { vec![StateField::NextSteps] } else { Vec::new() },
                dropped_steps: texts(&save.dropped, number + 2),
                ..Changes::default()
            };
            let merged = carry_over(state, number as u64, new, &changes);
            state = merged.state;
            model(&mut known, &mut times, save);
            for (place, text) in POOL.iter().enumerate() {
                let is_in = |items: &[String]| keys(items).contains(&normalised(text));
                let found = [
                    (Is::Open, is_in(&state.next_steps)),
                    (Is::Finished, is_in(&state.completed_steps)),
                    (Is::Dropped, is_in(&state.dropped_steps)),
                    (Is::LeftOpen, is_in(&state.left_open_steps)),
                ];
                let found: Vec<Is> = found.iter().filter(|(_, is_in)| *is_in).map(|(is, _)| *is).collect();
                let expected: Vec<Is> = known.get(&place).copied().into_iter().collect();
                prop_assert_eq!(found, expected, "{} after {:?}", text, &saves[..=number]);
            }
            let claims = verify_claims(&state, &[], None);
            let shown = |verdict| claims.iter().filter(|claim| {
                claim.kind() == ClaimKind::Step && claim.verdict() == verdict
            }).count();
            let kept = merged.report.kept.unwrap_or_default();
            prop_assert_eq!(kept.open_steps as usize, shown(ClaimVerdict::Open));
            prop_assert_eq!(kept.finished_steps as usize, shown(ClaimVerdict::Done));
        }
    }
}
