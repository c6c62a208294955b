//! A part of an analysis: the linters alone, about some of the files.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cache::KeptFile;
use super::flow::chosen_paths;
use super::part_answers::PartAnswers;
use super::run::{Run, blocking};
use super::stages::{Lint, LintWork};
use crate::error::EvolutionError;
use crate::spans::stage;

impl Run<'_> {
    /// Asks the linters about the chosen files, until it is cancelled or nobody listens.
    pub(super) async fn part(self) -> Result<PartAnswers, EvolutionError> {
        self.until_cancelled(Box::pin(self.part_work())).await
    }

    async fn part_work(&self) -> Result<PartAnswers, EvolutionError> {
        let (inputs, _) = stage("find files", self.inputs(&Arc::default())).await?;
        let (cache, root) = (
            self.context.cache.clone(),
            self.project.root().to_path_buf(),
        );
        let mut known = blocking(move || cache.known(&root)).await?;
        let fast_lint = std::mem::take(&mut known.fast_lint);
        let work = LintWork::new(&inputs.sources, &inputs.keys, &mut known);
        let lint = Box::pin(stage("lint", self.lint(work, &inputs.keys)));
        let (lint, fast_lint) = tokio::try_join!(lint, self.fast_lint(&inputs, fast_lint))?;
        let chosen = chosen_paths(&inputs.sources);
        Ok(answers(lint, fast_lint.lint, &chosen))
    }
}

fn answers(lint: Lint, fast_lint: Vec<KeptFile>, chosen: &BTreeSet<&str>) -> PartAnswers {
    let of_part = |mut files: Vec<KeptFile>| {
        files.retain(|file| chosen.contains(file.path.as_str()));
        files
    };
    PartAnswers {
        lint: of_part(lint.files),
        fast_lint: of_part(fast_lint),
        lint_tool: lint.tool,
        said: lint.said,
        failure: lint.run.map(|run| run.failure).unwrap_or_default(),
    }
}
