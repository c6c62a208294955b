//! The stage of ESLint.

use std::time::Instant;

use shim_proto::evolution::v1::ToolRun;

use super::{divided, tool_run};
use crate::analyzer::cache::{Kept, KeptFile};
use crate::analyzer::eslint::{self, LintRequest, LintedFile};
use crate::analyzer::run::{Keys, Run, file_key};
use crate::analyzer::sources::{Source, Sources};
use crate::error::EvolutionError;
use crate::tool_host::HostError;

/// What ESLint told.
#[derive(Default)]
pub(in crate::analyzer) struct Lint {
    pub(in crate::analyzer) files: Vec<KeptFile>,
    pub(in crate::analyzer) notes: Vec<String>,
    pub(in crate::analyzer) run: Option<ToolRun>,
    /// Name and version.
    pub(in crate::analyzer) tool: String,
}

impl Run<'_> {
    /// ESLint over the chosen files.
    pub(in crate::analyzer) async fn lint(
        &self,
        sources: &Sources,
        keys: &Keys,
        known: &Kept,
    ) -> Result<Lint, EvolutionError> {
        let started = Instant::now();
        let chosen: Vec<&Source> = sources.chosen().collect();
        let (held, asked) = divided(&chosen, &known.lint, &keys.lint, &keys.world);
        let mut lint = Lint {
            files: held.into_iter().cloned().collect(),
            notes: known.lint_notes.clone(),
            tool: known.lint_tool.clone(),
            run: None,
        };
        let cached = lint.files.len();
        if !asked.is_empty() {
            match self.ask(&asked, keys, known).await {
                Ok(answer) => {
                    lint.notes = answer.notes;
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
                    let run = tool_run("eslint ", started, chosen.len(), cached);
                    lint.run = Some(ToolRun { failure, ..run });
                    return Ok(lint);
                }
            }
        }
        lint.run = Some(tool_run(&lint.tool, started, chosen.len(), cached));
        Ok(lint)
    }

    async fn ask(
        &self,
        asked: &[&Source],
        keys: &Keys,
        known: &Kept,
    ) -> Result<eslint::LintAnswer, EvolutionError> {
        let total = asked.len() as u64;
        self.progress
            .tell("lint", format!("ESLint: {total} files"), 0, total);
        let request = LintRequest {
            files: asked.iter().map(|file| file.path.as_str()).collect(),
            fingerprint: keys.lint.to_hex().to_string(),
            refresh: known.lint.iter().any(|file| !file.world.is_empty()),
        };
        let configuration = &keys.configuration;
        eslint::lint(
            &self.context.host,
            self.project,
            configuration,
            request,
            &self.progress,
            self.cancel,
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
