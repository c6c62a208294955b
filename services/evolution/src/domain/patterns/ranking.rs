//! Which proposal stands first: what it improves, how likely it is kept, and what it costs to look at.

use shim_proto::evolution::v1::{Evolution, Risk};

/// What a proposal is worth looking at: places that change, times how likely the change is kept even if little is known
/// (the lower end of its interval), over the lines that somebody has to read. 0 for one without changes.
pub(crate) fn worth(evolution: &Evolution) -> f64 {
    let places: u32 = evolution.files.iter().map(|file| file.changes.max(1)).sum();
    let lines: u32 = evolution
        .files
        .iter()
        .map(|file| file.added_lines.saturating_add(file.deleted_lines))
        .fold(0, u32::saturating_add);
    let likely = evolution
        .confidence
        .as_ref()
        .map_or(0.5, |confidence| (confidence.low + confidence.mean) / 2.0);
    let care = match evolution.risk() {
        Risk::Low => 1.0,
        Risk::Medium | Risk::Unspecified => 0.6,
        Risk::High => 0.3,
    };
    f64::from(places).sqrt() * likely * care / f64::from(lines.max(1)).ln_1p()
}
