//! One analysis from its beginning to its report.

use std::collections::BTreeSet;
use std::sync::Arc;

use shim_proto::evolution::v1 as proto;
use shim_proto::evolution::v1::analyze_workflow_response::Event;
use shim_proto::evolution::v1::{AnalysisReport, Finding};

use super::cache::{Kept, KeptFile, KeptTypes, Memory};
use super::eslint;
use super::keys::{Inputs, Keys};
use super::part_answers;
use super::report::{self, CodeFacts, ToolResults};
use super::run::{Run, blocking};
use super::sources::Sources;
use super::stages::{self, Fast, Lint, LintWork, Types};
use crate::domain::analysis::places::by_place;
use crate::error::EvolutionError;
use crate::project::{SeenFiles, SourceFiles};
use crate::spans::stage;
use crate::tool_host::HostError;

/// ESLint has linted so many files before a first picture could be read.
const FEW: usize = 20;

/// What the stages gave.
struct Stages {
    lint: Lint,
    code: Arc<CodeFacts>,
    fast: Fast,
    types: Types,
}

impl Run<'_> {
    /// Analyzes, until it is cancelled or nobody listens.
    pub(super) async fn execute(self) -> Result<AnalysisReport, EvolutionError> {
        // On the heap: the state of an analysis would fill its caller's stack.
        self.until_cancelled(Box::pin(self.work())).await
    }

    /// Works until it is cancelled or nobody listens.
    pub(super) async fn until_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, EvolutionError>>,
    ) -> Result<T, EvolutionError> {
        let closed = self.events.clone();
        tokio::select! {
            done = work => done,
            () = self.cancel.cancelled() => Err(HostError::Cancelled.into()),
            () = closed.closed() => Err(HostError::Cancelled.into()),
        }
    }

    async fn work(&self) -> Result<AnalysisReport, EvolutionError> {
        let root = self.project.root().to_path_buf();
        let (cache, of) = (Arc::clone(&self.context.cache), root.clone());
        let mut memory = blocking(move || cache.take(&of)).await?;
        let (inputs, project) = stage("find files", self.inputs(&memory.seen)).await?;
        part_answers::adopt(&mut memory.kept, &self.options.known);
        if memory.kept.answer_key == inputs.keys.answer.as_bytes()
            && !self.options.first_picture_only
            && let Some(report) = memory.kept.report.clone()
        {
            let answer = self.repeat(report, project, &inputs.sources, &memory).await;
            self.context.cache.put(&root, memory, false);
            return answer;
        }
        let (report, is_new) = self.analyze(project, &inputs, &mut memory).await?;
        let cache = Arc::clone(&self.context.cache);
        blocking(move || cache.put(&root, memory, is_new)).await?;
        Ok(report)
    }

    /// What the stages work from, and the project's message.
    pub(super) async fn inputs(
        &self,
        seen: &Arc<SeenFiles>,
    ) -> Result<(Inputs, proto::Project), EvolutionError> {
        self.progress.tell("files", "looking for sources", 0, 0);
        let tools = self
            .context
            .host
            .tools_dir(&self.progress, self.cancel)
            .await?;
        let (sources, project) = self.sources(seen).await?;
        let sources = Arc::new(sources);
        let keys = self.keys(&sources, &tools).await?;
        let inputs = Inputs {
            sources,
            keys,
            tools,
        };
        Ok((inputs, project))
    }

    /// The files, and the project's message with what they show.
    async fn sources(
        &self,
        seen: &Arc<SeenFiles>,
    ) -> Result<(Sources, proto::Project), EvolutionError> {
        let include = &self.options.include;
        let mut chosen = self.project.source_files_again(include, seen).await?;
        let is_part = self.options.share.is_some()
            || !self.options.include.is_empty()
            || !self.project.asked().as_os_str().is_empty();
        let mut message = self.project.to_message();
        chosen.describe(&mut message);
        if let Some(share) = self.options.share {
            let sizes = chosen.files.iter().map(|file| (&*file.path, file.bytes));
            let own = share.of(&sizes.collect::<Vec<_>>());
            chosen.files.retain(|file| own.contains(&file.path));
        }
        if !is_part {
            self.keep_seen(seen, &chosen);
            return Ok((Sources::of(chosen, None), message));
        }
        let paths: BTreeSet<String> = chosen.files.into_iter().map(|file| file.path).collect();
        let mut all = self.project.every_source_file(seen).await?;
        self.keep_seen(seen, &all);
        all.unread = chosen.unread;
        Ok((Sources::of(all, Some(&paths)), message))
    }

    /// Forgets files that are gone.
    fn keep_seen(&self, seen: &SeenFiles, all: &SourceFiles) {
        let files = all.files.iter().map(|file| &*file.path);
        let unread = all.unread.iter().map(|file| &*file.path);
        seen.keep(self.project.root(), files.chain(unread));
    }

    /// The answer of the last analysis, since nothing changed.
    async fn repeat(
        &self,
        mut report: AnalysisReport,
        project: proto::Project,
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
            self.send_findings(kept_findings(sources, memory)).await?;
        }
        Ok(report)
    }

    /// The report, and whether it tells more than the last one: a first picture does not.
    async fn analyze(
        &self,
        project: proto::Project,
        inputs: &Inputs,
        memory: &mut Memory,
    ) -> Result<(AnalysisReport, bool), EvolutionError> {
        let mut known = std::mem::take(&mut memory.kept);
        let known_types = known.types.take();
        let stages = self
            .run_stages(project, inputs, memory, &mut known, known_types.as_ref())
            .await?;
        let Stages {
            lint,
            code,
            fast,
            types,
        } = stages;
        let results = self.whole_results(&lint, &fast, &types, inputs);
        let id = self.id.clone();
        let (report, findings) = blocking(move || report::report(&code, results, &id)).await?;
        let report = self.finish(report);
        if self.options.with_findings {
            self.send_findings(findings).await?;
        }
        memory.kept = stages::kept(inputs.keys.answer, &report, known_types, lint, fast, types);
        let is_whole = !self.options.first_picture_only;
        if !is_whole {
            memory.kept.answer_key.clear();
        }
        Ok((report, is_whole))
    }

    /// Runs ESLint beside the other stages, and sends the first picture between those.
    async fn run_stages(
        &self,
        project: proto::Project,
        inputs: &Inputs,
        memory: &mut Memory,
        known: &mut Kept,
        known_types: Option<&KeptTypes>,
    ) -> Result<Stages, EvolutionError> {
        let Inputs { keys, tools, .. } = inputs;
        let fast_lint = std::mem::take(&mut known.fast_lint);
        let work = LintWork::new(&inputs.sources, &inputs.keys, known);
        let is_slow = is_slow(&work, &inputs.keys);
        let lint = Box::pin(async {
            match self.options.first_picture_only {
                true => Ok(work.unasked()),
                false => stage("lint", self.lint(work, &inputs.keys)).await,
            }
        });
        let others = Box::pin(async {
            let pictured = self.pictured(project, inputs, memory, fast_lint, is_slow);
            let (code, fast) = pictured.await?;
            let types = match self.options.first_picture_only {
                true => Types::default(),
                false => stage("check types", self.types(keys, tools, known_types)).await?,
            };
            Ok::<_, EvolutionError>((code, fast, types))
        });
        let (lint, (code, fast, types)) = tokio::try_join!(lint, others)?;
        Ok(Stages {
            lint,
            code,
            fast,
            types,
        })
    }

    /// What the fast tools say, after the first picture was sent if a caller would wait for the rest. If it asks for that alone, a
    /// glance is enough.
    async fn pictured(
        &self,
        project: proto::Project,
        inputs: &Inputs,
        memory: &mut Memory,
        mut fast_lint: Vec<KeptFile>,
        is_slow: bool,
    ) -> Result<(Arc<CodeFacts>, Fast), EvolutionError> {
        let glance = self.glance(&project, inputs, memory, &mut fast_lint);
        let glance = stage("glance", glance).await?;
        if let Some((code, fast)) = &glance {
            self.send_first_picture(code, fast, &inputs.sources).await?;
        }
        let (is_shown, is_enough) = (glance.is_some(), self.options.first_picture_only);
        let glance = match glance {
            Some(glance) if is_enough => return Ok(glance),
            glance => glance.map(|(_, fast)| fast),
        };
        let quick = self.quick(project, inputs, memory, fast_lint);
        let (code, mut fast) = stage("first picture", quick).await?;
        fast.add_runs_of(glance.as_ref());
        if !is_shown && (is_slow || self.options.first_picture_only) {
            self.send_first_picture(&code, &fast, &inputs.sources)
                .await?;
        }
        Ok((code, fast))
    }

    /// All that the tools said, with a note on ESLint's configuration; a first picture knows nothing of ESLint.
    fn whole_results(
        &self,
        lint: &Lint,
        fast: &Fast,
        types: &Types,
        inputs: &Inputs,
    ) -> ToolResults {
        if self.options.first_picture_only {
            return self.results(&Lint::default(), fast, Some(types), &inputs.sources);
        }
        let mut results = self.results(lint, fast, Some(types), &inputs.sources);
        let note = eslint::configuration_note(self.project, &inputs.keys.configuration);
        results.notes.extend(note);
        results
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
        let mut results = self.results(&Lint::default(), fast, None, sources);
        results.is_first_picture = true;
        let (code, id) = (Arc::clone(code), self.id.clone());
        let (picture, _) = blocking(move || report::report(&code, results, &id)).await?;
        self.send(Event::FirstPicture(self.finish(picture))).await
    }

    /// All that the tools said until now.
    fn results(
        &self,
        lint: &Lint,
        fast: &Fast,
        types: Option<&Types>,
        sources: &Sources,
    ) -> ToolResults {
        let chosen = chosen_paths(sources);
        let lint_files = chosen_files(&lint.files, &chosen);
        let fast_files = chosen_files(&fast.lint, &chosen);
        let type_findings = types.map_or(&[][..], |types| &types.findings);
        let mut results = ToolResults {
            findings: stages::findings(&lint_files, &fast_files, type_findings, &chosen),
            unread: sources.unread.clone(),
            tools: fast.runs.clone(),
            notes: fast.notes.clone(),
            is_first_picture: self.options.first_picture_only,
        };
        let unread = lint_files.iter().chain(&fast_files);
        results
            .unread
            .extend(unread.filter_map(|file| file.unread.clone()));
        let gone = fast.unread.iter();
        let gone = gone.filter(|file| chosen.contains(file.path.as_str()));
        results.unread.extend(gone.cloned());
        results.notes.extend(lint.notes.iter().cloned());
        results.tools.extend(lint.run.clone());
        if let Some(types) = types {
            results.notes.extend(types.notes.iter().cloned());
            results.tools.extend(types.run.clone());
            results.unread.extend(types.unread(&chosen));
        }
        results
    }
}

