//! What functions do with inputs, seen twice: in two processes with other time zones, locales and days.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::bench::Bench;
use super::tools::{FoundFunction, FoundModule};
use super::watch::Ended;
use crate::domain::testing::observation::Seen;
use crate::domain::testing::verdict::TestRun;
use crate::error::EvolutionError;

/// How long a process may observe, and how long all that are begun anew, without the calls that they died in, may take together.
const LIMIT: Duration = Duration::from_secs(60);
const BUDGET: Duration = Duration::from_secs(240);
/// Of a function that ended its process this often no more calls are made.
const MAX_DEATHS: usize = 2;
/// How often a module is begun whose driver was not even started.
const MAX_EMPTY: usize = 3;

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
    member: &'a str,
    kind: &'a str,
    state: &'a [String],
    cases: Vec<&'a [String]>,
}

#[derive(Deserialize)]
struct Line {
    step: String,
    #[serde(default)]
    f: u32,
    #[serde(default)]
    at: usize,
    #[serde(default)]
    why: String,
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
    /// Functions whose calls are not gone on with, with the reason.
    pub(super) given_up: BTreeMap<u32, String>,
    /// Modules that could not be loaded by the runner, with the reason.
    pub(super) unloaded: BTreeMap<String, String>,
}

/// Looks at all functions twice; the second time not at what the first one gave up.
pub(super) async fn observe(
    bench: &mut Bench<'_>,
    modules: &[FoundModule],
) -> Result<[Look; 2], EvolutionError> {
    let mut first = Looking::new(modules, 0);
    first.look(bench).await?;
    let mut second = Looking::new(modules, 1);
    second.look.given_up = first.look.given_up.clone();
    second.skip = first.skip.clone();
    second.look(bench).await?;
    // What only the second look gave up is given up as well.
    let Looking { look: again, .. } = second;
    let given_up = again.given_up.clone();
    first.look.given_up.extend(given_up);
    Ok([first.look, again])
}

/// A look between its processes.
struct Looking<'a> {
    modules: &'a [FoundModule],
    /// The number of its surroundings.
    which: usize,
    look: Look,
    /// Calls that a process died in.
    skip: BTreeSet<String>,
    deaths: BTreeMap<u32, usize>,
    /// How often the driver of a module was not even started.
    empty: BTreeMap<usize, usize>,
}

impl<'a> Looking<'a> {
    fn new(modules: &'a [FoundModule], which: usize) -> Self {
        Self {
            modules,
            which,
            look: Look::default(),
            skip: BTreeSet::new(),
            deaths: BTreeMap::new(),
            empty: BTreeMap::new(),
        }
    }

    async fn look(&mut self, bench: &mut Bench<'_>) -> Result<(), EvolutionError> {
        let (zone, locale, _) = SURROUNDINGS[self.which];
        let began = Instant::now();
        let mut open: Vec<usize> = (0..self.modules.len()).collect();
        while !open.is_empty() && began.elapsed() < BUDGET {
            let files = self.stage(bench, &open)?;
            let env = [("TZ", zone), ("LANG", locale), ("LC_ALL", locale)];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let (names, paths) = (files.iter(), files.iter());
            let names: Vec<String> = names.map(|(at, _)| self.name(*at)).collect();
            let paths: Vec<String> = paths.map(|(_, path)| path.clone()).collect();
            let ended = bench
                .run_drivers(&names, &paths, env.to_vec(), LIMIT)
                .await?;
            open = self.take_journals(bench, &files, &ended);
        }
        self.give_up(&open);
        Ok(())
    }

    fn name(&self, at: usize) -> String {
        format!("observe{}-{at}", self.which)
    }

    /// Writes the test files of modules; each with its module's number.
    fn stage(
        &self,
        bench: &mut Bench<'_>,
        open: &[usize],
    ) -> Result<Vec<(usize, String)>, EvolutionError> {
        let mut files = Vec::new();
        for at in open {
            let module = &self.modules[*at];
            let name = self.name(*at);
            bench.forget(&name);
            files.push((*at, bench.stage(&name, module, &self.plan(module))?));
        }
        Ok(files)
    }

