//! The prompt a restored session goes on from: what was known, what checking it showed, what is left to do.
//!
//! It reads as facts, not orders; it proposes only what is open; it stays within [`MAX_PROMPT_BYTES`] whatever the
//! checkpoint holds, dropping the oldest of a long list and saying how much it dropped.

use std::fmt::Write;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, Claim, ClaimKind, ClaimVerdict as Verdict, Interruption,
    InterruptionCause,
};

use super::time::{UnixMicros, format_duration, to_unix_micros};

/// The longest prompt.
pub(crate) const MAX_PROMPT_BYTES: usize = 32 * 1024;

const MAX_ITEMS: usize = 40;
const MAX_ITEM_BYTES: usize = 400;
const MAX_SUMMARY_BYTES: usize = 6_000;

/// What the prompt is made of.
pub(crate) struct PromptInput<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) state: &'a CheckpointState,
    pub(crate) claims: &'a [Claim],
    pub(crate) interruption: Option<&'a Interruption>,
    pub(crate) damaged: &'a [u64],
    pub(crate) now: UnixMicros,
}

/// Writes the prompt.
pub(crate) fn build_prompt(input: &PromptInput<'_>) -> String {
    let mut text = String::new();
    write_heading(&mut text, input);
    let state = input.state;
    write_section(&mut text, "Decisions taken", &state.decisions);
    write_section(
        &mut text,
        "Finished (do not repeat)",
        &state.completed_steps,
    );
    write_section(&mut text, "Open steps, in order", &open_steps(input.claims));
    write_section(&mut text, "Blockers", &state.blockers);
    write_section(
        &mut text,
        "Files and repository, checked just now",
        &checked_items(input.claims),
    );
    if !state.summary.is_empty() {
        let _ = write!(
            text,
            "\n## Summary at the checkpoint\n{}\n",
            truncate_text(&state.summary, MAX_SUMMARY_BYTES)
        );
    }
    write_closing(&mut text, input.claims);
    truncate_text(&text, MAX_PROMPT_BYTES).into_owned()
}

fn write_heading(text: &mut String, input: &PromptInput<'_>) {
    let checkpoint = input.checkpoint;
    let age = to_unix_micros(checkpoint.created_at.as_ref())
        .map(|at| format_duration(input.now.since(at)))
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "# Resumed session\n\nTask: {}",
        truncate_text(&input.state.current_task, MAX_ITEM_BYTES * 4)
    );
    let _ = writeln!(
        text,
        "Progress: {:.0}%, saved {age} ago as checkpoint {} of session {}.",
        input.state.progress * 100.0,
        checkpoint.number,
        checkpoint.session_id
    );
    if let Some(interruption) = input.interruption {
        let _ = writeln!(
            text,
            "The session was interrupted: {} ({:.0}% sure; {}).",
            cause_label(interruption.cause()),
            interruption.confidence * 100.0,
            interruption.evidence
        );
    }
    if !input.damaged.is_empty() {
        let _ = writeln!(
            text,
            "Newer checkpoints {:?} are damaged and were passed over.",
            input.damaged
        );
    }
}

fn write_closing(text: &mut String, claims: &[Claim]) {
    let moved = claims
        .iter()
        .filter(|claim| matches!(claim.verdict(), Verdict::Changed | Verdict::Missing))
        .count();
    let unchecked = claims
        .iter()
        .filter(|claim| claim.verdict() == Verdict::Unchecked)
        .count();
    let _ = match (moved, unchecked) {
        (0, 0) => writeln!(text, "\nEverything checked is as it was at the checkpoint."),
        (0, n) => writeln!(
            text,
            "\nNothing checked has moved; {n} claim(s) could not be checked."
        ),
        (n, 0) => writeln!(
            text,
            "\n{n} thing(s) moved since the checkpoint: read them again before relying on them."
        ),
        (n, m) => writeln!(
            text,
            "\n{n} thing(s) moved since the checkpoint and {m} could not be checked: read them again before relying on them."
        ),
    };
}

/// "killed", "closed by its client" ...
pub(crate) fn cause_label(cause: InterruptionCause) -> &'static str {
    match cause {
        InterruptionCause::Unspecified => "cause unknown",
        InterruptionCause::ClientClosed => "closed by its client",
        InterruptionCause::Killed => "killed",
        InterruptionCause::OutOfMemory => "out of memory",
        InterruptionCause::Reboot => "machine restarted",
        InterruptionCause::LeaseExpired => "lease expired",
    }
}

