//! Coverage and mutation score of the modules with exported functions, by counters in their copies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use shim_proto::evolution::v1::TestFigures;

use super::bench::Bench;
use super::tools::{FoundFunction, FoundModule, Instrumented};
use crate::error::EvolutionError;
use crate::test_runs::{TestRun, Verdict};

/// How long the project's own tests may be run against mutants of functions that they reach already.
const BEFORE_BUDGET: Duration = Duration::from_secs(45);
const MAX_SAMPLES: usize = 30;

/// A run of the whole suite, and which statements it reached.
pub(super) struct Measured {
    pub(super) run: TestRun,
    /// What was reached; `None` if nothing could be counted.
    hits: Option<Hits>,
}

/// What a run reached: places of modules, and of statements or ways of branches in them.
#[derive(Default)]
struct Hits {
    statements: BTreeSet<(usize, usize)>,
    ways: BTreeSet<(usize, usize)>,
}

impl Hits {
    fn parse(text: &str) -> Self {
        let mut hits = Self::default();
        for (module, place) in text.lines().filter_map(|line| line.split_once(':')) {
            let Ok(module) = module.parse() else { continue };
            let (set, number) = match place.strip_prefix('b') {
                Some(way) => (&mut hits.ways, way),
                None => (&mut hits.statements, place),
            };
            set.extend(number.parse().map(|number| (module, number)));
        }
        hits
    }
}

/// Runs the whole suite over modules that count their statements; if that does not pass, over the modules as they are.
pub(super) async fn measure(
    bench: &mut Bench<'_>,
    modules: &[Instrumented],
    name: &str,
) -> Result<Measured, EvolutionError> {
    let file = bench.sandbox.beside().join(name);
    for module in modules.iter().filter(|module| module.fault.is_empty()) {
        bench.change(&module.path, &module.text)?;
    }
    let env = vec![("SHIM_HITS".to_owned(), file.to_string_lossy().into_owned())];
    let counted = bench.run(&[], env, bench.run_limit).await;
    bench.restore()?;
    let counted = counted?;
    let hits = || Hits::parse(&std::fs::read_to_string(&file).unwrap_or_default());
    if counted.is_passed() || counted.verdict == Verdict::NoTests {
        let hits = Some(hits());
        return Ok(Measured { run: counted, hits });
    }
    // What does not end with counters does not end without them.
    if counted.verdict == Verdict::TimedOut {
        return Ok(Measured {
            run: counted,
            hits: None,
        });
    }
    // Counters change the text of functions, which some tests look at. Tests that fail all the same reach what they reach.
    let run = bench.run(&[], Vec::new(), bench.run_limit).await?;
    let is_same = run.verdict == Verdict::Failed
        && counted.verdict == Verdict::Failed
        && (run.passed, run.failed) == (counted.passed, counted.failed)
        && run.passed > 0;
    let hits = is_same.then(hits);
    Ok(Measured { run, hits })
}

impl Measured {
    /// Of a suite that is not run again.
    pub(super) fn unknown(earlier: &Self) -> Self {
        Self {
            run: earlier.run.clone(),
            hits: None,
        }
    }

    /// Covered lines of the modules, 0..1; negative if nothing could be counted.
    pub(super) fn lines(&self, modules: &[Instrumented]) -> f64 {
        let Some(hits) = &self.hits else {
            return -1.0;
        };
        let mut all = BTreeSet::new();
        let mut covered = BTreeSet::new();
        for (at, module) in modules.iter().enumerate() {
            for (number, statement) in module.statements.iter().enumerate() {
                all.insert((at, statement.line));
                if hits.statements.contains(&(at, number)) {
                    covered.insert((at, statement.line));
                }
            }
        }
        share(covered.len(), all.len())
    }

    /// Ways of branches that were taken, 0..1; negative if nothing could be counted or there is none.
    fn branches(&self, modules: &[Instrumented]) -> f64 {
        let Some(hits) = &self.hits else {
            return -1.0;
        };
        let all = modules.iter().map(|module| module.branches.len()).sum();
        share(hits.ways.len(), all)
    }

    /// Whether what a run reached is known.
    pub(super) fn is_counted(&self) -> bool {
        self.hits.is_some()
    }

    /// Whether a function was reached; `false` if nothing could be counted.
    pub(super) fn reaches(
        &self,
        modules: &[Instrumented],
        path: &str,
        function: &FoundFunction,
    ) -> bool {
        let (Some(hits), Some(at)) = (&self.hits, modules.iter().position(|it| it.path == path))
        else {
            return false;
        };
        let inside = |start: usize| {
            let mut parts = function.parts();
            parts.any(|part| part.start <= start && start < part.end)
        };
        let mut statements = modules[at].statements.iter().enumerate();
        statements.any(|(number, it)| inside(it.start) && hits.statements.contains(&(at, number)))
    }

    /// The figures as told.
    pub(super) fn figures(&self, modules: &[Instrumented], mutation_score: f64) -> TestFigures {
        TestFigures {
            lines: self.lines(modules),
            branches: self.branches(modules),
            // Without a count of what ran, no mutant was tried either.
            mutation_score: match self.hits {
                Some(_) => mutation_score,
                None => -1.0,
            },
            tests: self.run.passed as u64,
        }
    }
}

