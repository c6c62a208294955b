//! When a save speaks of a known task in other words.

use shim_proto::checkpoint::v1::CheckpointState;
use shim_render::likeness::{is_alike, is_longer_or_shorter, is_related};
use shim_render::verification::open_steps;
use shim_render::wording::is_same;

/// So many open steps that a save speaks of are no coincidence.
const MIN_STEPS: usize = 2;

/// Whether the save is the known task in other words, given what was known of it. What is taken for it wrongly would end or
/// replace open work, so it must speak of every open step; its text is alike, or is itself one of the steps. With several
/// steps to compare, its text may add to the other. Without any, it must hold all words of the other, and it must not end
/// the task.
pub(crate) fn is_reworded(earlier: &CheckpointState, new: &CheckpointState) -> bool {
    let planned = open_steps(earlier);
    let spoken = || new.next_steps.iter().chain(&new.completed_steps);
    let speaks_of = |step: &str| spoken().any(|said| is_same(said, step));
    let is_task = |step: &str| is_same(step, &new.current_task);
    if planned.iter().any(|step| is_task(step)) {
        let mut others = planned.iter().filter(|step| !is_task(step)).peekable();
        return others.peek().is_some() && others.all(|step| speaks_of(step));
    }
    let (before, now) = (&earlier.current_task, &new.current_task);
    if !planned.is_empty() && spoken().next().is_some() {
        let is_one = planned.iter().all(|step| speaks_of(step));
        let may_add = planned.len() >= MIN_STEPS && is_related(before, now);
        return is_one && (may_add || is_alike(before, now));
    }
    let is_ending = new.progress >= 1.0 && new.next_steps.is_empty();
    !is_ending && is_alike(before, now) && is_longer_or_shorter(before, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str, progress: f64, next: &[&str], completed: &[&str]) -> CheckpointState {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        CheckpointState {
            current_task: text.into(),
            progress,
            next_steps: list(next),
            completed_steps: list(completed),
            ..CheckpointState::default()
        }
    }

    #[test]
    fn a_task_in_other_words_goes_on_with_its_steps_and_never_ends_another_one() {
        let earlier = state(
            "Port the rate limiter",
            0.3,
            &["gather", "write it"],
            &["read"],
        );
        for (new, expected) in [
            (
                state(
                    "Porting the rate limiter: gather",
                    0.4,
                    &["write it"],
                    &["gather"],
                ),
                true,
            ),
            (state("write it", 0.5, &["test it"], &[]), false),
            (state("write it", 1.0, &[], &[]), false),
            (state("write it", 0.5, &["test it"], &["gather"]), true),
            (state("Port the rate counter", 1.0, &[], &["gather"]), false),
            (state("Port the rate counter", 0.4, &[], &[]), false),
            (state("Port the rate limiter, still", 0.4, &[], &[]), true),
            (state("Port the rate limiter's docs", 1.0, &[], &[]), false),
            (
                state("Port the rate limiter's docs", 0.5, &["translate"], &[]),
                false,
            ),
            (state("Check the links", 1.0, &[], &["gather"]), false),
            // Another deed on the same object is another task, whatever steps it names.
            (
                state("Remove the rate limiter", 0.4, &["write it"], &["gather"]),
                false,
            ),
            (
                state(
                    "Undo: port the rate limiter",
                    0.4,
                    &["gather", "write it"],
                    &[],
                ),
                false,
            ),
            (state("Do not port the rate limiter", 0.4, &[], &[]), false),
            // What it is about may grow if the save speaks of all that was open.
            (state("Port the rate limiter tests", 0.4, &[], &[]), false),
            (
                state(
                    "Port the rate limiter to tokio",
                    0.4,
                    &["write it"],
                    &["gather"],
                ),
                true,
            ),
        ] {
            assert_eq!(
                is_reworded(&earlier, &new),
                expected,
                "{}",
                new.current_task
            );
        }
    }
    #[test]
    fn one_step_in_common_does_not_make_an_addition_the_same_task() {
        let earlier = state("Refactor payment service", 0.4, &["run the tests"], &[]);
        for (text, expected) in [
            ("Refactor payment service tests", false),
            ("Refactoring payment service: extracting", true),
        ] {
            let new = state(text, 0.5, &["run the tests"], &[]);
            assert_eq!(is_reworded(&earlier, &new), expected, "{text}");
        }
    }
}
