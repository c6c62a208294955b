//! What a save makes of steps, decisions and other fields: single cases.

use shim_proto::checkpoint::v1::FileState;

use super::*;

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// A save of next steps and completed steps.
fn steps(next: &[&str], completed: &[&str]) -> CheckpointState {
    CheckpointState {
        progress: 0.5,
        next_steps: list(next),
        completed_steps: list(completed),
        ..CheckpointState::default()
    }
}

fn after(earlier: &CheckpointState, new: CheckpointState) -> Merged {
    carry_over(earlier.clone(), 1, new, &Changes::default())
}

#[test]
fn the_newest_save_that_names_a_step_decides_whether_it_is_open() {
    for (earlier, new, open, finished, dropped) in [
        // A step that comes again.
        (
            steps(&[], &["run the tests"]),
            steps(&["fix grammar", "run the tests"], &[]),
            &["fix grammar", "run the tests"][..],
            &[][..],
            &[][..],
        ),
        (
            steps(&[], &["run"]),
            steps(&["Run."], &["run", "fix"]),
            &["Run."],
            &["fix"],
            &[],
        ),
        // A plan that was copied with the step that is finished now.
        (
            steps(&["run", "fix"], &[]),
            steps(&["run", "fix"], &["run"]),
            &["fix"],
            &["run"],
            &[],
        ),
        (
            steps(&[], &[]),
            steps(&["run", "fix"], &["run"]),
            &["fix"],
            &["run"],
            &[],
        ),
        // Left out: the plan stays but for what was finished.
        (
            steps(&["run", "fix"], &[]),
            steps(&[], &["fix"]),
            &["run"],
            &["fix"],
            &[],
        ),
        (
            steps(&["run", "fix", "run"], &[]),
            steps(&[], &["run"]),
            &["fix", "run"],
            &[],
            &[],
        ),
        // A new plan drops what it leaves out, and can bring it back.
        (
            steps(&["run", "fix"], &["read"]),
            steps(&["fix", "ship"], &[]),
            &["fix", "ship"],
            &["read"],
            &["run"],
        ),
    ] {
        let merged = after(&earlier, new.clone());
        let state = &merged.state;
        assert_eq!(state.next_steps, list(open), "{earlier:?} {new:?}");
        assert_eq!(state.completed_steps, list(finished), "{earlier:?} {new:?}");
        assert_eq!(state.dropped_steps, list(dropped), "{earlier:?} {new:?}");
    }
    let dropped = after(&steps(&["run", "fix"], &[]), steps(&["fix"], &[])).state;
    let back = after(&dropped, steps(&["run"], &["fix"]));
    assert_eq!(back.report.reopened_steps, ["run"]);
    assert_eq!(
        (back.state.next_steps, back.state.dropped_steps),
        (list(&["run"]), Vec::new())
    );
}

#[test]
fn what_is_open_at_the_end_of_a_task_is_left_open_and_not_finished() {
    let earlier = steps(&["run", "fix", "ship"], &["read"]);
    let ending = |next: &[&str]| CheckpointState {
        progress: 1.0,
        ..steps(next, &["run"])
    };
    let merged = after(&earlier, ending(&[]));
    assert_eq!(merged.state.completed_steps, ["read", "run"]);
    assert_eq!(merged.state.left_open_steps, ["fix", "ship"]);
    assert_eq!(merged.report.left_open_steps, ["fix", "ship"]);
    assert!(merged.state.next_steps.is_empty() && merged.state.dropped_steps.is_empty());
    let cleared = Changes {
        cleared: vec![StateField::NextSteps],
        dropped_steps: list(&["Ship."]),
        ..Changes::default()
    };
    let cleared = carry_over(earlier.clone(), 1, ending(&[]), &cleared).state;
    assert_eq!(cleared.left_open_steps, ["fix"]);
    assert_eq!(cleared.dropped_steps, ["Ship."]);
    let named = after(&earlier, ending(&["ship"])).state;
    assert_eq!(
        (named.next_steps, named.left_open_steps.len()),
        (list(&["ship"]), 0)
    );

    // They can be named as finished later, and a task that goes on has them open again.
    let end = merged.state;
    let finished = CheckpointState {
        progress: 1.0,
        ..steps(&[], &["Fix"])
    };
    let finished = after(&end, finished).state;
    assert_eq!(finished.completed_steps, ["read", "run", "Fix"]);
    assert_eq!(finished.left_open_steps, ["ship"]);
    let goes_on = after(&end, steps(&[], &[]));
    assert_eq!(goes_on.state.next_steps, ["fix", "ship"]);
    assert_eq!(goes_on.report.reopened_steps, ["fix", "ship"]);
    assert!(goes_on.state.left_open_steps.is_empty());
    let planned = after(&end, steps(&["ship"], &[])).state;
    assert_eq!(
        (planned.next_steps, planned.dropped_steps),
        (list(&["ship"]), list(&["fix"]))
    );
}

