//! When a save speaks of a known task in other words.

use shim_proto::checkpoint::v1::CheckpointState;
use shim_render::verification::open_steps;
use shim_render::wording::{is_alike, is_same};

/// Whether the save is the known task in other words, given what was known of it: the texts are alike and the steps go
/// on, or the new text is one of the steps. A save that ends a task must name one of its steps.
pub(crate) fn is_reworded(earlier: &CheckpointState, new: &CheckpointState) -> bool {
    let planned = open_steps(earlier);
    if planned.iter().any(|step| is_same(step, &new.current_task)) {
        return true;
    }
    if !is_alike(&earlier.current_task, &new.current_task) {
        return false;
    }
    let earlier_steps = || earlier.next_steps.iter().chain(&earlier.completed_steps);
    let mut new_steps = new.next_steps.iter().chain(&new.completed_steps);
    let names_none = new.next_steps.is_empty() && new.completed_steps.is_empty();
    let is_ending = new.progress >= 1.0 && new.next_steps.is_empty();
    let had_none = earlier_steps().next().is_none();
    (had_none || names_none) && !is_ending
        || new_steps.any(|step| earlier_steps().any(|earlier| is_same(earlier, step)))
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
            (state("write it", 0.5, &["test it"], &[]), true),
            (state("Port the rate limiter, still", 0.4, &[], &[]), true),
            (state("Port the rate limiter's docs", 1.0, &[], &[]), false),
            (
                state("Port the rate limiter's docs", 0.5, &["translate"], &[]),
                false,
            ),
            (state("Check the links", 1.0, &[], &["gather"]), false),
        ] {
            assert_eq!(
                is_reworded(&earlier, &new),
                expected,
                "{}",
                new.current_task
            );
        }
    }
}
