//! The steps of a generation, from the sources of a project to its proposal.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{
    DroppedTests, Project as ProjectMessage, TestGenerationReport, UnreadFile,
};

use super::bench::Bench;
use super::context::{OnFunction, Options, Tools};
use super::generation::{Generation, Tried};
use super::keep::{Dropped, ModuleTests, prove, repeat};
use super::measure::{self, Measured, measure};
use super::observe::{self, Look};
use super::outcome::why;
use super::proposal::proposal;
use super::screen::screen;
use super::setting::{copy_of, habits_of, modules_of, suite_of};
use super::subject::subject;
use super::tools::{self, FoundModule};
use crate::domain::testing::candidates::{Candidate, candidates};
use crate::domain::testing::selection::choose;
use crate::error::EvolutionError;
use crate::project::{Project, SourceFiles};
use crate::test_runs::Verdict;
use crate::tool_host::HostError;

pub(super) async fn generate(
    tools: Tools<'_>,
    project: &Project,
    options: &Options,
    on_function: OnFunction<'_>,
) -> Result<TestGenerationReport, EvolutionError> {
    if !project.is_trusted() {
        return Err(HostError::NotTrusted {
            root: project.root().display().to_string(),
        }
        .into());
    }
    let suite = suite_of(project)?;
    let sources = project.source_files(&options.include).await?;
    let mut message = project.to_message();
    sources.describe(&mut message);
    let (found, unread) = exporting_modules(tools, project, sources, options.seed).await?;
    let instrumented = tools::instrument(tools, project, &found).await?;
    let habits = habits_of(project, &suite, &found);
    let sandbox = copy_of(tools, project).await?;
    let mut generation = Generation {
        bench: Bench::new(tools, sandbox, suite, habits, options),
        by_path: instrumented
            .iter()
            .map(|it| (it.path.clone(), it.clone()))
            .collect(),
        instrumented,
        options,
        told: BTreeMap::new(),
    };
    let report = generation.run(found, message, on_function).await?;
    Ok(TestGenerationReport {
        unread_files: unread,
        ..report
    })
}

/// Why no call of a function makes a test: what most of its calls have in common.
fn no_test(reasons: &[DroppedTests]) -> String {
    let most = reasons.iter().max_by_key(|it| it.count);
    let why = most.map(|it| format!(": {}", it.reason));
    format!("no call of it makes a test{}", why.unwrap_or_default())
}

/// The modules that export functions, and all files that were not read.
async fn exporting_modules(
    tools: Tools<'_>,
    project: &Project,
    sources: SourceFiles,
    seed: u64,
) -> Result<(Vec<FoundModule>, Vec<UnreadFile>), EvolutionError> {
    let names = modules_of(project, &sources);
    let count = names.len() as u64;
    tools
        .progress
        .tell("files", "looking for exported functions", 0, count);
    let mut found = tools::functions(tools, project, &names, seed).await?;
    let faulty = found.iter().filter(|module| !module.fault.is_empty());
    let faulty = faulty.map(|module| UnreadFile {
        path: module.path.clone(),
        tool: "typescript".to_owned(),
        reason: module.fault.clone(),
    });
    let unread = sources.unread.into_iter().chain(faulty).collect();
    found.retain(|module| !module.functions.is_empty());
    Ok((found, unread))
}