#[test]
fn one_text_in_composed_and_decomposed_letters_is_one_item() {
    let (composed, decomposed) = ("menu of the caf\u{e9}", "menu of the cafe\u{301}");
    let earlier = CheckpointState {
        decisions: list(&[composed]),
        ..steps(&[composed, "other"], &[])
    };
    let finished = after(&earlier, steps(&[], &[decomposed])).state;
    assert_eq!(finished.next_steps, ["other"]);
    let again = CheckpointState {
        decisions: list(&[decomposed]),
        ..steps(&[], &[])
    };
    assert_eq!(after(&earlier, again).state.decisions, [composed]);
    let taken_back = Changes {
        retracted_decisions: list(&[decomposed]),
        dropped_steps: list(&[decomposed, "never planned"]),
        ..Changes::default()
    };
    let merged = carry_over(earlier, 1, steps(&[], &[]), &taken_back);
    assert!(merged.state.decisions.is_empty() && merged.report.unknown_decisions.is_empty());
    assert_eq!(merged.state.next_steps, ["other"]);
    assert_eq!(merged.report.unknown_steps, ["never planned"]);
}

#[test]
fn decisions_keep_their_order_and_can_be_taken_back() {
    let decided = |items: &[&str]| CheckpointState {
        decisions: list(items),
        ..CheckpointState::default()
    };
    let retracting = |items: &[&str]| Changes {
        retracted_decisions: list(items),
        ..Changes::default()
    };
    let earlier = decided(&["use SQLite: one file", "tabs", "no threads"]);
    let merged = after(&earlier, decided(&["Tabs.", "two crates"]));
    let kept = ["use SQLite: one file", "tabs", "no threads", "two crates"];
    assert_eq!(merged.state.decisions, kept);
    for (words, left, unknown) in [
        (
            "tabs",
            &["use SQLite: one file", "no threads", "use Redis"][..],
            0,
        ),
        (
            "Use SQLite: One file.",
            &["tabs", "no threads", "use Redis"],
            0,
        ),
        ("use sqlite…", &["tabs", "no threads", "use Redis"], 0),
        (
            "use sqlite",
            &["use SQLite: one file", "tabs", "no threads", "use Redis"],
            1,
        ),
        (
            "t",
            &["use SQLite: one file", "tabs", "no threads", "use Redis"],
            1,
        ),
        (
            "spaces",
            &["use SQLite: one file", "tabs", "no threads", "use Redis"],
            1,
        ),
    ] {
        let merged = carry_over(
            earlier.clone(),
            1,
            decided(&["use Redis"]),
            &retracting(&[words]),
        );
        assert_eq!(merged.state.decisions, list(left), "{words}");
        assert_eq!(merged.report.unknown_decisions.len(), unknown, "{words}");
        assert_eq!(
            merged.state.retracted_decisions.len(),
            1 - unknown,
            "{words}"
        );
    }
    let languages = decided(&["Use C#", "Use C++ for the kernel", "Use Cargo…"]);
    let merged = carry_over(
        languages.clone(),
        1,
        decided(&[]),
        &retracting(&["use C", "Use"]),
    );
    assert_eq!(merged.state.decisions, languages.decisions);
    assert_eq!(merged.report.unknown_decisions, ["use C", "Use"]);
    assert_eq!(merged.report.similar_decisions, languages.decisions);
    for ambiguous in ["Use C…", "…", ""] {
        let merged = carry_over(
            languages.clone(),
            1,
            decided(&[]),
            &retracting(&[ambiguous]),
        );
        assert_eq!(merged.state.decisions, languages.decisions, "{ambiguous:?}");
    }
    let gone = carry_over(earlier, 1, decided(&[]), &retracting(&["tabs"])).state;
    let repeated = carry_over(gone.clone(), 2, decided(&[]), &retracting(&["tabs"]));
    assert!(
        repeated.report.unknown_decisions.is_empty(),
        "it was taken back before"
    );
    let again = after(&gone, decided(&["tabs"])).state;
    assert_eq!(again.decisions.last().map(String::as_str), Some("tabs"));
    assert!(again.retracted_decisions.is_empty());
}

