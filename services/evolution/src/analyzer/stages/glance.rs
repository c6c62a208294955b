//! The first picture of a large project of which little is known: what the fast linter and git say of all files, and figures of
//! those that changed most. The figures of the others take seconds, and follow.

use std::cmp::Reverse;
use std::sync::Arc;

use shim_proto::evolution::v1::Project;

use super::code::{Code, facts_key};
use super::fast::{Fast, keep_history, known_history};
use crate::analyzer::cache::{KeptFile, Memory};
use crate::analyzer::keys::Inputs;
use crate::analyzer::report::CodeFacts;
use crate::analyzer::run::{Run, blocking};
use crate::analyzer::sources::{Source, Sources, texts};
use crate::domain::analysis::history::History;
use crate::error::EvolutionError;

/// So many files are measured in a fraction of a second.
const MEASURED: usize = 150;
/// With no more files than this to be measured, all of them are at once.
const FEW: usize = 2 * MEASURED;

/// What a glance shows.
pub(in crate::analyzer) type Glance = (Arc<CodeFacts>, Fast);

impl Run<'_> {
    /// A glance; `None` if all figures are there as soon. What the linter said, now and before, is in `fast_lint` afterwards, and what
    /// else was learned is in `memory`.
    pub(in crate::analyzer) async fn glance(
        &self,
        project: &Project,
        inputs: &Inputs,
        memory: &mut Memory,
        fast_lint: &mut Vec<KeptFile>,
    ) -> Result<Option<Glance>, EvolutionError> {
        let files = &inputs.sources.files;
        let is_known = |file: &&Source| memory.facts.contains_key(&facts_key(file));
        let known = files.iter().filter(is_known).count();
        if files.len() - known <= FEW {
            return Ok(None);
        }
        let (mut fast, history) = tokio::try_join!(
            self.fast_lint(inputs, std::mem::take(fast_lint)),
            self.history(known_history(memory, &inputs.keys.history)),
        )?;
        fast_lint.clone_from(&fast.lint);
        let history = self.add_history(&mut fast, history);
        keep_history(memory, &fast.runs, &inputs.keys.history, &history);
        let code = self.most_changed(inputs, &history, memory).await?;
        let measured = blocking(move || code.measure()).await?;
        memory.facts.extend(measured.kept);
        fast.unread.extend(measured.unread);
        fast.runs.push(measured.run);
        fast.notes.push(format!(
            "figures are of the {} files that changed most, of {}; the whole analysis has all, with duplicates and cycles",
            measured.files.len(),
            files.len()
        ));
        let code = CodeFacts {
            files: measured.files,
            history,
            limit: self.options.limit,
            project: project.clone(),
            ..CodeFacts::default()
        };
        Ok(Some((Arc::new(code), fast)))
    }

    /// The chosen files that changed most, to be measured.
    async fn most_changed(
        &self,
        inputs: &Inputs,
        history: &History,
        memory: &Memory,
    ) -> Result<Code, EvolutionError> {
        let mut files: Vec<Source> = inputs.sources.chosen().cloned().collect();
        let commits = |file: &Source| history.files.get(&file.path).map_or(0, |it| it.commits);
        files.sort_by_key(|file| Reverse(commits(file)));
        files.truncate(MEASURED);
        let (root, read) = (self.project.root().to_path_buf(), files.clone());
        let texts = move || texts(&root, &read.iter().collect::<Vec<_>>());
        Ok(Code {
            root: self.project.root().to_path_buf(),
            texts: Arc::new(blocking(texts).await?),
            graph_key: inputs.keys.graph(&inputs.sources),
            facts: memory.facts.clone(),
            resolved: Default::default(),
            cancel: self.cancel.clone(),
            sources: Arc::new(Sources {
                files,
                unread: Vec::new(),
            }),
        })
    }
}
