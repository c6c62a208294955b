//! ESLint, through the tool host: by the project's flat configurations if its code may run, else by ours.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shim_proto::evolution::v1::{Finding, Location, Severity, UnreadFile};
use tokio_util::sync::CancellationToken;

use super::configuration::Configuration;
use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::{HostCall, ProgressSink, ToolHost};

const LIMIT: Duration = Duration::from_secs(20 * 60);
/// The method, whose text is part of what its answers hang on.
pub(super) const METHOD: &str = include_str!("../../tools/methods/lint.js");

/// What is to be linted.
pub(super) struct LintRequest<'a> {
    /// Relative paths.
    pub(super) files: Vec<&'a str>,
    /// Names the state of the configurations and of all that they load.
    pub(super) fingerprint: String,
    /// Whether what is known of other files may be out of date.
    pub(super) refresh: bool,
}

/// What ESLint said.
#[derive(Debug, Default)]
pub(super) struct LintAnswer {
    /// Name and version.
    pub(super) tool: String,
    /// By path.
    pub(super) files: BTreeMap<String, LintedFile>,
    /// What it said of the configuration.
    pub(super) said: LintSaid,
}

/// What ESLint said of its configuration, in numbers that parts of a project can be added by.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LintSaid {
    /// Whether the project's own configurations were to be used.
    #[prost(bool, tag = "1")]
    pub(super) uses_project: bool,
    /// Why they were not, if they could not be used.
    #[prost(string, tag = "2")]
    pub(super) configuration: String,
    /// Files that ours was used for.
    #[prost(uint64, tag = "3")]
    pub(super) ours: u64,
    /// Files that were linted.
    #[prost(uint64, tag = "4")]
    pub(super) asked: u64,
    /// Files with accepted findings that no longer occur.
    #[prost(uint64, tag = "5")]
    pub(super) unused_suppressions: u64,
}

/// What ESLint said of one file.
#[derive(Debug, Default)]
pub(super) struct LintedFile {
    pub(super) findings: Vec<Finding>,
    /// Why there is no full answer.
    pub(super) unread: Option<String>,
    /// Whether it may hang on other files.
    pub(super) looks_further: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LintResponse {
    version: String,
    configuration: String,
    ours: u64,
    unused_suppressions: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    path: String,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    suppressed: Vec<Message>,
    #[serde(default)]
    ignored: String,
    #[serde(default)]
    failed: String,
    #[serde(default)]
    looks_further: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    rule: String,
    severity: u8,
    text: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    fatal: bool,
    fixable: bool,
    suppression: String,
}

/// Lints the files.
///
/// # Errors
/// As [`ToolHost::call`].
pub(super) async fn lint(
    host: &ToolHost,
    project: &Project,
    configuration: &Configuration,
    request: LintRequest<'_>,
    progress: &ProgressSink,
    cancel: &CancellationToken,
) -> Result<LintAnswer, EvolutionError> {
    let use_project = uses_project(project, configuration);
    let asked = request.files.len();
    let call = HostCall {
        method: "lint",
        params: params(project, &request, use_project),
        limit: LIMIT,
        runs_project_code: use_project,
    };
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    let on_part =
        |some: Vec<Part>| parts.extend(some.into_iter().map(|part| (part.path.clone(), part)));
    let answer: LintResponse = host
        .call_in_parts(project, call, on_part, progress, cancel)
        .await?;
    let tool = format!("eslint {}", answer.version);
    let mut linted = LintAnswer {
        said: said(use_project, answer, asked),
        ..LintAnswer::default()
    };
    for file in request.files {
        let part = parts.remove(file);
        linted.files.insert(
            file.to_owned(),
            part.map_or_else(gone, |part| read(part, &tool)),
        );
    }
    linted.tool = tool;
    Ok(linted)
}

fn params(project: &Project, request: &LintRequest<'_>, use_project: bool) -> Value {
    json!({
        "root": project.root(),
        "files": request.files,
        "useProject": use_project,
        "fingerprint": request.fingerprint,
        "refresh": request.refresh,
    })
}

/// Whether the project's own configurations are used.
pub(super) fn uses_project(project: &Project, configuration: &Configuration) -> bool {
    project.is_trusted() && !configuration.flat.is_empty()
}

const OURS: &str = "ESLint's and typescript-eslint's recommended rules were used";

/// Why our configuration is used instead of the project's, if it is used for all files.
pub(super) fn configuration_note(
    project: &Project,
    configuration: &Configuration,
) -> Option<String> {
    match (configuration.flat.first(), configuration.old.first()) {
        (Some(_), _) if project.is_trusted() => None,
        (Some(first), _) => Some(format!(
            "{OURS} instead of {first}: it is code, and the project is not trusted"
        )),
        (None, Some(old)) => Some(format!(
            "{OURS} instead of {old}: ESLint 9 and newer do not read it"
        )),
        (None, None) => Some(format!(
            "{OURS}: the project has no configuration of ESLint"
        )),
    }
}

impl LintSaid {
    /// What a reader should know of the project's own configuration.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.uses_project && !self.configuration.is_empty() {
            notes.push(format!("{OURS}: {}", self.configuration));
        } else if self.uses_project && self.ours > 0 {
            notes.push(format!(
                "{OURS} for {} of {} files, which no configuration of the project is for",
                self.ours, self.asked
            ));
        }
        if self.unused_suppressions > 0 {
            notes.push(format!(
                "eslint-suppressions.json accepts findings in {} files that no longer occur, so the `eslint` command fails; `eslint --prune-suppressions` mends it",
                self.unused_suppressions
            ));
        }
        notes
    }

    /// Adds what was said of other files.
    pub(super) fn add(&mut self, other: &Self) {
        self.uses_project |= other.uses_project;
        if self.configuration.is_empty() {
            self.configuration.clone_from(&other.configuration);
        }
        self.ours += other.ours;
        self.asked += other.asked;
        self.unused_suppressions += other.unused_suppressions;
    }
}

