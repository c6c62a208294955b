//! The lists of a resume prompt in their order: what the model told, and, marked so, what was observed of its client.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::{CheckpointState, ObservedState, OpenTask};

use crate::observed;
use crate::prompt_checks::open_steps;
use crate::prompt_input::PromptInput;
use crate::prompt_sections::Section;
use crate::session_tasks;
use crate::text::one_line;

/// Steps of another task that its line names.
const MAX_NEXT_STEPS: usize = 3;
const MAX_NEXT_STEP_CHARACTERS: usize = 100;
const MAX_PROMPT: usize = 700;
const MAX_FIRST_PROMPT: usize = 300;
const MAX_SUMMARY: usize = 1_500;
const MAX_ANSWER: usize = 700;

/// The titles of what a model tells, or, if it told nothing, of what was observed in its place.
struct Titles {
    finished: &'static str,
    open: &'static str,
    summary: &'static str,
}

const TOLD: Titles = Titles {
    finished: "Finished (do not repeat)",
    open: "Open steps, in order",
    summary: "Summary, as it was given last",
};

const OBSERVED: Titles = Titles {
    finished: "Finished by the model's own list (observed)",
    open: "Open steps of the model's own list (observed)",
    summary: "The last answer, or the client's summary (observed)",
};

fn titles(state: &CheckpointState) -> &'static Titles {
    match state.is_task_observed {
        true => &OBSERVED,
        false => &TOLD,
    }
}

/// The lists, in their order; the one that matters most is apart.
pub(crate) struct Lists {
    /// Those before the open steps.
    pub(crate) before: Vec<Section>,
    /// The open steps.
    pub(crate) open: Section,
    /// Those behind them.
    pub(crate) after: Vec<Section>,
}

/// The calls of tools whose end nobody saw.
pub(crate) fn open_calls(state: &CheckpointState, now: Option<SystemTime>) -> Section {
    let calls = observed::of_state(state).map_or(&[][..], |seen| &seen.open_tool_calls);
    let lines: Vec<String> = calls
        .iter()
        .rev()
        .map(|call| observed::call_line(call, now))
        .collect();
    Section::of_lines(
        "Tool calls in hand at the end (observed; outcome unknown, check before repeating)",
        "open tool calls",
        &lines,
    )
}

/// The lists of a prompt.
pub(crate) fn lists(input: &PromptInput<'_>) -> Lists {
    let (state, titles) = (input.state, titles(input.state));
    let observed = observed::of_state(state);
    let mut before = observed.map_or_else(Vec::new, |seen| prompts(state, seen));
    before.extend([
        Section::of_newest("Decisions taken", "decisions", &state.decisions),
        Section::of_newest(titles.finished, "finished steps", &state.completed_steps),
    ]);
    let open = open_steps(input.claims);
    let mut after = vec![
        Section::of_first(
            "Left open when the task was saved as finished (nobody said that they were done)",
            "steps left open",
            &state.left_open_steps,
        ),
        Section::of_first("Blockers", "blockers", &state.blockers),
        Section::of_text(titles.summary, "summary", &state.summary, MAX_SUMMARY),
    ];
    if let Some(seen) = observed {
        after.extend(last_words(state, seen));
    }
    let others: Vec<String> = input.others.iter().map(other_task).collect();
    after.push(Section::of_lines(
        "Other unfinished tasks of this session",
        "other tasks",
        &others,
    ));
    Lists {
        before,
        open: Section::of_first(titles.open, "open steps", &open),
        after,
    }
}

/// What was asked for, and the model's own list, as far as the state does not hold them.
fn prompts(state: &CheckpointState, seen: &ObservedState) -> Vec<Section> {
    let last = match &seen.last_prompt {
        prompt if state.is_task_observed && is_told(&state.current_task, prompt) => "",
        prompt => prompt,
    };
    let plan = match state.is_task_observed {
        true => Vec::new(),
        false => observed::open_plan(seen),
    };
    vec![
        Section::of_text(
            "The last prompt (observed)",
            "last prompt",
            last,
            MAX_PROMPT,
        ),
        Section::of_text(
            "The first prompt (observed)",
            "first prompt",
            &seen.first_prompt,
            MAX_FIRST_PROMPT,
        ),
        Section::of_first(
            "Open steps of the model's own list (observed)",
            "steps of the model's own list",
            &plan,
        ),
    ]
}

/// The model's last answer and the client's summary, as far as the state does not hold them.
fn last_words(state: &CheckpointState, seen: &ObservedState) -> Vec<Section> {
    let beside = |text: &str| match is_told(&state.summary, text) {
        true => String::new(),
        false => text.to_owned(),
    };
    vec![
        Section::of_text(
            "The model's last answer (observed)",
            "last answer",
            &beside(&seen.last_answer),
            MAX_ANSWER,
        ),
        Section::of_text(
            "The client's summary when it compacted (observed)",
            "client's summary",
            &beside(&seen.compaction_summary),
            MAX_SUMMARY,
        ),
    ]
}

/// Whether a text is there already; a cut one ends in a mark.
fn is_told(shown: &str, text: &str) -> bool {
    let shown = shown.trim();
    shown == text.trim() || (shown.len() > 4 && text.trim().starts_with(shown))
}

/// A task beside the one of the prompt, with the way to it.
fn other_task(other: &OpenTask) -> String {
    let task = other.task.clone().unwrap_or_default();
    let next = match other.next_steps.as_slice() {
        [] => String::new(),
        steps => {
            let steps: Vec<String> = steps
                .iter()
                .take(MAX_NEXT_STEPS)
                .map(|step| one_line(step, MAX_NEXT_STEP_CHARACTERS))
                .collect();
            format!("; next: {}", steps.join("; "))
        }
    };
    format!(
        "{}, checkpoint {}{next}",
        session_tasks::phrase(&task),
        task.checkpoint_number
    )
}
