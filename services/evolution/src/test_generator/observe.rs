//! What functions do with inputs, seen twice: in two processes with other time zones, locales and days.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bench::Bench;
use super::tools::{FoundFunction, FoundModule};
use crate::domain::testing::observation::Seen;
use crate::error::EvolutionError;
use crate::test_runs::TestRun;

/// How long a process may observe, and how often one that died is begun anew without the call that it died in.
const LIMIT: Duration = Duration::from_secs(60);
const MAX_STARTS: usize = 5;

/// What was seen of each function's calls, by the places of their inputs.
pub(super) type Observed = BTreeMap<u32, BTreeMap<usize, Seen>>;

/// The two ways of looking.
const SURROUNDINGS: [(&str, &str, u32); 2] = [
    ("UTC", "C.UTF-8", 0),
    ("Pacific/Kiritimati", "tr_TR.UTF-8", 401),
];

#[derive(Serialize)]
struct Plan<'a> {
    mode: &'static str,
    days: u32,
    functions: Vec<Target<'a>>,
    skip: Vec<String>,
}

#[derive(Serialize)]
struct Target<'a> {
    id: u32,
    access: &'a str,
    name: &'a str,
    cases: Vec<&'a [String]>,
}

#[derive(Deserialize)]
struct Line {
    step: String,
    #[serde(default)]
    f: u32,
    #[serde(default)]
    at: usize,
    #[serde(flatten)]
    seen: Seen,
}

/// All inputs of a function: those worth trying, then the random ones.
pub(super) fn inputs(function: &FoundFunction) -> Vec<&[String]> {
    function
        .cases
        .iter()
        .chain(&function.table)
        .map(Vec::as_slice)
        .collect()
}

/// What one look saw.
#[derive(Default)]
pub(super) struct Look {
    pub(super) observed: Observed,
    /// Functions that their module does not export at run time.
    pub(super) missing: BTreeSet<u32>,
    /// Modules that could not be loaded by the runner, with the reason.
    pub(super) unloaded: BTreeMap<String, String>,
}

/// Looks at all functions twice.
pub(super) async fn observe(
    bench: &mut Bench<'_>,
    modules: &[FoundModule],
) -> Result<[Look; 2], EvolutionError> {
    let first = look(bench, modules, 0).await?;
    let second = look(bench, modules, 1).await?;
    Ok([first, second])
}

async fn look(
    bench: &mut Bench<'_>,
    modules: &[FoundModule],
    which: usize,
) -> Result<Look, EvolutionError> {
    let (zone, locale, _) = SURROUNDINGS[which];
    let mut looking = Looking {
        modules,
        which,
        look: Look::default(),
        skip: BTreeSet::new(),
    };
    for start in 0..MAX_STARTS {
        let files = looking.stage(bench, start == 0)?;
        if files.is_empty() {
            break;
        }
        let env = [("TZ", zone), ("LANG", locale), ("LC_ALL", locale)];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let paths: Vec<String> = files.iter().map(|(_, path)| path.clone()).collect();
        let run = bench.run(&paths, env.to_vec(), LIMIT).await?;
        looking.take_journals(bench, &files, &run);
        let mut names = files.iter().map(|(at, _)| looking.name(*at));
        if names.all(|name| is_finished(bench, &name)) {
            break;
        }
    }
    Ok(looking.look)
}

/// A look between its processes.
struct Looking<'a> {
    modules: &'a [FoundModule],
    /// The number of its surroundings.
    which: usize,
    look: Look,
    /// Calls that a process died in.
    skip: BTreeSet<String>,
}

impl Looking<'_> {
    fn name(&self, at: usize) -> String {
        format!("observe{}-{at}", self.which)
    }

    /// Writes the test files of the modules that have calls left; each with its module's number.
    fn stage(
        &self,
        bench: &mut Bench<'_>,
        is_first: bool,
    ) -> Result<Vec<(usize, String)>, EvolutionError> {
        let mut files = Vec::new();
        for (at, module) in self.modules.iter().enumerate() {
            let name = self.name(at);
            let is_done = !is_first && is_finished(bench, &name);
            if !is_done && !self.look.unloaded.contains_key(&module.path) {
                bench.forget(&name);
                files.push((at, bench.stage(&name, module, &self.plan(module))?));
            }
        }
        Ok(files)
    }

    fn plan<'m>(&self, module: &'m FoundModule) -> Plan<'m> {
        let seen = seen_keys(&self.look, module);
        Plan {
            mode: "observe",
            days: SURROUNDINGS[self.which].2,
            functions: module.functions.iter().map(target).collect(),
            skip: self.skip.iter().cloned().chain(seen).collect(),
        }
    }

    fn take_journals(&mut self, bench: &Bench<'_>, files: &[(usize, String)], run: &TestRun) {
        for (at, path) in files {
            bench.remove(path);
            let lines: Vec<Line> = bench.journal(&self.name(*at));
            if lines.is_empty() {
                let module = self.modules[*at].path.clone();
                self.look.unloaded.insert(module, run.summary());
            }
            take(lines, &mut self.look, &mut self.skip);
        }
    }
}

fn target(function: &FoundFunction) -> Target<'_> {
    Target {
        id: function.id,
        access: &function.access,
        name: &function.exported,
        cases: inputs(function),
    }
}

fn seen_keys(look: &Look, module: &FoundModule) -> Vec<String> {
    let functions = module
        .functions
        .iter()
        .filter_map(|it| Some((it.id, look.observed.get(&it.id)?)));
    functions
        .flat_map(|(id, calls)| calls.keys().map(move |at| format!("{id}/{at}")))
        .collect()
}

/// A call that began and did not end is what the process died in: it is not made again.
fn take(lines: Vec<Line>, look: &mut Look, skip: &mut BTreeSet<String>) {
    let mut open = None;
    for line in lines {
        match line.step.as_str() {
            "begin" => open = Some((line.f, line.at)),
            "end" => {
                open = None;
                look.observed
                    .entry(line.f)
                    .or_default()
                    .insert(line.at, line.seen);
            }
            "missing" => {
                look.missing.insert(line.f);
            }
            _ => {}
        }
    }
    if let Some((f, at)) = open {
        skip.insert(format!("{f}/{at}"));
    }
}

#[derive(Deserialize)]
struct Step {
    step: String,
}

fn is_finished(bench: &Bench<'_>, name: &str) -> bool {
    let lines: Vec<Step> = bench.journal(name);
    lines.last().is_some_and(|line| line.step == "finished")
}