#[test]
fn what_is_left_out_stays_and_what_is_cleared_goes() {
    let earlier = CheckpointState {
        progress: 0.5,
        active_files: vec![FileState {
            path: "a.rs".into(),
            ..FileState::default()
        }],
        blockers: list(&["no key"]),
        summary: "so far".into(),
        ..CheckpointState::default()
    };
    let merged = carry_over(
        earlier.clone(),
        7,
        CheckpointState::default(),
        &Changes::default(),
    );
    assert_eq!(merged.state.active_files[0].seen_at_number, 7);
    assert_eq!(
        merged.report.carried_over.map(|counts| counts.active_files),
        Some(1)
    );
    assert_eq!(
        (merged.state.blockers.len(), merged.state.summary.as_str()),
        (1, "so far")
    );
    let later = carry_over(
        merged.state,
        8,
        CheckpointState::default(),
        &Changes::default(),
    );
    assert_eq!(
        later.state.active_files[0].seen_at_number, 7,
        "it was seen for 7"
    );
    let changes = Changes {
        cleared: vec![
            StateField::ActiveFiles,
            StateField::Blockers,
            StateField::Summary,
        ],
        ..Changes::default()
    };
    let cleared = carry_over(earlier.clone(), 7, CheckpointState::default(), &changes).state;
    assert_eq!(cleared, CheckpointState::default());
    let finished = CheckpointState {
        progress: 1.0,
        ..CheckpointState::default()
    };
    assert!(after(&earlier, finished).state.blockers.is_empty());
}

#[test]
fn carried_lists_are_bounded_and_lose_the_oldest() {
    let many: Vec<String> = (0..MAX_CARRIED).map(|i| format!("old {i}")).collect();
    let earlier = CheckpointState {
        completed_steps: many,
        ..CheckpointState::default()
    };
    let merged = after(&earlier, steps(&[], &["new"])).state;
    assert_eq!(merged.completed_steps.len(), MAX_CARRIED);
    assert_eq!(merged.completed_steps[0], "old 1");
    let heavy = |from: usize| -> Vec<String> {
        let long = (from..from + 100).map(|i| format!("{i}{}", "x".repeat(8_000)));
        long.collect()
    };
    let large = |from| CheckpointState {
        decisions: heavy(from),
        blockers: heavy(from),
        summary: "s".repeat(256 << 10),
        ..CheckpointState::default()
    };
    let (mut state, mut number) = (large(0), 1);
    for from in [200, 400, 600] {
        state = carry_over(state, number, large(from), &Changes::default()).state;
        number += 1;
        state = carry_over(
            state,
            number,
            CheckpointState {
                next_steps: heavy(from),
                ..CheckpointState::default()
            },
            &Changes::default(),
        )
        .state;
        assert!(bytes_of(&state.decisions) <= MAX_CARRIED_BYTES + 5 * MAX_CARRIED);
        assert!(state.encoded_len() <= MAX_MERGED_STATE_BYTES + (1 << 20));
    }
}