/// A part of a whole; negative if there is none.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        -1.0
    } else {
        part as f64 / whole as f64
    }
}

/// Mutants that the project's own tests kill, of those functions that they reach.
#[derive(Default)]
pub(super) struct Before {
    /// Mutants that were tried.
    pub(super) tried: BTreeSet<u32>,
    /// Those that were killed.
    pub(super) killed: BTreeSet<u32>,
}

impl Before {
    /// How many of these mutants the project's own tests kill, and how many of those that new tests do not. Both parts are estimated
    /// apart, so that more tests never kill fewer mutants.
    pub(super) fn estimate(&self, mutants: &[u32], killed_by_new: &BTreeSet<u32>) -> (f64, f64) {
        let is_noticed = |id: &u32| killed_by_new.contains(id);
        let (noticed, missed): (Vec<u32>, Vec<u32>) = mutants.iter().partition(|id| is_noticed(id));
        let usual = share(self.killed.len(), self.tried.len()).max(0.0);
        let killed = |part: &[u32]| {
            let of = |ids: &BTreeSet<u32>| part.iter().filter(|id| ids.contains(id)).count();
            let rate = share(of(&self.killed), of(&self.tried));
            (if rate < 0.0 { usual } else { rate }) * part.len() as f64
        };
        let more = killed(&missed);
        (killed(&noticed) + more, more)
    }
}

/// Tries a spread of mutants of reached functions against the whole suite, one run each, within a budget of time.
pub(super) async fn before(
    bench: &mut Bench<'_>,
    modules: &[FoundModule],
    instrumented: &BTreeMap<String, Instrumented>,
    reached: &BTreeSet<u32>,
    suite: &TestRun,
) -> Result<Before, EvolutionError> {
    let own = modules
        .iter()
        .filter_map(|module| instrumented.get(&module.path));
    let mutants = own
        .flat_map(|made| &made.mutants)
        .filter(|mutant| reached.contains(&mutant.f));
    let mutants: Vec<u32> = mutants.map(|mutant| mutant.id).collect();
    // A suite that fails without a mutant says nothing by failing with one.
    if !suite.is_passed() {
        return Ok(Before::default());
    }
    let suite_time = suite.duration;
    if mutants.is_empty() || suite_time > BEFORE_BUDGET / 3 {
        return Ok(Before::default());
    }
    bench.put_mutants(modules, instrumented)?;
    let before = sample(bench, &mutants, suite_time * 5 + Duration::from_secs(10)).await?;
    bench.restore()?;
    Ok(before)
}

/// Runs the whole suite against a spread of mutants, each run within a limit.
async fn sample(
    bench: &Bench<'_>,
    mutants: &[u32],
    limit: Duration,
) -> Result<Before, EvolutionError> {
    let mut before = Before::default();
    let began = Instant::now();
    let step = mutants.len().div_ceil(MAX_SAMPLES);
    for (at, mutant) in mutants.iter().step_by(step).enumerate() {
        if began.elapsed() > BEFORE_BUDGET {
            break;
        }
        let progress = bench.tools.progress;
        progress.tell("mutants", "the project's own tests", at as u64, 0);
        let env = vec![("SHIM_MUTANT".to_owned(), mutant.to_string())];
        let run = bench.run(&[], env, limit).await?;
        before.tried.insert(*mutant);
        if !run.is_passed() {
            before.killed.insert(*mutant);
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(tried: &[u32], killed: &[u32]) -> Before {
        Before {
            tried: tried.iter().copied().collect(),
            killed: killed.iter().copied().collect(),
        }
    }

    #[test]
    fn more_tests_never_kill_fewer_mutants() {
        let own = before(&[1, 2, 3, 4, 5, 6], &[2, 3, 4, 5, 6]);
        let mutants: Vec<u32> = (1..=8).collect();
        // All that was sampled and killed is killed by the new tests too, and one mutant was missed by both.
        let new: BTreeSet<u32> = [2, 3, 4, 5, 6].into();
        let (first, more) = own.estimate(&mutants, &new);
        assert!(
            (first - 5.0).abs() < 1e-9 && more.abs() < 1e-9,
            "{first} {more}"
        );
        for new in [&[][..], &[1], &[1, 2], &[7, 8], &[1, 2, 3, 4, 5, 6, 7, 8]] {
            let new: BTreeSet<u32> = new.iter().copied().collect();
            let (first, more) = own.estimate(&mutants, &new);
            assert!(first <= new.len() as f64 + more + 1e-9, "{new:?}");
        }
    }

    #[test]
    fn without_a_sample_of_a_part_the_usual_rate_is_taken() {
        let own = before(&[1, 2], &[1]);
        let (first, more) = own.estimate(&[1, 2, 3, 4], &[3, 4].into());
        assert!((first - 2.0).abs() < 1e-9 && (more - 1.0).abs() < 1e-9);
    }
}
