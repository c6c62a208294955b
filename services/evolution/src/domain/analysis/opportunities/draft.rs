//! An opportunity as it is written down before it is ranked.

use shim_proto::evolution::v1::{Evidence, Location, Opportunity};

/// Places named as evidence of one opportunity.
pub(super) const MAX_EVIDENCE: usize = 5;
/// The least effort: a smaller one would let it outweigh everything else.
const MIN_EFFORT: f64 = 0.05;

/// An opportunity before it is ranked.
pub(super) struct Draft<'a> {
    pub(super) kind: &'static str,
    /// What makes it the same one in the next analysis: no line, no figure.
    pub(super) identity: &'a [&'a str],
    pub(super) title: String,
    pub(super) location: Location,
    pub(super) impact: f64,
    pub(super) confidence: f64,
    pub(super) effort: f64,
    pub(super) evidence: Vec<Evidence>,
    pub(super) transform: &'static str,
}

impl Draft<'_> {
    /// The opportunity, with its figures in their bounds, its score and its id.
    pub(super) fn finish(self) -> Opportunity {
        let impact = unit(self.impact);
        let confidence = unit(self.confidence);
        let effort = unit(self.effort).max(MIN_EFFORT);
        Opportunity {
            opportunity_id: id(self.kind, self.identity),
            kind: self.kind.to_owned(),
            title: self.title,
            location: Some(self.location),
            impact,
            confidence,
            effort,
            score: impact * confidence / effort,
            evidence: self.evidence,
            transform: self.transform.to_owned(),
        }
    }
}

fn id(kind: &str, identity: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_bytes());
    for part in identity {
        hasher.update(&[0]);
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// 0..1; what is no number is 0.
fn unit(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

/// Grows towards 1 and is one half at `half`.
pub(super) fn saturating(value: f64, half: f64) -> f64 {
    value / (value + half)
}

/// A count as a figure.
#[allow(clippy::cast_precision_loss)] // Counts are far below 2^52.
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

/// What a tool says for an opportunity.
pub(super) fn evidence(tool: &str, text: String, location: Option<Location>) -> Evidence {
    Evidence {
        tool: tool.to_owned(),
        text,
        location,
    }
}

/// A count with its noun, whose plural ends with an s.
pub(super) fn plural(count: usize, one: &str) -> String {
    counted(count, one, &format!("{one}s"))
}

/// A count with its noun.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
