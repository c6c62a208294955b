//! What a new checkpoint of a task inherits from the one before: models tend to say things once, so that intent survives
//! however little the next save repeats.
//!
//! (A) Each step that was ever named is open, finished or dropped, and the newest save that speaks of it decides which: a
//! step it names as next is open, one it names as completed is finished, one it drops or leaves out of a new plan is
//! dropped. A step that is open when its task is saved as finished is left open: nobody said that it was done. (B) Decisions stay in the order in which they were taken, until they are taken back. (C) A field that is left
//! empty keeps what it had, unless the save clears it. (D) The report counts what the checkpoint holds.

use std::collections::HashSet;

use prost::Message;
use shim_proto::checkpoint::v1::{CheckpointState, ItemCounts, SaveReport, StateField};
use shim_proto::limits::checkpoint::MAX_MERGED_STATE_BYTES;
use shim_render::verification::open_steps;
use shim_render::wording::normalised;

/// The longest a carried list grows; the oldest go first.
pub(crate) const MAX_CARRIED: usize = 1_000;

/// A carried list stops growing at this many bytes, so that inheriting never makes a state too large to save.
const MAX_CARRIED_BYTES: usize = 256 * 1024;

/// What a save says beside its state.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Changes {
    /// Fields that are empty on purpose.
    pub(crate) cleared: Vec<StateField>,
    pub(crate) retracted_decisions: Vec<String>,
    pub(crate) dropped_steps: Vec<String>,
}

impl Changes {
    fn clears(&self, field: StateField) -> bool {
        self.cleared.contains(&field)
    }
}

/// The state to keep, and what became of what was named.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Merged {
    pub(crate) state: CheckpointState,
    pub(crate) report: SaveReport,
}

/// A save that goes on from `earlier`, the state of checkpoint `number` of the same task; from nothing if the task is new.
pub(crate) fn carry_over(
    earlier: CheckpointState,
    number: u64,
    new: CheckpointState,
    changes: &Changes,
) -> Merged {
    let mut report = SaveReport {
        carried_from_number: number,
        ..SaveReport::default()
    };
    let named = new.clone();
    let mut state = new;
    if state.task_key.is_empty() {
        state.task_key.clone_from(&earlier.task_key);
    }
    merge_decisions(&earlier, &mut state, changes, &mut report);
    merge_steps(&earlier, &mut state, changes, &mut report);
    keep_fields(earlier, number, &mut state, changes, &mut report);
    let mut merged = Merged { state, report };
    merged.report.kept = Some(counts(&merged.state));
    merged.report.carried_over = Some(carried(&merged.state, &named));
    merged
}

/// What a state holds, as a restore shows it.
pub(crate) fn counts(state: &CheckpointState) -> ItemCounts {
    let count = |length| u32::try_from(length).unwrap_or(u32::MAX);
    ItemCounts {
        decisions: count(state.decisions.len()),
        open_steps: count(open_steps(state).len()),
        finished_steps: count(state.completed_steps.len()),
        blockers: count(state.blockers.len()),
        active_files: count(state.active_files.len()),
    }
}

/// What of a state the save did not name itself.
fn carried(state: &CheckpointState, named: &CheckpointState) -> ItemCounts {
    let unnamed = |kept: &[String], named: &[String]| {
        let named = keys(named);
        let unnamed = kept
            .iter()
            .filter(|item| !named.contains(&normalised(item)));
        u32::try_from(unnamed.count()).unwrap_or(u32::MAX)
    };
    let whole = |kept: usize, named: usize| match named {
        0 => u32::try_from(kept).unwrap_or(u32::MAX),
        _ => 0,
    };
    ItemCounts {
        decisions: unnamed(&state.decisions, &named.decisions),
        open_steps: unnamed(&state.next_steps, &named.next_steps),
        finished_steps: unnamed(&state.completed_steps, &named.completed_steps),
        blockers: whole(state.blockers.len(), named.blockers.len()),
        active_files: whole(state.active_files.len(), named.active_files.len()),
    }
}

fn keys(items: &[String]) -> HashSet<String> {
    items.iter().map(|item| normalised(item)).collect()
}

/// The items in their order, each once.
fn once(items: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut items: Vec<String> = items.into_iter().collect();
    items.retain(|item| seen.insert(normalised(item)));
    items
}

fn without(mut items: Vec<String>, gone: &HashSet<String>) -> Vec<String> {
    items.retain(|item| !gone.contains(&normalised(item)));
    items
}

