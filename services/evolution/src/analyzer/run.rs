//! One analysis from its beginning to its report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{AnalysisReport, Finding, FindingPage, UnreadFile};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cache::{KeptFile, Memory};
use super::keys::Keys;
use super::report::{self, CodeFacts, Told};
use super::sources::Sources;
use super::stages::{self, Fast, Lint, LintWork, Types};
use super::{AnalysisOptions, AnalyzerContext, eslint};
use crate::error::EvolutionError;
use crate::project::Project;
use crate::tool_host::{HostError, ProgressSink};

/// Findings in one message.
const PAGE: usize = 500;
/// ESLint has linted so many files before a first picture could be read.
const FEW: usize = 20;

pub(super) struct Run<'a> {
    pub(super) context: &'a AnalyzerContext,
    pub(super) project: &'a Project,
    pub(super) options: AnalysisOptions,
    events: mpsc::Sender<Event>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) progress: ProgressSink,
    started: Instant,
    id: String,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        context: &'a AnalyzerContext,
        project: &'a Project,
        options: AnalysisOptions,
        events: mpsc::Sender<Event>,
        cancel: &'a CancellationToken,
    ) -> Self {
        let sender = events.clone();
        // A line of progress that finds no room is worth no wait.
        let progress =
            ProgressSink::new(move |progress| _ = sender.try_send(Event::Progress(progress)));
        Self {
            context,
            project,
            options,
            events,
            cancel,
            progress,
            started: Instant::now(),
            id: Uuid::now_v7().to_string(),
        }
    }

    pub(super) async fn execute(self) -> Result<AnalysisReport, EvolutionError> {
        // On the heap: the state of an analysis would fill its caller's stack.
        let work = Box::pin(self.work());
        let closed = self.events.clone();
        tokio::select! {
            report = work => report,
            () = self.cancel.cancelled() => Err(HostError::Cancelled.into()),
            () = closed.closed() => Err(HostError::Cancelled.into()),
        }
    }

    async fn work(&self) -> Result<AnalysisReport, EvolutionError> {
        self.progress.tell("files", "looking for sources", 0, 0);
        let tools = self
            .context
            .host
            .tools_dir(&self.progress, self.cancel)
            .await?;
        let (sources, project) = self.sources().await?;
        let sources = Arc::new(sources);
        let keys = self.keys(&sources, &tools).await?;
        let root = self.project.root().to_path_buf();
        let mut memory = self.context.cache.take(&root);
        if memory.kept.answer_key == keys.answer.as_bytes()
            && !self.options.first_picture_only
            && let Some(report) = memory.kept.report.clone()
        {
            let answer = self.repeat(report, project, &sources, &memory).await;
            self.context.cache.put(&root, memory, false);
            return answer;
        }
        let (report, is_new) = self
            .analyze(project, sources, &keys, &tools, &mut memory)
            .await?;
        let cache = Arc::clone(&self.context.cache);
        blocking(move || cache.put(&root, memory, is_new)).await?;
        Ok(report)
    }

    /// The files, and the project's message with what they show.
    async fn sources(
        &self,
    ) -> Result<(Sources, shim_proto::evolution::v1::Project), EvolutionError> {
        let chosen = self.project.source_files(&self.options.include).await?;
        let is_part =
            !self.options.include.is_empty() || !self.project.asked().as_os_str().is_empty();
        let mut message = self.project.to_message();
        chosen.describe(&mut message);
        if !is_part {
            return Ok((Sources::of(chosen, None), message));
        }
        let paths: BTreeSet<String> = chosen.files.into_iter().map(|file| file.path).collect();
        let mut all = self.project.every_source_file().await?;
        all.unread = chosen.unread;
        Ok((Sources::of(all, Some(&paths)), message))
    }

    /// The answer of the last analysis, since nothing changed.
    async fn repeat(
        &self,
        mut report: AnalysisReport,
        project: shim_proto::evolution::v1::Project,
        sources: &Sources,
        memory: &Memory,
    ) -> Result<AnalysisReport, EvolutionError> {
        report.analysis_id.clone_from(&self.id);
        report.project = Some(project);
        for run in &mut report.tools {
            run.cached_files = run.files;
            run.duration = Some(report::duration(std::time::Duration::ZERO));
        }
        report.duration = Some(report::duration(self.started.elapsed()));
        if self.options.with_findings {
            let chosen: BTreeSet<&str> = sources.chosen().map(|file| file.path.as_str()).collect();
            let is_chosen = |file: &&KeptFile| chosen.contains(file.path.as_str());
            let lint: Vec<&KeptFile> = memory.kept.lint.iter().filter(is_chosen).collect();
            let fast: Vec<&KeptFile> = memory.kept.fast_lint.iter().filter(is_chosen).collect();
            let types = memory
                .kept
                .types
                .as_ref()
                .map_or(&[][..], |types| &types.findings);
            let mut findings = stages::findings(&lint, &fast, types, &chosen);
            findings.sort_by(crate::domain::analysis::places::by_place);
            self.send_findings(findings).await?;
        }
        Ok(report)
    }

    async fn analyze(
        &self,
        project: shim_proto::evolution::v1::Project,
        sources: Arc<Sources>,
        keys: &Keys,
        tools: &std::path::Path,
        memory: &mut Memory,
    ) -> Result<(AnalysisReport, bool), EvolutionError> {
        let mut known = std::mem::take(&mut memory.kept);
        let (fast_lint, known_types) = (std::mem::take(&mut known.fast_lint), known.types.take());
        let work = LintWork::new(&sources, keys, &mut known);
        // After a small change the whole is there at once.
        let is_slow = work.files.cached == 0
            || work.files.asked.len() > FEW
            || !keys.configuration.typescript.is_empty();
        let lint = Box::pin(async {
            match self.options.first_picture_only {
                true => Ok(work.unasked()),
                false => self.lint(work, keys).await,
            }
        });
        let quick = Box::pin(async {
            let (code, fast) = self
                .quick(project, &sources, keys, tools, memory, fast_lint)
                .await?;
            if is_slow || self.options.first_picture_only {
                self.send_first_picture(&code, &fast, &sources).await?;
            }
            let types = match self.options.first_picture_only {
                true => Types::default(),
                false => self.types(keys, tools, known_types.as_ref()).await?,
            };
            Ok::<_, EvolutionError>((code, fast, types))
        });
        let (lint, quick) = tokio::try_join!(lint, quick)?;
        let (code, fast, types) = quick;
        let nothing = Lint::default();
        let is_whole = !self.options.first_picture_only;
        let mut told = self.told(
            if is_whole { &lint } else { &nothing },
            &fast,
            Some(&types),
            &sources,
        );
        if is_whole {
            told.notes.extend(eslint::configuration_note(
                self.project,
                &keys.configuration,
            ));
        }
        let id = self.id.clone();
        let (report, findings) = blocking(move || report::report(&code, told, &id)).await?;
        let report = self.finish(report);
        if self.options.with_findings {
            self.send_findings(findings).await?;
        }
        memory.kept = stages::kept(keys.answer, &report, known_types, lint, fast, types);
        if !is_whole {
            memory.kept.answer_key.clear();
        }
        Ok((report, is_whole))
    }

    fn finish(&self, mut report: AnalysisReport) -> AnalysisReport {
        report.duration = Some(report::duration(self.started.elapsed()));
        report
    }

    async fn send_first_picture(
        &self,
        code: &Arc<CodeFacts>,
        fast: &Fast,
        sources: &Sources,
    ) -> Result<(), EvolutionError> {
        let mut told = self.told(&Lint::default(), fast, None, sources);
        told.is_first_picture = true;
        let (code, id) = (Arc::clone(code), self.id.clone());
        let (picture, _) = blocking(move || report::report(&code, told, &id)).await?;
        self.send(Event::FirstPicture(self.finish(picture))).await
    }

    /// All that the tools said until now.
    fn told(&self, lint: &Lint, fast: &Fast, types: Option<&Types>, sources: &Sources) -> Told {
        let chosen: BTreeSet<&str> = sources.chosen().map(|file| file.path.as_str()).collect();
        let lint_files: Vec<&KeptFile> = lint
            .files
            .iter()
            .filter(|file| chosen.contains(file.path.as_str()))
            .collect();
        let fast_files: Vec<&KeptFile> = fast
            .lint
            .iter()
            .filter(|file| chosen.contains(file.path.as_str()))
            .collect();
        let type_findings = types.map_or(&[][..], |types| &types.findings);
        let unread_of = |files: &[&KeptFile]| {
            files
                .iter()
                .filter_map(|file| file.unread.clone())
                .collect::<Vec<UnreadFile>>()
        };
        let mut told = Told {
            findings: stages::findings(&lint_files, &fast_files, type_findings, &chosen),
            unread: sources.unread.clone(),
            tools: fast.runs.clone(),
            notes: fast.notes.clone(),
            is_first_picture: self.options.first_picture_only,
        };
        told.unread.extend(unread_of(&lint_files));
        told.unread.extend(unread_of(&fast_files));
        told.unread.extend(
            fast.unread
                .iter()
                .filter(|file| chosen.contains(file.path.as_str()))
                .cloned(),
        );
        told.notes.extend(lint.notes.iter().cloned());
        told.tools.extend(lint.run.clone());
        if let Some(types) = types {
            told.notes.extend(types.notes.iter().cloned());
            told.tools.extend(types.run.clone());
            told.unread.extend(types.unread(&chosen));
        }
        told
    }

    async fn send_findings(&self, findings: Vec<Finding>) -> Result<(), EvolutionError> {
        for page in findings.chunks(PAGE) {
            self.send(Event::Findings(FindingPage {
                findings: page.to_vec(),
            }))
            .await?;
        }
        Ok(())
    }

    async fn send(&self, event: Event) -> Result<(), EvolutionError> {
        let sent = self.events.send(event).await;
        sent.map_err(|_| HostError::Cancelled.into())
    }
}

/// Runs work that uses the processor or waits for the disk, off the threads of the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EvolutionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => Err(HostError::Stopping.into()),
    }
}