/// ESLint 10 calls it fatal and lints the file all the same.
const COMMENT_OF_OLD: &str = "/* eslint-env */ comments are no longer supported.";

fn said(uses_project: bool, answer: LintResponse, asked: usize) -> LintSaid {
    LintSaid {
        uses_project,
        configuration: answer.configuration,
        ours: answer.ours,
        asked: asked as u64,
        unused_suppressions: answer.unused_suppressions,
    }
}

fn gone() -> LintedFile {
    LintedFile {
        unread: Some("it was gone when it was to be linted".to_owned()),
        ..LintedFile::default()
    }
}

fn read(part: Part, tool: &str) -> LintedFile {
    let fatal = part
        .messages
        .iter()
        .find(|message| message.fatal && message.text != COMMENT_OF_OLD)
        .map(|message| message.text.clone());
    let refusals = [part.ignored, part.failed]
        .into_iter()
        .find(|text| !text.is_empty());
    let messages = part.messages.into_iter().chain(part.suppressed);
    LintedFile {
        findings: messages
            .map(|message| finding(message, &part.path, tool))
            .collect(),
        unread: refusals.or(fatal),
        looks_further: part.looks_further,
    }
}

fn finding(message: Message, path: &str, tool: &str) -> Finding {
    Finding {
        tool: tool.to_owned(),
        rule: message.rule,
        severity: if message.severity == 2 {
            Severity::Error
        } else {
            Severity::Warning
        }
        .into(),
        message: message.text,
        location: Some(Location {
            path: path.to_owned(),
            line: message.line,
            column: message.column,
            end_line: message.end_line,
            end_column: message.end_column,
        }),
        is_fixable: message.fixable,
        suppression: message.suppression,
    }
}

/// What a file without a full answer is told as.
pub(super) fn unread(path: &str, tool: &str, reason: &str) -> UnreadFile {
    UnreadFile {
        path: path.to_owned(),
        tool: tool.to_owned(),
        reason: reason.to_owned(),
    }
}
