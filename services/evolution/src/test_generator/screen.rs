//! Which tests fail for which mutants: all of a module's mutants in one process, each chosen by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::bench::Bench;
use super::tools::{FoundModule, Instrumented};
use super::watch::Ended;
use crate::domain::testing::candidates::Candidate;
use crate::domain::testing::selection::Kills;
use crate::error::EvolutionError;

const LIMIT: Duration = Duration::from_secs(120);
/// How long all processes may take together; mutants that are left then count as survivors.
const BUDGET: Duration = Duration::from_secs(300);
/// Of a function with this many mutants that stand still no more mutants are tried.
const MAX_STALLED: usize = 2;
/// A process that died, or in which a mutant left traces, is begun anew with the mutants that are left.
const MAX_STARTS: usize = 40;

#[derive(Serialize)]
struct Plan<'a> {
    mode: &'static str,
    functions: Vec<Target<'a>>,
    tests: Vec<&'a Candidate>,
    mutants: Vec<Number>,
    done: Vec<u32>,
}

#[derive(Serialize)]
struct Target<'a> {
    id: u32,
    access: &'a str,
    name: &'a str,
    member: &'a str,
    kind: &'a str,
}

#[derive(Serialize)]
struct Number {
    id: u32,
    f: u32,
}

#[derive(Deserialize)]
struct Line {
    step: String,
    #[serde(default)]
    id: u32,
    #[serde(default)]
    tests: Vec<u32>,
    #[serde(default)]
    is_endless: bool,
}

/// What screening says.
#[derive(Default)]
pub(super) struct Screened {
    /// Mutants that each test fails for.
    pub(super) kills: Kills,
    /// Tests that fail without a mutant.
    pub(super) broken: BTreeSet<u32>,
    /// Mutants that were tried.
    pub(super) tried: BTreeSet<u32>,
    /// Mutants that ended the process: each of their function's tests notices them.
    pub(super) fatal: BTreeSet<u32>,
    /// Mutants with a loop that had to be ended: a real run of them would not end.
    pub(super) endless: BTreeSet<u32>,
}

/// Tries all mutants of the modules against the tests.
pub(super) async fn screen(
    bench: &mut Bench<'_>,
    modules: &[FoundModule],
    instrumented: &BTreeMap<String, Instrumented>,
    tests: &[Candidate],
) -> Result<Screened, EvolutionError> {
    bench.put_mutants(modules, instrumented)?;
    let mut screening = Screening {
        modules,
        instrumented,
        tests,
        screened: Screened::default(),
        stalled: BTreeMap::new(),
    };
    let mut open: Vec<usize> = (0..modules.len()).collect();
    let began = Instant::now();
    for _ in 0..MAX_STARTS {
        let files = screening.stage(bench, &open)?;
        if files.is_empty() || began.elapsed() > BUDGET {
            break;
        }
        let paths: Vec<String> = files.iter().map(|(_, path)| path.clone()).collect();
        let names: Vec<String> = files.iter().map(|(at, _)| name(*at)).collect();
        let ended = bench.run_drivers(&names, &paths, Vec::new(), LIMIT).await?;
        open = screening.take_journals(bench, &files, &ended);
    }
    bench.restore()?;
    Ok(screening.screened)
}

/// A screening between its processes.
struct Screening<'a> {
    modules: &'a [FoundModule],
    instrumented: &'a BTreeMap<String, Instrumented>,
    tests: &'a [Candidate],
    screened: Screened,
    /// How many mutants of a function stood still.
    stalled: BTreeMap<u32, usize>,
}

impl Screening<'_> {
    /// Writes the test files of those of the open modules that have mutants left; each with its module's number.
    fn stage(
        &self,
        bench: &mut Bench<'_>,
        open: &[usize],
    ) -> Result<Vec<(usize, String)>, EvolutionError> {
        let mut files = Vec::new();
        for at in open {
            let module = &self.modules[*at];
            let Some(made) = self.instrumented.get(&module.path) else {
                continue;
            };
            let plan = self.plan(module, made);
            if plan.mutants.len() > plan.done.len() && !plan.tests.is_empty() {
                bench.forget(&name(*at));
                files.push((*at, bench.stage(&name(*at), module, &plan)?));
            }
        }
        Ok(files)
    }

    fn plan<'m>(&'m self, module: &'m FoundModule, made: &'m Instrumented) -> Plan<'m> {
        let own: BTreeSet<u32> = module.functions.iter().map(|it| it.id).collect();
        let is_hopeless = |f: u32| self.stalled.get(&f).is_some_and(|it| *it >= MAX_STALLED);
        let tests = self.tests.iter().filter(|test| own.contains(&test.f));
        let mutants: Vec<_> = made
            .mutants
            .iter()
            .filter(|it| !is_hopeless(it.f))
            .collect();
        let done = mutants.iter().map(|it| it.id);
        let done = done.filter(|id| self.screened.tried.contains(id)).collect();
        Plan {
            mode: "screen",
            functions: module
                .functions
                .iter()
                .map(|it| Target {
                    id: it.id,
                    access: &it.access,
                    name: &it.exported,
                    member: &it.member,
                    kind: &it.kind,
                })
                .collect(),
            tests: tests.collect(),
            mutants: mutants
                .iter()
                .map(|it| Number { id: it.id, f: it.f })
                .collect(),
            done,
        }
    }

    /// Takes over what the processes of test files wrote; the modules that have to be begun anew.
    fn take_journals(
        &mut self,
        bench: &Bench<'_>,
        files: &[(usize, String)],
        ended: &Ended,
    ) -> Vec<usize> {
        let mut open = Vec::new();
        for (at, path) in files {
            bench.remove(path);
            let name = name(*at);
            let before = self.screened.tried.len();
            let (is_finished, unfinished) = take(bench.journal(&name), &mut self.screened);
            if let Some(mutant) = unfinished.filter(|_| ended.is_blamed(&name)) {
                self.bury(&self.modules[*at], mutant, ended.is_stalled(&name));
            }
            let is_innocent = !ended.is_blamed(&name);
            // A module that does not even load is not tried for ever.
            if !is_finished && (is_innocent || self.screened.tried.len() > before) {
                open.push(*at);
            }
        }
        open
    }

    /// A mutant that ended the process, or stood still until it was ended.
    fn bury(&mut self, module: &FoundModule, mutant: u32, is_stalled: bool) {
        self.screened.tried.insert(mutant);
        self.screened.fatal.insert(mutant);
        let made = self.instrumented.get(&module.path);
        let found = made.and_then(|made| made.mutants.iter().find(|it| it.id == mutant));
        if let Some(found) = found.filter(|_| is_stalled) {
            self.screened.endless.insert(mutant);
            *self.stalled.entry(found.f).or_default() += 1;
        }
    }
}

fn name(at: usize) -> String {
    format!("screen-{at}")
}

/// Takes over a journal; whether all of its mutants were tried, and the one that began and did not end.
fn take(lines: Vec<Line>, screened: &mut Screened) -> (bool, Option<u32>) {
    let mut open = None;
    let mut is_finished = false;
    for line in lines {
        match line.step.as_str() {
            "broken" => screened.broken.extend(line.tests),
            "mutant" => open = Some(line.id),
            "killed" => {
                open = None;
                screened.tried.insert(line.id);
                if line.is_endless {
                    screened.endless.insert(line.id);
                }
                for test in line.tests {
                    screened.kills.entry(test).or_default().insert(line.id);
                }
            }
            "done" => is_finished = true,
            _ => {}
        }
    }
    (is_finished, open)
}
