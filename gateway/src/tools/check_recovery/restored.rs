//! What a restore answers: the prompt to go on from, within a bound that clients show whole.

use serde_json::Value;
use shim_proto::checkpoint::v1::RestoreCheckpointResponse;
use shim_render::page::Page;

use crate::render::brief::{self, Facts};
use crate::tools::call::ToolOutput;

/// The answer, as text and as structure.
const MAX_RESTORE_CHARACTERS: usize = 6_000;
const CUT_SHORT: &str = "(Cut short here; the checkpoint's resource has the rest.)";
const GO_ON: &str = "go on with the first open step";

/// The prompt, and beside it each claim that was checked, or those that do not hold any more, all within [`MAX_RESTORE_CHARACTERS`] in either form.
pub(super) fn answer(restored: &RestoreCheckpointResponse, session_id: &str) -> ToolOutput {
    let checkpoint = restored.checkpoint.clone().unwrap_or_default();
    let step = match restored.resume_prompt.contains(&checkpoint.id) {
        true => GO_ON.to_owned(),
        false => format!(
            "{GO_ON}; shim://checkpoints/{} has the whole state",
            checkpoint.id
        ),
    };
    let facts = |prompt: &str, claims: Vec<Value>| {
        Facts::new()
            .set("resume_prompt", prompt)
            .set_some("claims", claims)
            .set("checkpoint", brief::number(&checkpoint))
    };
    let prompt = fitting(Page::of_prompt(&restored.resume_prompt), |prompt| {
        characters(&step, session_id, facts(prompt, Vec::new()))
    });
    let has_room = |claims: &Vec<Value>| {
        let with_claims = facts(prompt.as_str(), claims.clone());
        characters(&step, session_id, with_claims) <= MAX_RESTORE_CHARACTERS
    };
    let all = brief::claims(&restored.claims);
    let claims = Some(all).filter(has_room);
    let claims = claims.or_else(|| Some(brief::lost_claims(&restored.claims)).filter(has_room));
    let facts = facts(prompt.as_str(), claims.unwrap_or_default());
    ToolOutput::new(prompt, facts, step).with_session(session_id)
}

/// The characters of the structure, as a client in JavaScript counts them.
fn characters(step: &str, session_id: &str, facts: Facts) -> usize {
    let facts: Value = facts
        .set("session_id", session_id)
        .set("next_step", step)
        .into();
    facts.to_string().encode_utf16().count()
}

/// As much of a prompt as fits; what is left out stands at its end.
fn fitting(prompt: Page, characters: impl Fn(&str) -> usize) -> Page {
    let whole = characters(prompt.as_str());
    if whole <= MAX_RESTORE_CHARACTERS {
        return prompt;
    }
    let (mut room, mut excess) = (prompt.weight(), whole - MAX_RESTORE_CHARACTERS);
    loop {
        // A prompt weighs as many characters as it takes in the structure: no more is taken than has to be.
        room = room.saturating_sub(excess);
        let (mut cut, _) = prompt.clone().cut(room);
        cut.line(CUT_SHORT);
        excess = characters(cut.as_str()).saturating_sub(MAX_RESTORE_CHARACTERS);
        if excess == 0 || room == 0 {
            return cut;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shim_proto::checkpoint::v1::Checkpoint;

    fn restored(prompt: &str) -> (String, String) {
        let checkpoint = Checkpoint {
            id: "0191a0f0-0000-7000-8000-000000000001".into(),
            number: 7,
            ..Checkpoint::default()
        };
        let restored = RestoreCheckpointResponse {
            resume_prompt: prompt.to_owned(),
            checkpoint: Some(checkpoint),
            ..RestoreCheckpointResponse::default()
        };
        let result = answer(&restored, "0191a0f0-0000-7000-8000-000000000002");
        let result = result.into_result(Vec::new(), false);
        let text = result.content[0].as_text().map(|text| text.text.clone());
        let facts = result.structured_content.unwrap_or_default();
        (text.unwrap_or_default(), facts.to_string())
    }

    #[test]
    fn a_restore_fits_in_either_form_whatever_its_prompt_is_made_of() {
        for unit in ["a plain line\n", "\"\\\"\n", "日本語\n", "🦀", "\u{1}", "x"] {
            for length in [10, 5_500, 5_900, 6_000, 90_000] {
                let prompt = unit.repeat(length / unit.chars().count());
                let (text, facts) = restored(&prompt);
                for form in [&text, &facts] {
                    assert!(
                        form.encode_utf16().count() <= MAX_RESTORE_CHARACTERS,
                        "{unit:?} {length}: {}",
                        form.encode_utf16().count()
                    );
                    assert!(form.contains("go on with the first open step"));
                }
                let is_cut = text.contains("has the rest");
                assert_eq!(is_cut, facts.contains("has the rest"));
                assert!(!is_cut || facts.encode_utf16().count() > MAX_RESTORE_CHARACTERS - 400);
            }
        }
    }
}
