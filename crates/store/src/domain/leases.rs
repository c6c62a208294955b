//! Decides which leases are in the way of a requested one.
//!
//! Leases of one holder never conflict, nor do shared ones; any others do if their patterns overlap. A decision holds for
//! the leases that it was made on; the store commits it only if no other was granted since.

use std::fmt::Write;

use shim_proto::coordination::v1::{FileLease, FileLeaseMode};
use shim_runtime::files::{Budget, Pattern};

/// Leases that a workspace may have.
pub(crate) const MAX_LEASES: usize = 1_000;
/// Bytes of all leases of a workspace, encoded: whoever has none of them in sight reads them at once.
pub(crate) const MAX_TABLE_BYTES: usize = 1 << 20;
/// Conflicts that a refusal names.
const MAX_NAMED: usize = 5;
/// Bytes of any name in a refusal, which travels in headers.
const MAX_NAME_BYTES: usize = 80;

/// The files of a requested lease, and its holder.
#[derive(Debug, Clone)]
pub struct LeaseSpec {
    /// The holder, whose own leases are not in the way.
    pub holder: String,
    /// `Shared`: beside other shared leases; anything else: alone.
    pub mode: FileLeaseMode,
    /// The files.
    pub patterns: Vec<Pattern>,
}

/// A lease in the way of a requested one.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The requested pattern.
    pub wanted: String,
    /// The pattern that overlaps it.
    pub pattern: String,
    /// The lease.
    pub lease: FileLease,
}

/// The living leases in the way of a requested one, each with the first pair of patterns that overlap.
pub(crate) fn conflicts(live: &[FileLease], spec: &LeaseSpec) -> Vec<Conflict> {
    let mut budget = Budget::per_decision();
    let in_the_way = |lease: &&FileLease| {
        let shared = FileLeaseMode::Shared;
        lease.holder != spec.holder && (spec.mode != shared || lease.mode() != shared)
    };
    live.iter()
        .filter(in_the_way)
        .filter_map(|lease| {
            let (wanted, pattern) = overlap(&spec.patterns, lease, &mut budget)?;
            Some(Conflict {
                wanted: wanted.to_owned(),
                pattern: pattern.to_owned(),
                lease: lease.clone(),
            })
        })
        .collect()
}

/// The leases that touch any of the paths.
pub(crate) fn touching(live: Vec<FileLease>, paths: &[Pattern]) -> Vec<FileLease> {
    let mut budget = Budget::per_decision();
    live.into_iter()
        .filter(|lease| overlap(paths, lease, &mut budget).is_some())
        .collect()
}

/// Whether both lists of patterns cover a common file.
pub(crate) fn do_overlap(some: &[Pattern], others: &[Pattern]) -> bool {
    let mut budget = Budget::per_decision();
    some.iter()
        .any(|one| others.iter().any(|other| one.overlaps(other, &mut budget)))
}

/// The first pair of patterns that overlap. A stored pattern that this version cannot read counts as covering everything.
fn overlap<'a>(
    wanted: &'a [Pattern],
    lease: &'a FileLease,
    budget: &mut Budget,
) -> Option<(&'a str, &'a str)> {
    lease.patterns.iter().find_map(|text| {
        let held = Pattern::parse_stored(text).ok();
        let wanted = wanted.iter().find(|wanted| match &held {
            Some(held) => held.overlaps(wanted, budget),
            None => true,
        })?;
        Some((wanted.text(), text.as_str()))
    })
}

/// The text of a refusal: the patterns in the way, their holders, purposes and ends.
pub fn describe_conflicts(conflicts: &[Conflict]) -> String {
    let mut text = String::new();
    for (i, conflict) in conflicts.iter().take(MAX_NAMED).enumerate() {
        let Conflict {
            wanted,
            pattern,
            lease,
        } = conflict;
        let then = if i > 0 { "; " } else { "" };
        let how = match lease.mode() {
            FileLeaseMode::Shared => "shared by",
            _ => "held by",
        };
        let (wanted, pattern, holder) = (
            truncated(wanted),
            truncated(pattern),
            truncated(&lease.holder),
        );
        let _ = write!(text, "{then}{wanted} overlaps {pattern} {how} {holder}");
        if !lease.purpose.is_empty() {
            let _ = write!(text, " ({})", truncated(&lease.purpose));
        }
        if let Some(until) = &lease.expires_at {
            let _ = write!(text, " until {until}");
        }
    }
    if conflicts.len() > MAX_NAMED {
        let _ = write!(text, "; and {} more", conflicts.len() - MAX_NAMED);
    }
    text
}

/// The start of a text, with dots if it is cut.
fn truncated(text: &str) -> String {
    if text.len() <= MAX_NAME_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_NAME_BYTES);
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn lease(holder: &str, mode: FileLeaseMode, patterns: &[&str]) -> FileLease {
        FileLease {
            lease_id: format!("lease of {holder}"),
            holder: holder.to_owned(),
            purpose: "a refactoring".to_owned(),
            patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            mode: mode.into(),
            expires_at: Some(Timestamp {
                seconds: 1_000_000_000,
                nanos: 0,
            }),
            ..Default::default()
        }
    }

    fn spec(holder: &str, mode: FileLeaseMode, patterns: &[&str]) -> LeaseSpec {
        let parse = |&pattern: &&str| Pattern::parse(pattern).unwrap();
        LeaseSpec {
            holder: holder.to_owned(),
            mode,
            patterns: patterns.iter().map(parse).collect(),
        }
    }

    use FileLeaseMode::{Exclusive, Shared};

    #[test]
    fn a_refusal_names_pattern_holder_purpose_and_end() {
        let live = [
            lease("one", Exclusive, &["docs", "src/**"]),
            lease("two", Shared, &["*.toml"]),
        ];
        let conflicts = conflicts(&live, &spec("me", Exclusive, &["Cargo.toml", "src/a.rs"]));
        assert_eq!(
            describe_conflicts(&conflicts),
            "src/a.rs overlaps src/** held by one (a refactoring) until 2001-09-09T01:46:40Z; \
             Cargo.toml overlaps *.toml shared by two (a refactoring) until 2001-09-09T01:46:40Z"
        );
    }

    #[test]
    fn a_refusal_stays_short() {
        let live: Vec<_> = (0..50)
            .map(|i| lease(&format!("{i}{}", "ü".repeat(90)), Exclusive, &["src"]))
            .collect();
        let conflicts = conflicts(&live, &spec("me", Exclusive, &["src"]));
        let text = describe_conflicts(&conflicts);
        assert_eq!(text.matches("src overlaps src").count(), MAX_NAMED);
        assert!(text.ends_with("; and 45 more"), "{text}");
        assert!(text.len() < 1_500, "{} bytes", text.len());
    }

    #[test]
    fn leases_are_found_by_the_paths_they_touch() {
        let live = vec![
            lease("one", Exclusive, &["src/**"]),
            lease("two", Shared, &["docs/*.md"]),
            lease("three", Shared, &["docs/a.md"]),
        ];
        let paths = spec("", Shared, &["docs/a.md", "Cargo.toml"]).patterns;
        let found: Vec<_> = touching(live, &paths)
            .into_iter()
            .map(|lease| lease.holder)
            .collect();
        assert_eq!(found, ["two", "three"]);
    }
}