fn open_steps(claims: &[Claim]) -> Vec<String> {
    let open = |claim: &&Claim| claim.kind() == ClaimKind::Step && claim.verdict() == Verdict::Open;
    claims
        .iter()
        .filter(open)
        .map(|claim| claim.subject.clone())
        .collect()
}

/// What moved stands first: it is what the reader must know.
fn checked_items(claims: &[Claim]) -> Vec<String> {
    let of = |wanted: fn(Verdict) -> bool| {
        claims
            .iter()
            .filter(move |claim| claim.kind() != ClaimKind::Step && wanted(claim.verdict()))
            .map(|claim| {
                format!(
                    "{}: {} ({})",
                    claim.subject,
                    verdict_label(claim.verdict()),
                    claim.detail
                )
            })
    };
    let moved = |verdict| matches!(verdict, Verdict::Changed | Verdict::Missing);
    of(moved)
        .chain(of(|verdict| verdict == Verdict::Unchecked))
        .chain(of(|verdict| verdict == Verdict::Unchanged))
        .collect()
}

fn verdict_label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified | Verdict::Unchecked => "unchecked",
        Verdict::Unchanged => "unchanged",
        Verdict::Changed => "CHANGED",
        Verdict::Missing => "MISSING",
        Verdict::Done => "done",
        Verdict::Open => "open",
    }
}

fn write_section(text: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n");
    // Steps and checks matter from the front, decisions and finished steps from the back; the ends are kept both.
    let (head, tail) = if items.len() <= MAX_ITEMS {
        (items, &[][..])
    } else {
        (
            &items[..MAX_ITEMS / 2],
            &items[items.len() - MAX_ITEMS / 2..],
        )
    };
    for item in head {
        let _ = writeln!(text, "- {}", truncate_text(item, MAX_ITEM_BYTES));
    }
    if !tail.is_empty() {
        let _ = writeln!(
            text,
            "- ... {} more in the checkpoint ...",
            items.len() - MAX_ITEMS
        );
    }
    for item in tail {
        let _ = writeln!(text, "- {}", truncate_text(item, MAX_ITEM_BYTES));
    }
}

/// At most `max` bytes, cut between characters and marked.
pub(crate) fn truncate_text(text: &str, max: usize) -> std::borrow::Cow<'_, str> {
    const MARK: &str = "...";
    if text.len() <= max {
        return text.into();
    }
    let mut end = max.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::super::verification;
    use super::*;

    fn prompt_for(state: &CheckpointState) -> String {
        let checkpoint = Checkpoint {
            number: 7,
            created_at: Some(UnixMicros(0).into()),
            ..Default::default()
        };
        let claims = verification::verify_claims(state, &[], None);
        let now = UnixMicros(600_000_000);
        build_prompt(&PromptInput {
            checkpoint: &checkpoint,
            state,
            claims: &claims,
            interruption: None,
            damaged: &[],
            now,
        })
    }

    #[test]
    fn the_prompt_names_what_is_open_and_not_what_is_done() {
        let state = CheckpointState {
            current_task: "port the parser".into(),
            completed_steps: vec!["lexer".into()],
            next_steps: vec!["lexer".into(), "grammar".into()],
            ..Default::default()
        };
        let text = prompt_for(&state);
        assert!(
            text.contains("Task: port the parser")
                && text.contains("saved 10 min ago as checkpoint 7")
        );
        let open = text
            .split("## Open steps")
            .nth(1)
            .expect("open steps are listed");
        assert!(open.contains("grammar") && !open.contains("lexer"));
    }

    #[test]
    fn the_largest_state_still_makes_a_bounded_prompt() {
        let long = vec!["ä".repeat(4_000); 1_000];
        let state = CheckpointState {
            current_task: "x".repeat(8_000),
            decisions: long.clone(),
            completed_steps: vec!["c".repeat(8_000); 1_000],
            next_steps: long.clone(),
            blockers: long,
            summary: "s".repeat(200_000),
            ..Default::default()
        };
        assert!(prompt_for(&state).len() <= MAX_PROMPT_BYTES);
    }
}
