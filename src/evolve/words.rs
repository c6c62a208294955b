//! States, risks and figures of evolutions in words.

use shim_proto::evolution::v1::{Confidence, Evolution, EvolutionState, Risk};
use shim_render::figures::percent;

/// A state in a word.
pub(super) const fn state(state: EvolutionState) -> &'static str {
    match state {
        EvolutionState::Unspecified => "-",
        EvolutionState::Proposed => "proposed",
        EvolutionState::Applying => "applying",
        EvolutionState::Committed => "committed",
        EvolutionState::Rejected => "rejected",
        EvolutionState::Discarded => "discarded",
        EvolutionState::Reverted => "reverted",
        EvolutionState::Outdated => "outdated",
    }
}

/// A risk in a word.
pub(super) const fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Unspecified => "-",
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

/// How often what is alike was kept, with the ends of its interval and the numbers of outcomes: those of other projects have a part in it too.
pub(super) fn confidence(confidence: Option<&Confidence>) -> String {
    let Some(it) = confidence else {
        return "-".to_owned();
    };
    let known = it.accepted + it.rejected + it.reverted + it.broken;
    let elsewhere = match it.known_elsewhere {
        0 => String::new(),
        count => format!(" and {count} in other projects"),
    };
    format!(
        "{} ({}..{}, {known} known{elsewhere})",
        percent(it.mean),
        percent(it.low),
        percent(it.high)
    )
}

/// Files and lines of an evolution: `3 files, +12 -9`.
pub(super) fn size(evolution: &Evolution) -> String {
    let (mut added, mut deleted) = (0, 0);
    for file in &evolution.files {
        added += u64::from(file.added_lines);
        deleted += u64::from(file.deleted_lines);
    }
    let files = shim_render::figures::count(evolution.files.len() as u64, "file");
    format!("{files}, +{added} -{deleted}")
}
