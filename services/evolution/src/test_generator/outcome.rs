//! What a generation leaves: new files, what became of each function, figures.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{DroppedTests, TestFigures};

use super::context::OnFunction;
use super::generation::{Generation, Tried};
use super::keep::{Dropped, ModuleTests};
use super::measure::{self, Measured, share};
use super::proposal::NewFile;
use super::screen::Screened;
use super::tools::{FoundModule, Instrumented};
use crate::domain::testing::candidates::Candidate;

impl Generation<'_> {
    pub(super) fn new_files(&self, files: &[ModuleTests<'_>]) -> Vec<NewFile> {
        let new = files.iter().map(|file| {
            let with_tests = file
                .module
                .functions
                .iter()
                .filter(|function| file.tests.iter().any(|(test, _)| test.f == function.id));
            NewFile {
                path: file.path.clone(),
                text: file.text(&self.bench, None),
                functions: with_tests.map(|function| function.name.clone()).collect(),
                tests: file.tests.len(),
            }
        });
        new.collect()
    }

    /// Tells each function, and returns the mutants that kept tests kill.
    pub(super) fn tell(
        &mut self,
        chosen: &[FoundModule],
        Tried {
            tests, screened, ..
        }: &Tried,
        kept: &BTreeSet<u32>,
        dropped: &Dropped,
        on_function: OnFunction<'_>,
    ) -> BTreeSet<u32> {
        let mut all = BTreeSet::new();
        for function in chosen.iter().flat_map(|module| &module.functions) {
            let Some(told) = self.told.get_mut(&function.id) else {
                continue;
            };
            let own = tests.iter().filter(|test| test.f == function.id);
            let own: Vec<&Candidate> = own.collect();
            let stayed = own.iter().filter(|test| kept.contains(&test.id));
            let stayed: Vec<u32> = stayed.map(|test| test.id).collect();
            let killed = killed_by(&self.by_path, function.id, &stayed, screened);
            told.kept = u32::try_from(stayed.len()).unwrap_or(u32::MAX);
            told.killed_mutants = u32::try_from(killed.len()).unwrap_or(u32::MAX);
            told.dropped.extend(reasons(&own, dropped));
            if stayed.is_empty() && told.skipped.is_empty() {
                told.skipped = "no test of it was kept".to_owned();
            }
            all.extend(killed);
        }
        self.told
            .values()
            .for_each(|told| on_function(told.clone()));
        all
    }

    /// Mutation scores of the chosen functions, before and after. What the project's own tests kill of functions that they reach
    /// is a sample's share.
    pub(super) fn scores(
        &self,
        chosen: &[FoundModule],
        reached: &BTreeSet<u32>,
        own: &measure::Before,
        killed: &BTreeSet<u32>,
    ) -> (f64, f64) {
        let ids: BTreeSet<u32> = chosen
            .iter()
            .flat_map(|module| &module.functions)
            .map(|function| function.id)
            .collect();
        let mutants: Vec<_> = self
            .by_path
            .values()
            .flat_map(|made| &made.mutants)
            .filter(|mutant| ids.contains(&mutant.f))
            .collect();
        let of_reached = mutants.iter().filter(|mutant| reached.contains(&mutant.f));
        let of_reached: Vec<u32> = of_reached.map(|mutant| mutant.id).collect();
        if !of_reached.is_empty() && own.tried.is_empty() {
            return (-1.0, share(killed.len(), mutants.len()));
        }
        let (before, more) = own.estimate(&of_reached, killed);
        let whole = mutants.len().max(1) as f64;
        (before / whole, (killed.len() as f64 + more) / whole)
    }
}

/// The mutants of a function that its kept tests notice. One that ended the process, or never ended, is noticed by any test.
fn killed_by(
    modules: &BTreeMap<String, Instrumented>,
    f: u32,
    kept: &[u32],
    screened: &Screened,
) -> BTreeSet<u32> {
    let is_killed = |id: u32| {
        let by_test = |test: &u32| screened.kills.get(test).is_some_and(|it| it.contains(&id));
        kept.iter().any(by_test) || (!kept.is_empty() && screened.fatal.contains(&id))
    };
    let mutants = modules.values().flat_map(|made| &made.mutants);
    let own = mutants
        .filter(|mutant| mutant.f == f)
        .map(|mutant| mutant.id);
    own.filter(|id| is_killed(*id)).collect()
}

fn reasons(tests: &[&Candidate], dropped: &Dropped) -> Vec<DroppedTests> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for why in tests.iter().filter_map(|test| dropped.get(&test.id)) {
        *counts.entry(*why).or_default() += 1;
    }
    let reasons = counts.into_iter().map(|(reason, count)| DroppedTests {
        count,
        reason: reason.to_owned(),
    });
    reasons.collect()
}

/// Why the tests are proposed, with the figures and what a reader must know beside them.
pub(super) fn why(
    files: &[ModuleTests<'_>],
    before: &Measured,
    after: &Measured,
    [first, last]: [&TestFigures; 2],
) -> String {
    let tests: usize = files.iter().map(|file| file.tests.len()).sum();
    let mut text = format!(
        "{tests} tests state what exported functions do today; each passed five times in five orders and fails for a mutant. \
         Mutation score of the functions: {} before, {} after; covered lines of their modules: {} before, {} after; branches: {} before, {} after.",
        percent(first.mutation_score),
        percent(last.mutation_score),
        percent(first.lines),
        percent(last.lines),
        percent(first.branches),
        percent(last.branches),
    );
    if !before.run.is_passed() {
        let summary = before.run.summary();
        text.push_str(&format!(" The project's own tests do not pass: {summary}."));
    }
    let is_run =
        |file: &&ModuleTests<'_>| after.run.tests.iter().any(|test| test.file == file.path);
    if let Some(file) = files.iter().find(|file| !is_run(file)) {
        let path = &file.path;
        text.push_str(&format!(" A run of all tests leaves {path} out: its runner is configured for other names or folders."));
    }
    text
}

fn percent(share: f64) -> String {
    if share < 0.0 {
        return "not measured".to_owned();
    }
    format!("{:.0} %", share * 100.0)
}
