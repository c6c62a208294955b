//! The model's own list of steps: a whole list replaces what is older, and a change is of the step that it names.

use shim_proto::checkpoint::v1::{PlanStep, PlanStepStatus, PlanUpdate};

use super::KeptStep;

/// Takes an update in. `planned` is the time of the newest whole list.
pub(super) fn update(kept: &mut Vec<KeptStep>, planned: &mut i64, update: &PlanUpdate, at: i64) {
    if update.is_whole {
        replace(kept, planned, &update.steps, at);
    } else if at >= *planned {
        for step in &update.steps {
            change(kept, step, at);
        }
    }
}

/// A whole list; what changed after it stays changed.
fn replace(kept: &mut Vec<KeptStep>, planned: &mut i64, steps: &[PlanStep], at: i64) {
    if at < *planned {
        return;
    }
    *planned = at;
    let later: Vec<KeptStep> = std::mem::take(kept)
        .into_iter()
        .filter(|step| step.changed > at)
        .collect();
    kept.extend(steps.iter().map(|step| new(step, at)));
    for it in later {
        change(kept, &it.step, it.changed);
    }
}

fn new(told: &PlanStep, at: i64) -> KeptStep {
    KeptStep {
        step: told.clone(),
        changed: at,
        worded: if told.text.is_empty() { 0 } else { at },
    }
}

fn change(kept: &mut Vec<KeptStep>, told: &PlanStep, at: i64) {
    let is_it = |kept: &&mut KeptStep| match told.step_id.as_str() {
        "" => kept.step.step_id.is_empty() && kept.step.text == told.text,
        id => kept.step.step_id == id,
    };
    let Some(known) = kept.iter_mut().find(is_it) else {
        // A change of a step whose beginning was not seen names nothing that could be shown before its text is known.
        return kept.push(new(told, at));
    };
    if at >= known.changed {
        known.changed = at;
        known.step.status = told.status;
    }
    if at >= known.worded && !told.text.is_empty() {
        known.worded = at;
        known.step.text.clone_from(&told.text);
    }
}

/// The list as it is shown: without what was taken off it, and without steps whose text was never told.
pub(super) fn shown(kept: &[KeptStep]) -> Vec<PlanStep> {
    let shown = kept.iter().map(|kept| &kept.step);
    let shown = shown.filter(|step| step.status() != PlanStepStatus::Deleted);
    shown
        .filter(|step| !step.text.is_empty())
        .cloned()
        .collect()
}

/// Drops one step, the least that is lost: one taken off, else the first that is done, else the first.
pub(super) fn drop_one(kept: &mut Vec<KeptStep>) -> bool {
    let of = |status| kept.iter().position(|kept| kept.step.status() == status);
    let place = of(PlanStepStatus::Deleted).or_else(|| of(PlanStepStatus::Done));
    let place = place.or((!kept.is_empty()).then_some(0));
    place.map(|place| kept.remove(place)).is_some()
}