impl Generation<'_> {
    async fn run(
        &mut self,
        found: Vec<FoundModule>,
        project: ProjectMessage,
        on_function: OnFunction<'_>,
    ) -> Result<TestGenerationReport, EvolutionError> {
        let progress = self.bench.tools.progress;
        progress.tell("tests", "the project's own tests", 0, 0);
        let before = measure(&mut self.bench, &self.instrumented, "hits-before").await?;
        let (chosen, reached) = self.chosen(found, &before);
        let tried = self.try_out(&chosen, &reached, &before).await?;
        let mut dropped = Dropped::new();
        let files = self.kept_files(&chosen, &tried, &mut dropped).await?;
        let kept = files.iter().flat_map(|file| &file.tests);
        let kept: BTreeSet<u32> = kept.map(|(test, _)| test.id).collect();
        let killed = self.tell(&chosen, &tried, &kept, &dropped, on_function);
        let mut scores = self.scores(&chosen, &reached, &tried.own, &killed);
        if !before.is_counted() {
            scores.0 = -1.0;
        }
        let first = before.figures(&self.instrumented, scores.0);
        let (mut last, mut evolution) = (first, None);
        if !files.is_empty() {
            progress.tell("tests", "all tests together", 0, 0);
            let after = self.measure_after(&before).await?;
            last = after.figures(&self.instrumented, scores.1);
            let why = why(&files, &before, &after, [&first, &last]);
            evolution = Some(proposal(project.clone(), &self.new_files(&files), why));
        }
        Ok(TestGenerationReport {
            test_runner: before.run.runner.clone(),
            functions: std::mem::take(&mut self.told).into_values().collect(),
            before: Some(first),
            after: Some(last),
            evolution,
            project: Some(project),
            seed: self.options.seed,
            ..TestGenerationReport::default()
        })
    }

    /// The figures with the new tests; a suite that never ends is not waited for twice.
    async fn measure_after(&mut self, before: &Measured) -> Result<Measured, EvolutionError> {
        match before.run.verdict {
            Verdict::TimedOut => Ok(Measured::unknown(before)),
            _ => measure(&mut self.bench, &self.instrumented, "hits-after").await,
        }
    }

    /// Makes tests of what functions do, and tries them against mutants.
    async fn try_out(
        &mut self,
        chosen: &[FoundModule],
        reached: &BTreeSet<u32>,
        before: &Measured,
    ) -> Result<Tried, EvolutionError> {
        let progress = self.bench.tools.progress;
        progress.tell("tests", "trying inputs", 0, 0);
        let looks = observe::observe(&mut self.bench, chosen).await?;
        let tests = self.candidates(chosen, &looks);
        if tests.is_empty() {
            return Ok(Tried::default());
        }
        let text = format!("{} tests that may be kept", tests.len());
        progress.tell("mutants", text, 0, 0);
        let bench = &mut self.bench;
        let screened = screen(bench, chosen, &self.by_path, &tests).await?;
        let own = measure::before(bench, chosen, &self.by_path, reached, &before.run).await?;
        Ok(Tried {
            tests,
            screened,
            own,
        })
    }

    /// The files of the tests that stay.
    async fn kept_files<'m>(
        &mut self,
        chosen: &'m [FoundModule],
        tried: &'m Tried,
        dropped: &mut Dropped,
    ) -> Result<Vec<ModuleTests<'m>>, EvolutionError> {
        let tests = self.chosen_tests(chosen, tried, dropped);
        let mut files = self.files(chosen, &tests);
        let bench = &mut self.bench;
        repeat(bench, &mut files, self.options.seed, dropped).await?;
        prove(bench, &mut files, &self.by_path, &tried.screened, dropped).await?;
        Ok(files)
    }

    fn candidates(
        &mut self,
        chosen: &[FoundModule],
        [first, second]: &[Look; 2],
    ) -> Vec<Candidate> {
        let mut next_id = 0;
        let mut tests = Vec::new();
        for module in chosen {
            for function in &module.functions {
                match subject(module, function, first, second) {
                    Ok((subject, reasons)) => {
                        let made = candidates(&subject, &mut next_id);
                        if made.is_empty() {
                            self.skip(function.id, no_test(&reasons));
                        }
                        if let Some(told) = self.told.get_mut(&function.id) {
                            told.dropped = reasons;
                        }
                        tests.extend(made);
                    }
                    Err(why) => self.skip(function.id, why),
                }
            }
        }
        tests
    }

    fn chosen_tests<'t>(
        &self,
        chosen: &[FoundModule],
        tried: &'t Tried,
        dropped: &mut Dropped,
    ) -> Vec<&'t Candidate> {
        let Tried {
            tests, screened, ..
        } = tried;
        let mut all = Vec::new();
        for function in chosen.iter().flat_map(|module| &module.functions) {
            let own = tests
                .iter()
                .filter(|test| test.f == function.id && !screened.broken.contains(&test.id));
            let own: Vec<&Candidate> = own.collect();
            let picked = choose(&own, &screened.kills);
            let ids: BTreeSet<u32> = picked.iter().map(|test| test.id).collect();
            for test in own.iter().filter(|test| !ids.contains(&test.id)) {
                let kills = screened.kills.contains_key(&test.id);
                dropped.insert(
                    test.id,
                    if kills {
                        "kills no mutant that a kept test does not"
                    } else {
                        "kills no mutant"
                    },
                );
            }
            all.extend(picked);
        }
        // A property that does not hold was no test to begin with; a call that differs was one.
        let broken = tests
            .iter()
            .filter(|test| screened.broken.contains(&test.id) && !test.is_property());
        dropped.extend(broken.map(|test| (test.id, "fails")));
        all
    }

    fn files<'m>(
        &self,
        chosen: &'m [FoundModule],
        tests: &[&'m Candidate],
    ) -> Vec<ModuleTests<'m>> {
        let made = chosen
            .iter()
            .map(|module| ModuleTests::new(&self.bench, module, tests));
        made.filter(|file| !file.tests.is_empty()).collect()
    }
}
