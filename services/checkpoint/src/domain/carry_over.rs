//! What a new checkpoint inherits from the one before: decisions and finished steps, which clients tend to send
//! only once, so that intent survives however little the next save repeats.

use std::collections::HashSet;

use shim_proto::checkpoint::v1::CheckpointState;

/// The longest a carried list grows; the oldest go first.
pub(crate) const MAX_CARRIED: usize = 1_000;

/// A carried list stops growing at this many bytes, so that inheriting never makes a state too large to save.
const MAX_CARRIED_BYTES: usize = 256 * 1024;

/// Adds the earlier state's decisions and completed steps in front of the new ones, and drops next steps that are
/// completed.
pub(crate) fn carry_over(earlier: CheckpointState, new: &mut CheckpointState) {
    new.decisions = joined(earlier.decisions, std::mem::take(&mut new.decisions));
    new.completed_steps = joined(
        earlier.completed_steps,
        std::mem::take(&mut new.completed_steps),
    );
    let done: HashSet<&str> = new.completed_steps.iter().map(String::as_str).collect();
    new.next_steps.retain(|step| !done.contains(step.as_str()));
}

/// Earlier items first, without those repeated later, cut at the front to the limits.
fn joined(earlier: Vec<String>, new: Vec<String>) -> Vec<String> {
    let repeated: HashSet<String> = new.iter().cloned().collect();
    let mut all: Vec<String> = earlier
        .into_iter()
        .filter(|item| !repeated.contains(item))
        .chain(new)
        .collect();
    let mut bytes: usize = all.iter().map(String::len).sum();
    let mut drop = all.len().saturating_sub(MAX_CARRIED);
    bytes -= all[..drop].iter().map(String::len).sum::<usize>();
    while bytes > MAX_CARRIED_BYTES && drop < all.len() {
        bytes -= all[drop].len();
        drop += 1;
    }
    all.drain(..drop);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn finished_steps_stay_finished_and_are_not_next_again() {
        let earlier = CheckpointState {
            decisions: list(&["use SQLite"]),
            completed_steps: list(&["read", "design"]),
            ..Default::default()
        };
        let mut new = CheckpointState {
            completed_steps: list(&["design", "build"]),
            next_steps: list(&["read", "test"]),
            ..Default::default()
        };
        carry_over(earlier, &mut new);
        assert_eq!(new.decisions, list(&["use SQLite"]));
        assert_eq!(new.completed_steps, list(&["read", "design", "build"]));
        assert_eq!(new.next_steps, list(&["test"]));
    }

    #[test]
    fn carried_lists_are_bounded_and_lose_the_oldest() {
        let many: Vec<String> = (0..MAX_CARRIED).map(|i| format!("old {i}")).collect();
        let mut new = CheckpointState {
            completed_steps: list(&["new"]),
            ..Default::default()
        };
        carry_over(
            CheckpointState {
                completed_steps: many,
                ..Default::default()
            },
            &mut new,
        );
        assert_eq!(new.completed_steps.len(), MAX_CARRIED);
        assert_eq!(new.completed_steps[0], "old 1");
        let heavy: Vec<String> = (0..100)
            .map(|i| format!("{i}{}", "x".repeat(8_000)))
            .collect();
        let mut new = CheckpointState {
            decisions: list(&["newest"]),
            ..Default::default()
        };
        carry_over(
            CheckpointState {
                decisions: heavy,
                ..Default::default()
            },
            &mut new,
        );
        assert!(new.decisions.iter().map(String::len).sum::<usize>() <= MAX_CARRIED_BYTES);
        assert_eq!(new.decisions.last().map(String::as_str), Some("newest"));
    }
}
