//! Which tests fail for which mutants: all of a module's mutants in one process, each chosen by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bench::Bench;
use super::tools::{FoundModule, Instrumented};
use crate::domain::testing::candidates::Candidate;
use crate::domain::testing::selection::Kills;
use crate::error::EvolutionError;

const LIMIT: Duration = Duration::from_secs(120);
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
    };
    let mut open: Vec<usize> = (0..modules.len()).collect();
    for _ in 0..MAX_STARTS {
        let files = screening.stage(bench, &open)?;
        if files.is_empty() {
            break;
        }
        let paths: Vec<String> = files.iter().map(|(_, path)| path.clone()).collect();
        bench.run(&paths, Vec::new(), LIMIT).await?;
        open = screening.take_journals(bench, &files);
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
            let plan = plan(module, made, self.tests, &self.screened.tried);
            if plan.mutants.len() > plan.done.len() && !plan.tests.is_empty() {
                bench.forget(&name(*at));
                files.push((*at, bench.stage(&name(*at), module, &plan)?));
            }
        }
        Ok(files)
    }

    /// Takes over what the processes of test files wrote; the modules that have to be begun anew.
    fn take_journals(&mut self, bench: &Bench<'_>, files: &[(usize, String)]) -> Vec<usize> {
        let mut open = Vec::new();
        for (at, path) in files {
            bench.remove(path);
            let before = self.screened.tried.len();
            let is_finished = take(bench.journal(&name(*at)), &mut self.screened);
            // A module that does not even load is not tried for ever.
            if !is_finished && self.screened.tried.len() > before {
                open.push(*at);
            }
        }
        open
    }
}

fn name(at: usize) -> String {
    format!("screen-{at}")
}

fn plan<'a>(
    module: &'a FoundModule,
    made: &Instrumented,
    tests: &'a [Candidate],
    tried: &BTreeSet<u32>,
) -> Plan<'a> {
    let own: BTreeSet<u32> = module.functions.iter().map(|it| it.id).collect();
    Plan {
        mode: "screen",
        functions: module
            .functions
            .iter()
            .map(|it| Target {
                id: it.id,
                access: &it.access,
                name: &it.exported,
            })
            .collect(),
        tests: tests.iter().filter(|test| own.contains(&test.f)).collect(),
        mutants: made
            .mutants
            .iter()
            .map(|it| Number { id: it.id, f: it.f })
            .collect(),
        done: made
            .mutants
            .iter()
            .map(|it| it.id)
            .filter(|id| tried.contains(id))
            .collect(),
    }
}

/// Takes over a journal; whether all of its mutants were tried.
fn take(lines: Vec<Line>, screened: &mut Screened) -> bool {
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
    if let Some(mutant) = open {
        screened.tried.insert(mutant);
        screened.fatal.insert(mutant);
    }
    is_finished
}
