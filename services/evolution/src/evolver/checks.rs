//! The checks of a change that has been applied: does it parse, export what it did, and get no new errors.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shim_proto::evolution::v1::{Check, LineRange};
use tokio_util::sync::CancellationToken;

use super::context::Evolver;
use crate::domain::evolution::lines_beyond_meaning;
use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::{HostCall, HostError, ProgressSink};

/// A file before and after.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CheckedText<'a> {
    pub(super) path: &'a str,
    /// `None` for a new file.
    pub(super) before: Option<&'a str>,
    pub(super) after: &'a str,
}

/// What the compiler sees of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckedFile {
    pub(super) path: String,
    /// Syntax errors that were not there before.
    pub(super) errors: Vec<SyntaxFault>,
    pub(super) exports_before: Vec<String>,
    pub(super) exports_after: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SyntaxFault {
    pub(super) text: String,
    pub(super) line: u32,
}

impl CheckedFile {
    /// What is exported no more, or was not before.
    pub(super) fn export_change(&self) -> Option<String> {
        let missing = self
            .exports_before
            .iter()
            .find(|name| !self.exports_after.contains(name));
        let new = self
            .exports_after
            .iter()
            .find(|name| !self.exports_before.contains(name));
        match (missing, new) {
            (Some(missing), Some(new)) => Some(format!("{missing} is gone, {new} is new")),
            (Some(missing), None) => Some(format!("{missing} is gone")),
            (None, Some(new)) => Some(format!("{new} is new")),
            (None, None) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Views {
    files: Vec<CheckedFile>,
}

#[derive(Debug, Deserialize)]
struct LintAnswer {
    files: Vec<LintFile>,
    config: String,
}

#[derive(Debug, Deserialize)]
struct LintFile {
    path: String,
    before: usize,
    after: usize,
    added: Vec<LintFault>,
}

#[derive(Debug, Deserialize)]
struct LintFault {
    rule: String,
    message: String,
    line: u32,
}

impl Evolver {
    /// What the compiler sees of texts before and after.
    pub(super) async fn views(
        &self,
        project: &Project,
        texts: Vec<CheckedText<'_>>,
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<Vec<CheckedFile>, EvolutionError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let call = HostCall {
            method: "transform_check",
            params: json!({"files": texts}),
            limit: self.limits.tool,
            runs_project_code: false,
        };
        let views: Views = self.host.call(project, call, progress, cancel).await?;
        Ok(views.files)
    }

    /// The checks `parse` and `exports`.
    pub(super) async fn check_syntax(
        &self,
        project: &Project,
        texts: &[CheckedText<'_>],
        handles: (&ProgressSink, &CancellationToken),
    ) -> Result<[Check; 2], EvolutionError> {
        let began = Instant::now();
        let views = self.views(project, texts.to_vec(), handles).await?;
        let faults = views.iter().flat_map(|view| {
            view.errors
                .iter()
                .map(|error| format!("{}:{}: {}", view.path, error.line, error.text))
        });
        let renamed = views.iter().filter_map(|view| {
            view.export_change()
                .map(|change| format!("{}: {change}", view.path))
        });
        let count = |of: fn(&CheckedFile) -> &Vec<String>| {
            views
                .iter()
                .map(|view| of(view).len())
                .sum::<usize>()
                .to_string()
        };
        let mut exports = check("exports", &renamed.collect::<Vec<_>>(), began);
        exports.before = count(|view| &view.exports_before);
        exports.after = count(|view| &view.exports_after);
        Ok([check("parse", &faults.collect::<Vec<_>>(), began), exports])
    }

    /// The check `lint`: errors that are new, by the project's configuration if it is trusted and has one.
    pub(super) async fn check_lint(
        &self,
        project: &Project,
        root: &std::path::Path,
        texts: &[CheckedText<'_>],
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<Check, EvolutionError> {
        let began = Instant::now();
        let usable = project.is_trusted();
        let call = HostCall {
            method: "transform_lint",
            params: json!({"root": root, "files": texts, "usesProjectConfig": usable}),
            limit: self.limits.tool,
            runs_project_code: usable,
        };
        let answer: Result<LintAnswer, _> = self.host.call(project, call, progress, cancel).await;
        match answer {
            Ok(answer) => Ok(answer.to_check(began)),
            Err(EvolutionError::Host(error @ HostError::ToolFailed { .. })) => {
                let mut failed = check("lint", &[], began);
                failed.skipped = format!(
                    "the linter cannot run on this project, before the change either: {error}"
                );
                Ok(failed)
            }
            Err(error) => Err(error),
        }
    }
}

impl LintAnswer {
    fn to_check(&self, began: Instant) -> Check {
        let faults = self.files.iter().flat_map(|file| {
            file.added.iter().map(|fault| {
                format!(
                    "{}:{}: {} ({})",
                    file.path, fault.line, fault.message, fault.rule
                )
            })
        });
        let mut made = check("lint", &faults.collect::<Vec<_>>(), began);
        let count = |of: fn(&LintFile) -> usize| self.files.iter().map(of).sum::<usize>();
        made.before = count(|file| file.before).to_string();
        made.after = count(|file| file.after).to_string();
        if made.detail.is_empty() {
            made.detail = format!("no new error by the configuration {}", self.config);
        }
        made
    }
}

/// The check `bytes`: lines that are not meant stayed byte for byte in what would be committed.
pub(super) fn check_bytes(files: &[(CheckedText<'_>, &[LineRange])]) -> Check {
    let began = Instant::now();
    let faults = files.iter().filter_map(|(text, meant)| {
        let count = lines_beyond_meaning(text.before.unwrap_or_default(), text.after, meant);
        (count > 0).then(|| format!("{}: {count} lines changed beyond what is meant", text.path))
    });
    let mut made = check("bytes", &faults.collect::<Vec<_>>(), began);
    if made.passed {
        made.detail = "0 lines changed beyond what is meant".to_owned();
    }
    made
}

/// A check that found these faults.
pub(super) fn check(name: &str, faults: &[String], began: Instant) -> Check {
    const SHOWN: usize = 5;
    let more = faults.len().saturating_sub(SHOWN);
    let mut detail = faults
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    if more > 0 {
        detail.push_str(&format!("\nand {more} more"));
    }
    Check {
        name: name.to_owned(),
        passed: faults.is_empty(),
        detail,
        duration: prost_types::Duration::try_from(began.elapsed()).ok(),
        ..Check::default()
    }
}

/// A check that does not apply.
pub(super) fn skipped(name: &str, why: &str) -> Check {
    Check {
        name: name.to_owned(),
        passed: true,
        skipped: why.to_owned(),
        ..Check::default()
    }
}