/// Earlier decisions in their order, but for those taken back, then the new ones.
fn merge_decisions(
    earlier: &CheckpointState,
    state: &mut CheckpointState,
    changes: &Changes,
    report: &mut SaveReport,
) {
    let mut kept = earlier.decisions.clone();
    for words in &changes.retracted_decisions {
        match position_of(&kept, words) {
            Some(position) => report.retracted_decisions.push(kept.remove(position)),
            None if !keys(&earlier.retracted_decisions).contains(&normalised(words)) => {
                report.unknown_decisions.push(words.clone());
                report
                    .similar_decisions
                    .extend(beginning_with(&kept, words));
            }
            None => {}
        }
    }
    report.similar_decisions = once(std::mem::take(&mut report.similar_decisions));
    let new = std::mem::take(&mut state.decisions);
    let taken_back = earlier.retracted_decisions.iter().cloned();
    let taken_back = taken_back.chain(report.retracted_decisions.iter().cloned());
    state.decisions = bounded(once(kept.into_iter().chain(new)));
    // A decision that is taken again holds again.
    let again = keys(&state.decisions);
    state.retracted_decisions = bounded(without(once(taken_back), &again));
}

/// The decision of these words. A beginning is none, since "Use C" is not "Use C#", unless it ends with the mark of a cut, as
/// SHIM shows long texts, and only one decision begins so.
fn position_of(decisions: &[String], words: &str) -> Option<usize> {
    let key = normalised(words);
    let is_whole = |decision: &String| normalised(decision) == key;
    decisions.iter().position(is_whole).or_else(|| {
        let cut = words.trim_end().strip_suffix('…')?;
        let mut matching = (0..decisions.len()).filter(|at| begins_with(&decisions[*at], cut));
        let first = matching.next()?;
        matching.next().is_none().then_some(first)
    })
}

/// The decisions that may have been meant.
fn beginning_with<'a>(
    decisions: &'a [String],
    words: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let alike = decisions.iter();
    alike
        .filter(move |decision| begins_with(decision, words))
        .cloned()
}

fn begins_with(decision: &str, words: &str) -> bool {
    let words = normalised(words);
    !words.is_empty() && normalised(decision).starts_with(&words)
}

fn merge_steps(
    earlier: &CheckpointState,
    state: &mut CheckpointState,
    changes: &Changes,
    report: &mut SaveReport,
) {
    let planned = open_before(earlier);
    let completed = once(std::mem::take(&mut state.completed_steps));
    let next = std::mem::take(&mut state.next_steps);
    let is_new_plan = !next.is_empty() || changes.clears(StateField::NextSteps);
    let is_ended = state.progress >= 1.0 && next.is_empty();
    let left = without_finished(planned.clone(), &completed);
    let left = without(left, &keys(&changes.dropped_steps));
    report.unknown_steps = unknown_steps(earlier, &next, &completed, changes);
    let (plan, left_open) = match (is_ended, is_new_plan) {
        (true, _) => (Vec::new(), without(left, &keys(&completed))),
        (false, false) => (left, Vec::new()),
        (false, true) => (new_plan(next, &completed, earlier, report), Vec::new()),
    };
    report.left_open_steps = once(left_open.clone());
    report.reopened_steps = reopened(&plan, earlier);

    let mut open = keys(&plan);
    open.extend(keys(&left_open));
    let dropped_by_name = dropped_by_name(changes, &open, &completed);
    let finished = finished(earlier, completed, &open, &dropped_by_name);
    let done = keys(&finished);
    let left_out = without(without(planned, &open), &done);
    report.dropped_steps = once(dropped_by_name.into_iter().chain(left_out));
    let dropped = earlier.dropped_steps.iter().chain(&report.dropped_steps);
    let dropped = once(dropped.cloned());
    state.dropped_steps = bounded(without(without(dropped, &open), &done));
    state.completed_steps = bounded(finished);
    state.left_open_steps = bounded(left_open);
    state.next_steps = plan;
}

/// The steps that were to be done before the save, those that an end left open among them.
fn open_before(earlier: &CheckpointState) -> Vec<String> {
    let open = open_steps(earlier);
    open.into_iter()
        .chain(&earlier.left_open_steps)
        .cloned()
        .collect()
}

/// The steps that the save drops and does not name as open or completed, too.
fn dropped_by_name(changes: &Changes, open: &HashSet<String>, completed: &[String]) -> Vec<String> {
    let dropped = once(changes.dropped_steps.clone());
    without(without(dropped, open), &keys(completed))
}

/// The steps that are finished after the save: what is open again or dropped is not.
fn finished(
    earlier: &CheckpointState,
    completed: Vec<String>,
    open: &HashSet<String>,
    dropped: &[String],
) -> Vec<String> {
    let finished = earlier.completed_steps.iter().cloned();
    let finished = once(finished.chain(completed));
    without(without(finished, open), &keys(dropped))
}