    fn plan<'m>(&self, module: &'m FoundModule) -> Plan<'m> {
        let seen = seen_keys(&self.look, module);
        let functions = module.functions.iter();
        let functions = functions.filter(|it| !self.look.given_up.contains_key(&it.id));
        Plan {
            mode: "observe",
            days: SURROUNDINGS[self.which].2,
            functions: functions.map(target).collect(),
            skip: self.skip.iter().cloned().chain(seen).collect(),
        }
    }

    /// Takes over what drivers wrote; the modules that have to be begun anew.
    fn take_journals(
        &mut self,
        bench: &Bench<'_>,
        files: &[(usize, String)],
        ended: &Ended,
    ) -> Vec<usize> {
        let mut open = Vec::new();
        let mut names = files.iter().map(|(at, _)| self.name(*at));
        let is_explained = names.any(|name| bench.is_open(&name));
        for (at, path) in files {
            bench.remove(path);
            let name = self.name(*at);
            let lines: Vec<Line> = bench.journal(&name);
            let is_left = if lines.is_empty() {
                is_explained || self.take_silence(*at, ended)
            } else {
                self.take(*at, lines, ended.is_blamed(&name))
            };
            if is_left {
                open.push(*at);
            }
        }
        open
    }

    /// A driver that wrote nothing, though no other one ended the process: its file cannot be run.
    fn take_silence(&mut self, at: usize, ended: &Ended) -> bool {
        let empty = self.empty.entry(at).or_default();
        *empty += 1;
        let run = ended.run.as_ref();
        let is_sure = run.is_some_and(|run| !run.tests.is_empty() || !run.broken_files.is_empty());
        if *empty < MAX_EMPTY && !is_sure {
            return true;
        }
        let why = run.map_or_else(|| "it does not end".to_owned(), TestRun::summary);
        self.look
            .unloaded
            .insert(self.modules[at].path.clone(), why);
        false
    }

    /// Takes over a journal; whether its module has to be begun anew. What began and did not end is what the process died in: it is
    /// not made again.
    fn take(&mut self, at: usize, lines: Vec<Line>, is_blamed: bool) -> bool {
        let path = &self.modules[at].path;
        let mut open = None;
        let (mut is_loading, mut is_finished) = (false, false);
        for line in lines {
            is_loading = line.step == "loading";
            match line.step.as_str() {
                "begin" => open = Some((line.f, line.at)),
                "end" => {
                    open = None;
                    let calls = self.look.observed.entry(line.f).or_default();
                    calls.insert(line.at, line.seen);
                }
                "missing" => {
                    self.look.missing.insert(line.f);
                }
                "given_up" => {
                    self.look.given_up.insert(line.f, line.why);
                }
                "unloaded" => {
                    self.look.unloaded.insert(path.clone(), line.why);
                    is_finished = true;
                }
                "finished" => is_finished = true,
                _ => {}
            }
        }
        if is_loading && is_blamed {
            let why = "loading it ends the process or never ends";
            self.look.unloaded.insert(path.clone(), why.to_owned());
            return false;
        }
        if let Some((f, call)) = open.filter(|_| is_blamed) {
            self.bury(f, call);
        }
        !is_finished
    }

    fn bury(&mut self, f: u32, call: usize) {
        self.skip.insert(format!("{f}/{call}"));
        let deaths = self.deaths.entry(f).or_default();
        *deaths += 1;
        if *deaths == MAX_DEATHS {
            let why =
                format!("{MAX_DEATHS} of its calls ended the process or had to be ended with it");
            self.look.given_up.insert(f, why);
        }
    }

    /// Functions of modules that there was no time for.
    fn give_up(&mut self, open: &[usize]) {
        let why = "the time for trying inputs was used up by calls that end their process";
        for at in open {
            for function in &self.modules[*at].functions {
                let given_up = self.look.given_up.entry(function.id);
                given_up.or_insert_with(|| why.to_owned());
            }
        }
    }
}

fn target(function: &FoundFunction) -> Target<'_> {
    Target {
        id: function.id,
        access: &function.access,
        name: &function.exported,
        member: &function.member,
        kind: &function.kind,
        state: &function.state,
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
