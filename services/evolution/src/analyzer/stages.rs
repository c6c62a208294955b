//! The stages of an analysis: what each asks a tool, what it takes from the cache, and what it leaves there.

mod code;
mod common;
mod divided;
mod fast;
mod glance;
mod lint;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{AnalysisReport, Finding, UnreadFile};

use super::cache::{Kept, KeptFile, KeptTypes};
use super::eslint;
use crate::domain::analysis::tsc;
use common::path;

pub(super) use fast::Fast;
pub(super) use lint::{Lint, LintWork};
pub(super) use types::Types;

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