/// Steps to be dropped that neither the task nor the save has.
fn unknown_steps(
    earlier: &CheckpointState,
    next: &[String],
    completed: &[String],
    changes: &Changes,
) -> Vec<String> {
    let lists = [
        &earlier.next_steps,
        &earlier.completed_steps,
        &earlier.dropped_steps,
        &earlier.left_open_steps,
    ];
    let known = lists.into_iter().flatten().chain(next).chain(completed);
    let known: HashSet<String> = known.map(|step| normalised(step)).collect();
    let unknown = changes.dropped_steps.iter();
    let unknown = unknown.filter(|step| !known.contains(&normalised(step)));
    once(unknown.cloned())
}

/// The steps of a plan that were finished, dropped or left open before.
fn reopened(plan: &[String], earlier: &CheckpointState) -> Vec<String> {
    let before = earlier.completed_steps.iter().chain(&earlier.dropped_steps);
    let before = before.chain(&earlier.left_open_steps);
    let before: HashSet<String> = before.map(|step| normalised(step)).collect();
    let is_reopened = |step: &&String| before.contains(&normalised(step));
    once(plan.iter().filter(is_reopened).cloned())
}

/// The plan that a save gives. A step that it names as finished, too, was copied from the old plan: it is finished, unless
/// it had been finished before and so comes again.
fn new_plan(
    next: Vec<String>,
    completed: &[String],
    earlier: &CheckpointState,
    report: &mut SaveReport,
) -> Vec<String> {
    let completed = keys(completed);
    let finished_before = keys(&earlier.completed_steps);
    let is_copied = |step: &String| {
        let key = normalised(step);
        completed.contains(&key) && !finished_before.contains(&key)
    };
    let (copied, plan): (Vec<_>, Vec<_>) = next.into_iter().partition(is_copied);
    report.finished_and_next = once(copied);
    plan
}

/// A plan without what was finished since: each finished step ends its first occurrence.
fn without_finished(mut plan: Vec<String>, completed: &[String]) -> Vec<String> {
    for step in completed {
        let key = normalised(step);
        if let Some(position) = plan.iter().position(|planned| normalised(planned) == key) {
            plan.remove(position);
        }
    }
    plan
}

/// What else a save left empty keeps what it had, as far as there is room.
fn keep_fields(
    earlier: CheckpointState,
    number: u64,
    state: &mut CheckpointState,
    changes: &Changes,
    report: &mut SaveReport,
) {
    let is_finished = state.progress >= 1.0 && state.next_steps.is_empty();
    let mut room = MAX_MERGED_STATE_BYTES.saturating_sub(state.encoded_len());
    let mut fits = |bytes: usize| {
        let fits = bytes <= room;
        room -= if fits { bytes } else { 0 };
        report.is_incomplete |= !fits;
        fits
    };
    if state.active_files.is_empty() && !changes.clears(StateField::ActiveFiles) {
        let mut files = earlier.active_files;
        for file in files.iter_mut().filter(|file| file.seen_at_number == 0) {
            file.seen_at_number = number;
        }
        if fits(files.iter().map(|file| file.encoded_len() + 5).sum()) {
            state.active_files = files;
        }
    }
    let keeps_blockers = !changes.clears(StateField::Blockers) && !is_finished;
    if state.blockers.is_empty() && keeps_blockers && fits(bytes_of(&earlier.blockers)) {
        state.blockers = earlier.blockers;
    }
    let keeps_summary = !changes.clears(StateField::Summary);
    if state.summary.is_empty() && keeps_summary && fits(earlier.summary.len() + 5) {
        state.summary = earlier.summary;
    }
    let custom = earlier
        .custom
        .filter(|_| !changes.clears(StateField::Custom));
    if state.custom.is_none() && fits(custom.as_ref().map_or(0, |custom| custom.encoded_len() + 5))
    {
        state.custom = custom;
    }
}

fn bytes_of(items: &[String]) -> usize {
    items.iter().map(|item| item.len() + 5).sum()
}

/// The items, cut at the front to the limits.
fn bounded(mut items: Vec<String>) -> Vec<String> {
    let mut bytes: usize = items.iter().map(String::len).sum();
    let mut drop = items.len().saturating_sub(MAX_CARRIED);
    bytes -= items[..drop].iter().map(String::len).sum::<usize>();
    while bytes > MAX_CARRIED_BYTES && drop < items.len() {
        bytes -= items[drop].len();
        drop += 1;
    }
    items.drain(..drop);
    items
}

#[cfg(test)]
mod sequence_test;
#[cfg(test)]
mod tests;
