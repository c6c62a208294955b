//! Which of the chosen tests stay: real files, run five times in five orders, then against mutants that are really written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bench::Bench;
use super::screen::Screened;
use super::tools::{FoundModule, Instrumented};
use crate::domain::testing::candidates::{Candidate, Claim};
use crate::domain::testing::render::{Import, TestFile, render, titles};
use crate::domain::testing::selection::{mutated, next_proof, orders};
use crate::error::EvolutionError;
use crate::test_runs::{TestRun, TestState, Verdict};

const LIMIT: Duration = Duration::from_secs(60);
const MAX_PROOFS: usize = 12;

/// The tests of one module, in one file.
pub(super) struct ModuleTests<'a> {
    pub(super) module: &'a FoundModule,
    pub(super) path: String,
    pub(super) tests: Vec<(&'a Candidate, String)>,
    /// Numbers of the properties whose inputs fast-check makes.
    random: BTreeSet<u32>,
}

/// Why tests went, by their numbers.
pub(super) type Dropped = BTreeMap<u32, &'static str>;

impl<'a> ModuleTests<'a> {
    pub(super) fn new(bench: &Bench<'_>, module: &'a FoundModule, tests: &[&'a Candidate]) -> Self {
        let mut named = Vec::new();
        let mut random = BTreeSet::new();
        for function in &module.functions {
            let own: Vec<&Candidate> = tests
                .iter()
                .copied()
                .filter(|test| test.f == function.id)
                .collect();
            let titles = titles(&own);
            if bench.has_fast_check && !function.arbitraries.is_empty() {
                let properties = own.iter().filter(|test| test.is_property());
                random.extend(properties.map(|test| test.id));
            }
            named.extend(own.into_iter().zip(titles));
        }
        Self {
            module,
            path: bench.habits.path_for(&module.path, |path| bench.has(path)),
            tests: named,
            random,
        }
    }

    /// The file with its tests in an order; places beyond the tests that are left are skipped.
    pub(super) fn text(&self, bench: &Bench<'_>, order: Option<&[usize]>) -> String {
        let needed: BTreeSet<u32> = self
            .tests
            .iter()
            .flat_map(|(test, _)| functions_of(test))
            .collect();
        let imports = self
            .module
            .functions
            .iter()
            .filter(|it| needed.contains(&it.id));
        let tests = match order {
            Some(order) => order
                .iter()
                .filter_map(|at| self.tests.get(*at))
                .cloned()
                .collect(),
            None => self.tests.clone(),
        };
        render(&TestFile {
            habits: &bench.habits,
            specifier: bench.habits.specifier(&self.path, &self.module.path),
            is_esm_module: self.module.is_esm,
            imports: imports
                .map(|it| Import {
                    f: it.id,
                    exported: it.exported.clone(),
                    name: it.name.clone(),
                    holder: it.holder.clone(),
                    member: it.member.clone(),
                    access: it.access.clone(),
                })
                .collect(),
            arbitraries: self.arbitraries(),
            seed: bench.seed,
            tests,
        })
    }

    fn arbitraries(&self) -> BTreeMap<u32, Vec<String>> {
        let functions = &self.module.functions;
        let random = self
            .tests
            .iter()
            .filter(|(test, _)| self.random.contains(&test.id));
        let sources = random.filter_map(|(test, _)| {
            let function = functions.iter().find(|it| it.id == test.f)?;
            Some((test.id, function.arbitraries.clone()))
        });
        sources.collect()
    }

    /// Writes properties that do not hold for what fast-check makes with tables of the inputs that were seen.
    fn settle(&mut self, failed: &[u32]) {
        self.random.retain(|id| !failed.contains(id));
    }

    fn reported(&self, test: &Candidate, title: &str) -> String {
        let function = self.module.functions.iter().find(|it| it.id == test.f);
        format!("{} {title}", function.map_or("", |it| it.name.as_str()))
    }

    /// Takes out of `open` the tests of this file that failed in a run.
    fn take_proofs(&self, run: &TestRun, open: &mut BTreeSet<u32>) {
        let own = run.tests.iter().filter(|test| test.file == self.path);
        let failed = own.filter(|test| test.state == TestState::Failed);
        let failed: BTreeSet<&str> = failed.map(|test| test.name.as_str()).collect();
        for (test, title) in &self.tests {
            if failed.contains(self.reported(test, title).as_str()) {
                open.remove(&test.id);
            }
        }
    }

    /// Tests of this file that did not pass in a run.
    fn not_passed(&self, run: &TestRun) -> Vec<u32> {
        let passed: BTreeSet<&str> = run
            .tests
            .iter()
            .filter(|test| test.file == self.path && test.state == TestState::Passed)
            .map(|test| test.name.as_str())
            .collect();
        let is_out = |(test, title): &&(&Candidate, String)| {
            !passed.contains(self.reported(test, title).as_str())
        };
        self.tests
            .iter()
            .filter(is_out)
            .map(|(test, _)| test.id)
            .collect()
    }
}

fn functions_of(test: &Candidate) -> Vec<u32> {
    match test.claim {
        Claim::RoundTrip { other, .. } => vec![test.f, other],
        _ => vec![test.f],
    }
}

/// Runs the files five times in five orders, and drops what does not pass each time.
pub(super) async fn repeat(
    bench: &mut Bench<'_>,
    files: &mut Vec<ModuleTests<'_>>,
    seed: u64,
    dropped: &mut Dropped,
) -> Result<(), EvolutionError> {
    settle_properties(bench, files).await?;
    let most = files.iter().map(|file| file.tests.len()).max().unwrap_or(0);
    for (round, order) in orders(most, seed).iter().enumerate() {
        bench
            .tools
            .progress
            .tell("tests", "five runs in five orders", round as u64, 5);
        for file in files.iter() {
            let text = file.text(bench, Some(order));
            bench.write(&file.path, &text)?;
        }
        let run = run_files(bench, files).await?;
        for file in files.iter_mut() {
            let failed = file.not_passed(&run);
            let why = if round == 0 {
                "fails"
            } else {
                "flaky or order-dependent"
            };
            dropped.extend(failed.iter().map(|id| (*id, why)));
            file.tests.retain(|(test, _)| !failed.contains(&test.id));
        }
        drop_empty(bench, files);
        if files.is_empty() {
            break;
        }
    }
    Ok(())
}

/// A property was seen to hold for the inputs that were tried, not for those that fast-check makes.
async fn settle_properties(
    bench: &Bench<'_>,
    files: &mut [ModuleTests<'_>],
) -> Result<(), EvolutionError> {
    if files.iter().all(|file| file.random.is_empty()) {
        return Ok(());
    }
    write_files(bench, files)?;
    let run = run_files(bench, files).await?;
    for file in files.iter_mut() {
        let failed = file.not_passed(&run);
        file.settle(&failed);
    }
    Ok(())
}

/// Writes mutants into the modules, one after the other, until each test was seen to fail for one, or nothing is left to try.
pub(super) async fn prove(
    bench: &mut Bench<'_>,
    files: &mut Vec<ModuleTests<'_>>,
    instrumented: &BTreeMap<String, Instrumented>,
    screened: &Screened,
    dropped: &mut Dropped,
) -> Result<(), EvolutionError> {
    write_files(bench, files)?;
    let unproved = unproved(bench, files, instrumented, screened).await?;
    bench.restore()?;
    dropped.extend(unproved.iter().map(|id| (*id, "kills no mutant")));
    for file in files.iter_mut() {
        file.tests.retain(|(test, _)| !unproved.contains(&test.id));
    }
    drop_empty(bench, files);
    write_files(bench, files)
}

/// The tests that failed for none of the mutants that were written.
async fn unproved(
    bench: &mut Bench<'_>,
    files: &[ModuleTests<'_>],
    instrumented: &BTreeMap<String, Instrumented>,
    screened: &Screened,
) -> Result<BTreeSet<u32>, EvolutionError> {
    let tests = files.iter().flat_map(|file| &file.tests);
    let mut open: BTreeSet<u32> = tests.map(|(test, _)| test.id).collect();
    // A mutant that does not end says nothing of the single test.
    let mut tried = screened.endless.clone();
    for round in 0..MAX_PROOFS {
        let text = format!("{} tests to be proved", open.len());
        bench.tools.progress.tell("mutants", text, round as u64, 0);
        let before = tried.len();
        for file in files {
            let made = instrumented.get(&file.module.path);
            write_mutant(bench, file, made, screened, (&open, &mut tried))?;
        }
        if tried.len() == before {
            break;
        }
        let run = run_files(bench, files).await?;
        if !matches!(run.verdict, Verdict::CouldNotRun { .. } | Verdict::TimedOut) {
            files
                .iter()
                .for_each(|file| file.take_proofs(&run, &mut open));
        }
    }
    Ok(open)
}

fn write_files(bench: &Bench<'_>, files: &[ModuleTests<'_>]) -> Result<(), EvolutionError> {
    for file in files {
        bench.write(&file.path, &file.text(bench, None))?;
    }
    Ok(())
}

/// Writes the mutant into a module that proves most of its tests, or the module as it is if none is left.
fn write_mutant(
    bench: &mut Bench<'_>,
    file: &ModuleTests<'_>,
    made: Option<&Instrumented>,
    screened: &Screened,
    (open, tried): (&BTreeSet<u32>, &mut BTreeSet<u32>),
) -> Result<(), EvolutionError> {
    let own = file.tests.iter().map(|(test, _)| test.id);
    let own: BTreeSet<u32> = own.filter(|id| open.contains(id)).collect();
    let mutant = next_proof(&own, tried, &screened.kills)
        .and_then(|id| made?.mutants.iter().find(|mutant| mutant.id == id));
    let original = bench.original(&file.module.path).unwrap_or_default();
    let text = mutant.and_then(|mutant| {
        tried.insert(mutant.id);
        mutated(&original, mutant.start, mutant.end, &mutant.replacement)
    });
    bench.change(&file.module.path, &text.unwrap_or(original))
}

async fn run_files(
    bench: &Bench<'_>,
    files: &[ModuleTests<'_>],
) -> Result<TestRun, EvolutionError> {
    let paths: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    bench.run(&paths, Vec::new(), LIMIT).await
}

fn drop_empty(bench: &Bench<'_>, files: &mut Vec<ModuleTests<'_>>) {
    for file in files.iter().filter(|file| file.tests.is_empty()) {
        bench.remove(&file.path);
    }
    files.retain(|file| !file.tests.is_empty());
}
