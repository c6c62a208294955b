//! The stage of ESLint.

use std::time::Instant;

use shim_proto::evolution::v1::ToolRun;

use super::common::tool_run;
use super::divided::{Divided, divided};
use crate::analyzer::cache::{Kept, KeptFile};
use crate::analyzer::eslint::{self, LintRequest, LintSaid, LintedFile};
use crate::analyzer::keys::{Keys, file_key};
use crate::analyzer::run::Run;
use crate::analyzer::sources::{Source, Sources};
use crate::error::EvolutionError;
use crate::tool_host::HostError;

/// What ESLint told.
#[derive(Default)]
pub(in crate::analyzer) struct Lint {
    pub(in crate::analyzer) files: Vec<KeptFile>,
    pub(in crate::analyzer) notes: Vec<String>,
    /// What ESLint said of its configuration; `None` if it was asked nothing.
    pub(in crate::analyzer) said: Option<LintSaid>,
    pub(in crate::analyzer) run: Option<ToolRun>,
    /// Name and version.
    pub(in crate::analyzer) tool: String,
}

/// What is known, and what ESLint is to be asked.
pub(in crate::analyzer) struct LintWork {
    pub(in crate::analyzer) files: Divided,
    /// Whether an answer may hang on other files, which the host may know from before.
    looks_further: bool,
    notes: Vec<String>,
    tool: String,
}

impl LintWork {
    /// Takes what is known of the files.
    pub(in crate::analyzer) fn new(sources: &Sources, keys: &Keys, known: &mut Kept) -> Self {
        let files = std::mem::take(&mut known.lint);
        Self {
            looks_further: files.iter().any(|file| !file.world.is_empty()),
            files: divided(&sources.files, files, &keys.lint, &keys.world),
            notes: std::mem::take(&mut known.lint_notes),
            tool: std::mem::take(&mut known.lint_tool),
        }
    }

    /// What is known, without a question.
    pub(in crate::analyzer) fn unasked(self) -> Lint {
        Lint {
            files: self.files.held,
            notes: self.notes,
            said: None,
            tool: self.tool,
            run: None,
        }
    }
}

impl Run<'_> {
    /// ESLint over the chosen files.
    pub(in crate::analyzer) async fn lint(
        &self,
        mut work: LintWork,
        keys: &Keys,
    ) -> Result<Lint, EvolutionError> {
        let started = Instant::now();
        let asked = std::mem::take(&mut work.files.asked);
        let (cached, looks_further) = (work.files.cached, work.looks_further);
        let files = asked.len() + cached;
        let mut lint = work.unasked();
        if !asked.is_empty() {
            match self.ask(&asked, keys, looks_further).await {
                Ok(answer) => {
                    lint.notes = answer.said.notes();
                    lint.said = Some(answer.said);
                    lint.tool = answer.tool;
                    let mut files = answer.files;
                    let new = asked.iter().map(|file| {
                        let linted = files.remove(&file.path).unwrap_or_default();
                        kept(file, linted, keys, &lint.tool)
                    });
                    lint.files.extend(new);
                }
                Err(why) => {
                    let failure = failure(why)?;
                    let run = tool_run("eslint ", started, files, cached);
                    lint.run = Some(ToolRun { failure, ..run });
                    return Ok(lint);
                }
            }
        }
        lint.run = Some(tool_run(&lint.tool, started, files, cached));
        Ok(lint)
    }

    async fn ask(
        &self,
        asked: &[Source],
        keys: &Keys,
        refresh: bool,
    ) -> Result<eslint::LintAnswer, EvolutionError> {
        let total = asked.len() as u64;
        self.progress
            .tell("lint", format!("ESLint: {total} files"), 0, total);
        let request = LintRequest {
            files: asked.iter().map(|file| file.path.as_str()).collect(),
            fingerprint: keys.lint.to_hex().to_string(),
            refresh,
        };
        let configuration = &keys.configuration;
        let (host, cancel) = (&self.context.host, self.cancel);
        eslint::lint(
            host,
            self.project,
            configuration,
            request,
            &self.progress,
            cancel,
        )
        .await
    }
}

fn kept(file: &Source, linted: LintedFile, keys: &Keys, tool: &str) -> KeptFile {
    let world = linted.looks_further.then(|| keys.world.as_bytes().to_vec());
    KeptFile {
        path: file.path.clone(),
        key: file_key(file, &keys.lint).as_bytes().to_vec(),
        world: world.unwrap_or_default(),
        findings: linted.findings,
        unread: linted
            .unread
            .map(|reason| eslint::unread(&file.path, tool, &reason)),
    }
}

/// What a tool that failed is told as. What ends the call, or what a person must mend first, stays an error.
fn failure(why: EvolutionError) -> Result<String, EvolutionError> {
    match why {
        EvolutionError::Host(
            HostError::TimedOut { .. }
            | HostError::OutOfMemory { .. }
            | HostError::Died { .. }
            | HostError::AnswerTooLarge { .. }
            | HostError::ToolFailed { .. }
            | HostError::BadAnswer { .. },
        ) => Ok(why.to_string()),
        other => Err(other),
    }
}
