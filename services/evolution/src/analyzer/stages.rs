//! The stages of an analysis: what each asks a tool, what it takes from the cache, and what it leaves there.

mod code;
mod fast;
mod lint;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use shim_proto::evolution::v1::{AnalysisReport, Finding, ToolRun, UnreadFile};

use super::cache::{Kept, KeptFile, KeptTypes};
use super::eslint;
use super::keys::file_key;
use super::report;
use super::sources::Source;
use crate::domain::analysis::tsc;

pub(super) use fast::Fast;
pub(super) use lint::{Lint, LintWork};
pub(super) use types::Types;

/// Files whose answers are still true, and those that a tool is to be asked about.
///
/// Answers about files that are not in `files` stay as well: their keys tell whether they hold.
pub(super) fn divided(
    files: &[Source],
    known: Vec<KeptFile>,
    others: &blake3::Hash,
    world: &blake3::Hash,
) -> Divided {
    let mut known: HashMap<String, KeptFile> = known
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    let mut divided = Divided::default();
    for file in files {
        match known.remove(&file.path) {
            Some(kept) if kept.holds(&file_key(file, others), world) => {
                divided.cached += usize::from(file.is_chosen);
                divided.held.push(kept);
            }
            Some(kept) if !file.is_chosen => divided.held.push(kept),
            _ if file.is_chosen => divided.asked.push(file.clone()),
            _ => {}
        }
    }
    divided
}

/// Files by what is known of them.
#[derive(Default)]
pub(super) struct Divided {
    /// Answers that stay.
    held: Vec<KeptFile>,
    /// How many of them are about chosen files, and true.
    pub(super) cached: usize,
    /// Chosen files that a tool is to be asked about.
    pub(super) asked: Vec<Source>,
}

fn tool_run(tool: &str, started: Instant, files: usize, cached: usize) -> ToolRun {
    let (name, version) = tool.rsplit_once(' ').unwrap_or((tool, ""));
    ToolRun {
        tool: name.to_owned(),
        version: version.to_owned(),
        duration: Some(report::duration(started.elapsed())),
        files: files as u64,
        cached_files: cached as u64,
        failure: String::new(),
    }
}

/// All findings. Where ESLint has an answer, its rules are not told twice: the project's configuration decides about them.
pub(super) fn findings(
    lint: &[&KeptFile],
    fast: &[&KeptFile],
    types: &[Finding],
    chosen: &BTreeSet<&str>,
) -> Vec<Finding> {
    let linted: BTreeSet<&str> = lint
        .iter()
        .filter(|file| file.unread.is_none())
        .map(|file| file.path.as_str())
        .collect();
    let mut findings: Vec<Finding> = lint
        .iter()
        .flat_map(|file| file.findings.iter().cloned())
        .collect();
    for file in fast {
        let is_linted = linted.contains(file.path.as_str());
        let of_eslint = |rule: &str| rule.starts_with("eslint/") || rule.starts_with("typescript/");
        let told = file
            .findings
            .iter()
            .filter(|finding| !is_linted || !of_eslint(&finding.rule));
        findings.extend(told.cloned());
    }
    let is_asked = |finding: &&Finding| path(finding).is_empty() || chosen.contains(path(finding));
    findings.extend(types.iter().filter(is_asked).cloned());
    findings
}

fn path(finding: &Finding) -> &str {
    finding
        .location
        .as_ref()
        .map_or("", |location| &location.path)
}

/// What is kept for the next analysis.
pub(super) fn kept(
    answer: blake3::Hash,
    report: &AnalysisReport,
    known_types: Option<KeptTypes>,
    lint: Lint,
    fast: Fast,
    types: Types,
) -> Kept {
    let is_whole = report.tools.iter().all(|run| run.failure.is_empty());
    Kept {
        format: String::new(),
        // What a tool could not say is asked again.
        answer_key: if is_whole {
            answer.as_bytes().to_vec()
        } else {
            Vec::new()
        },
        report: is_whole.then(|| report.clone()),
        lint: lint.files,
        fast_lint: fast.lint,
        types: types.into_kept().or(known_types),
        lint_notes: lint.notes,
        lint_tool: lint.tool,
    }
}

impl Types {
    /// Files whose syntax the compiler does not understand.
    pub(super) fn unread(&self, chosen: &BTreeSet<&str>) -> Vec<UnreadFile> {
        let mut unread: BTreeMap<&str, UnreadFile> = BTreeMap::new();
        let of_syntax = self
            .findings
            .iter()
            .filter(|finding| tsc::is_syntax(finding) && chosen.contains(path(finding)));
        for finding in of_syntax {
            let file = || eslint::unread(path(finding), &finding.tool, &finding.message);
            unread.entry(path(finding)).or_insert_with(file);
        }
        unread.into_values().collect()
    }

    fn into_kept(self) -> Option<KeptTypes> {
        let key = self.key?;
        Some(KeptTypes {
            key: key.as_bytes().to_vec(),
            findings: self.findings,
            notes: self.notes,
        })
    }
}
