//! The words in which a checkpoint hands a task over to its next worker. Pure.

use shim_proto::checkpoint::v1::CheckpointState;

/// What an earlier worker left of a task, for people and models.
pub(super) fn render(state: &CheckpointState) -> String {
    let mut text = format!(
        "An earlier worker got {:.0} % of this done before it was lost. Do not repeat what is finished; check it, and \
         go on.\n",
        state.progress * 100.0
    );
    let sections = [
        ("What it did, in order", &state.completed_steps),
        ("What it decided", &state.decisions),
        ("What it wanted to do next", &state.next_steps),
        ("What stood in its way", &state.blockers),
    ];
    for (title, items) in sections {
        if !items.is_empty() {
            text.push_str(&format!("\n{title}:\n- {}\n", items.join("\n- ")));
        }
    }
    if !state.summary.is_empty() {
        text.push_str(&format!("\nIts summary:\n{}\n", state.summary));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_holds_what_the_checkpoint_knows_and_no_empty_section() {
        let state = CheckpointState {
            progress: 0.5,
            completed_steps: vec!["Read x".to_owned(), "Counted half".to_owned()],
            summary: "Half is counted.".to_owned(),
            ..CheckpointState::default()
        };
        let expected = "An earlier worker got 50 % of this done before it was lost. Do not repeat what is finished; \
                        check it, and go on.\n\nWhat it did, in order:\n- Read x\n- Counted half\n\nIts summary:\n\
                        Half is counted.\n";
        assert_eq!(render(&state), expected);
    }
}
