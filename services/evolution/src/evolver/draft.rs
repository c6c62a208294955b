//! An evolution as it grows, file by file: what transforms change and refuse, within its limits.

use serde::Deserialize;
use shim_proto::evolution::v1::{FileChange, LineRange, Location, Refusal};

use super::sources::Source;
use crate::domain::evolution::unified;

/// What one evolution holds; more is proposed once it is decided.
const MAX_FILES: usize = 300;
const MAX_DIFF_BYTES: usize = 2 << 20;
const MAX_REFUSALS: usize = 100;

/// What a transform does to one file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RuleResult {
    pub(super) rule: String,
    pub(super) text: String,
    pub(super) changes: u32,
    pub(super) functions: Vec<String>,
    pub(super) meant: Vec<(u32, u32)>,
    pub(super) refusals: Vec<RuleRefusal>,
    pub(super) refused: usize,
}

/// A place that a transform left.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RuleRefusal {
    line: u32,
    column: u32,
    reason: String,
}

/// An evolution as it grows, file by file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) files: Vec<FileChange>,
    pub(super) refusals: Vec<Refusal>,
    /// Places refused, those that are not listed too.
    pub(super) refused: usize,
    /// Files with changes for which there was no room.
    pub(super) left_files: usize,
    bytes: usize,
}

impl Draft {
    /// Adds what a transform does to a file.
    pub(super) fn add(&mut self, source: &Source, result: RuleResult) {
        self.refused += result.refused;
        for refusal in result.refusals {
            if self.refusals.len() < MAX_REFUSALS {
                self.refusals.push(refusal.to_message(&source.path));
            }
        }
        if result.changes == 0 || result.text == source.text {
            return;
        }
        let diff = unified(&source.path, Some(&source.text), &result.text);
        if self.files.len() >= MAX_FILES
            || (self.bytes + diff.text.len() > MAX_DIFF_BYTES && !self.files.is_empty())
        {
            self.left_files += 1;
            return;
        }
        self.bytes += diff.text.len();
        let meant = result
            .meant
            .into_iter()
            .map(|(first, last)| LineRange { first, last });
        self.files.push(FileChange {
            path: source.path.clone(),
            diff: diff.text,
            functions: result.functions,
            deleted_lines: diff.deleted,
            added_lines: diff.added,
            changes: result.changes,
            is_new: false,
            base: source.object.clone(),
            meant: meant.collect(),
        });
    }

    /// How much it holds, one sentence or more.
    pub(super) fn summary(&self) -> String {
        let places: u64 = self.files.iter().map(|file| u64::from(file.changes)).sum();
        let files = self.files.len();
        let mut text = format!(
            "{} in {}.",
            counted(places, "place"),
            counted(files as u64, "file")
        );
        if self.refused > 0 {
            text.push_str(&format!(
                " {} left, since nothing proves that meaning stays.",
                counted(self.refused as u64, "place")
            ));
        }
        if self.left_files > 0 {
            text.push_str(&format!(
                " {} with changes found no room: propose again once this is decided.",
                counted(self.left_files as u64, "file")
            ));
        }
        text
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

impl RuleRefusal {
    fn to_message(&self, path: &str) -> Refusal {
        Refusal {
            location: Some(Location {
                path: path.to_owned(),
                line: self.line,
                column: self.column,
                ..Location::default()
            }),
            reason: self.reason.clone(),
        }
    }
}
