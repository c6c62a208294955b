//! What a generation leaves: new files, what became of each function, figures.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{DroppedTests, TestFigures};

use super::OnFunction;
use super::flow::Generation;
use super::keep::{Dropped, ModuleTests};
use super::measure::{self, share};
use super::proposal::NewFile;
use super::screen::Screened;
use super::tools::FoundModule;
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
        tests: &[Candidate],
        screened: &Screened,
        kept: &BTreeSet<u32>,
        dropped: &Dropped,
        on_function: OnFunction<'_>,
    ) -> BTreeSet<u32> {
        let mut all = BTreeSet::new();
        for function in chosen.iter().flat_map(|module| &module.functions) {
            let Some(told) = self.told.get_mut(&function.id) else {
                continue;
            };
            let own: Vec<&Candidate> = tests.iter().filter(|test| test.f == function.id).collect();
            let stayed: Vec<&&Candidate> =
                own.iter().filter(|test| kept.contains(&test.id)).collect();
            let mut killed: BTreeSet<u32> = stayed
                .iter()
                .filter_map(|test| screened.kills.get(&test.id))
                .flatten()
                .copied()
                .collect();
            if !stayed.is_empty() {
                killed.extend(
                    self.by_path
                        .values()
                        .flat_map(|made| &made.mutants)
                        .filter(|it| it.f == function.id && screened.fatal.contains(&it.id))
                        .map(|it| it.id),
                );
            }
            let of_function = |id: &u32| {
                self.by_path
                    .values()
                    .flat_map(|made| &made.mutants)
                    .any(|it| it.id == *id && it.f == function.id)
            };
            killed.retain(of_function);
            told.kept = u32::try_from(stayed.len()).unwrap_or(u32::MAX);
            told.killed_mutants = u32::try_from(killed.len()).unwrap_or(u32::MAX);
            let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
            for why in own.iter().filter_map(|test| dropped.get(&test.id)) {
                *reasons.entry(*why).or_default() += 1;
            }
            let reasons = reasons.into_iter().map(|(reason, count)| DroppedTests {
                count,
                reason: reason.to_owned(),
            });
            told.dropped.extend(reasons);
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
        let of_reached = mutants
            .iter()
            .filter(|mutant| reached.contains(&mutant.f))
            .count();
        if of_reached > 0 && own.tried.is_empty() {
            return (-1.0, share(killed.len(), mutants.len()));
        }
        let rate = share(own.killed.len(), own.tried.len()).max(0.0);
        let before = rate * of_reached as f64;
        let missed = mutants
            .iter()
            .filter(|mutant| reached.contains(&mutant.f) && !killed.contains(&mutant.id));
        let missed_but_sampled = missed
            .clone()
            .filter(|mutant| own.tried.contains(&mutant.id))
            .count();
        let caught = own.killed.iter().filter(|id| !killed.contains(id)).count();
        let more = share(caught, missed_but_sampled).max(0.0) * missed.count() as f64;
        let whole = mutants.len().max(1) as f64;
        (before / whole, (killed.len() as f64 + more) / whole)
    }
}

/// Why the tests are proposed, with the figures.
pub(super) fn why(files: &[ModuleTests<'_>], before: &TestFigures, after: &TestFigures) -> String {
    let tests: usize = files.iter().map(|file| file.tests.len()).sum();
    let percent = |share: f64| {
        if share < 0.0 {
            "not measured".to_owned()
        } else {
            format!("{:.0} %", share * 100.0)
        }
    };
    format!(
        "{tests} tests state what exported functions do today; each passed five times in five orders and fails for a mutant. \
         Mutation score of the functions: {} before, {} after; covered lines of their modules: {} before, {} after.",
        percent(before.mutation_score),
        percent(after.mutation_score),
        percent(before.lines),
        percent(after.lines),
    )
}