/// Whether ESLint or the compiler let a caller wait. After a small change the whole is there at once.
fn is_slow(work: &LintWork, keys: &Keys) -> bool {
    work.files.cached == 0
        || work.files.asked.len() > FEW
        || !keys.configuration.typescript.is_empty()
}

/// The findings of the last analysis in the chosen files, sorted.
fn kept_findings(sources: &Sources, memory: &Memory) -> Vec<Finding> {
    let (chosen, kept) = (chosen_paths(sources), &memory.kept);
    let lint = chosen_files(&kept.lint, &chosen);
    let fast = chosen_files(&kept.fast_lint, &chosen);
    let types = kept.types.as_ref();
    let types = types.map_or(&[][..], |types| &types.findings);
    let mut findings = stages::findings(&lint, &fast, types, &chosen);
    findings.sort_by(by_place);
    findings
}

pub(super) fn chosen_paths(sources: &Sources) -> BTreeSet<&str> {
    sources.chosen().map(|file| file.path.as_str()).collect()
}

fn chosen_files<'a>(files: &'a [KeptFile], chosen: &BTreeSet<&str>) -> Vec<&'a KeptFile> {
    let is_chosen = |file: &&KeptFile| chosen.contains(file.path.as_str());
    files.iter().filter(is_chosen).collect()
}
