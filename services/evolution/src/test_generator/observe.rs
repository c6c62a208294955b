//! What functions do with inputs, seen twice: in two processes with other time zones, locales and days.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bench::Bench;
use super::tools::{FoundFunction, FoundModule};
use crate::domain::testing::observation::Seen;
use crate::error::EvolutionError;

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
    let (zone, locale, days) = SURROUNDINGS[which];
    let mut look = Look::default();
    let mut skip: BTreeSet<String> = BTreeSet::new();
    let name = |at: usize| format!("observe{which}-{at}");
    for start in 0..MAX_STARTS {
        let mut files = Vec::new();
        for (at, module) in modules.iter().enumerate() {
            let seen: Vec<String> = seen_keys(&look, module);
            let plan = Plan {
                mode: "observe",
                days,
                functions: module.functions.iter().map(target).collect(),
                skip: skip.iter().cloned().chain(seen).collect(),
            };
            let is_done = start > 0 && is_finished(bench, &name(at));
            if !is_done && !look.unloaded.contains_key(&module.path) {
                bench.forget(&name(at));
                files.push((at, bench.stage(&name(at), module, &plan)?));
            }
        }
        if files.is_empty() {
            break;
        }
        let env = [("TZ", zone), ("LANG", locale), ("LC_ALL", locale)];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let paths: Vec<String> = files.iter().map(|(_, path)| path.clone()).collect();
        let run = bench.run(&paths, env.to_vec(), LIMIT).await?;
        for (at, path) in &files {
            bench.remove(path);
            let lines: Vec<Line> = bench.journal(&name(*at));
            if lines.is_empty() {
                let module = modules[*at].path.clone();
                look.unloaded.insert(module, run.summary());
            }
            take(lines, &mut look, &mut skip);
        }
        if files.iter().all(|(at, _)| is_finished(bench, &name(*at))) {
            break;
        }
    }
    Ok(look)
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
