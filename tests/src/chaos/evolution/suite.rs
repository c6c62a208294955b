//! The rounds: begin a call, kill something at a random moment, start what was killed again, look at everything, and make the
//! same call again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::calls::{Activity, Call, Caller, Ended};
use super::leftovers::{Leftovers, Places};
use super::user_project::{Fingerprint, UserProject};
use super::verdict::EvolutionVerdict;
use crate::rng::SeededRng;
use crate::service::{Launch, Service, StartFailure};
use crate::temp_env::TempEnv;

/// How long what is left may take to go after a start or the end of a call.
const CLEAN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at what is left.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// So many calls for each round may end before their victim begins.
const MAX_TOO_LATE: u64 = 4;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How many kills.
    pub rounds: u64,
    /// Where all chance comes from.
    pub seed: u64,
    /// Whether tools are installed and tests are made as well, which takes long.
    pub with_long_calls: bool,
}

/// Runs the suite on a throw-away home, telling `out` how it goes.
///
/// # Errors
/// If the service does not come back.
pub async fn run(
    settings: SuiteOptions,
    mut out: impl FnMut(&str),
) -> Result<EvolutionVerdict, StartFailure> {
    let mut suite = Suite::begin(settings).await?;
    suite.calm(&mut out).await;
    let mut calls = 0;
    while suite.verdict.rounds < settings.rounds && calls < settings.rounds * MAX_TOO_LATE {
        calls += 1;
        let known = suite.verdict.broken.len();
        let told = suite.round().await?;
        out(&format!("round {}: {told}", suite.verdict.rounds));
        for broken in suite.verdict.broken.iter().skip(known) {
            out(&format!("broken: {broken}"));
        }
    }
    if suite.verdict.rounds < settings.rounds {
        let struck = suite.verdict.rounds;
        suite.broken(format!("of {calls} calls only {struck} were struck"));
    }
    suite.service.kill();
    let said = suite
        .project
        .git(&["fsck", "--connectivity-only", "--no-dangling"]);
    if !said.is_empty() {
        suite.broken(format!("git fsck: {said}"));
    }
    Ok(suite.verdict)
}

pub(super) struct Suite {
    pub(super) settings: SuiteOptions,
    pub(super) rng: SeededRng,
    pub(super) temp: TempEnv,
    pub(super) launch: Launch,
    pub(super) service: Service,
    pub(super) project: UserProject,
    pub(super) before: Fingerprint,
    /// The branch of an evolution that the user built on; empty if there is none.
    pub(super) built_on: String,
    /// What the call of this round was refused with, for the log.
    pub(super) refusal: String,
    /// How long a call takes without kills, and what it answers.
    pub(super) usual: BTreeMap<Activity, (Duration, String)>,
    pub(super) verdict: EvolutionVerdict,
}

impl Suite {
    async fn begin(settings: SuiteOptions) -> Result<Self, StartFailure> {
        let temp = TempEnv::new();
        let project = UserProject::make(&temp.project());
        let path = temp.project().display().to_string();
        let tmp = temp.root().join("tmp");
        let _ = std::fs::create_dir(&tmp);
        crate::node::share_evolution_tools(&temp.data_dir());
        let launch = Launch::evolution(&temp.data_dir())
            .env("SHIM_EVOLUTION_ROOTS", &path)
            .env("SHIM_EVOLUTION_TRUSTED", &path)
            .env("TMPDIR", &tmp.display().to_string());
        Ok(Self {
            settings,
            rng: SeededRng::new(settings.seed),
            service: launch.start().await?,
            before: project.fingerprint(),
            verdict: EvolutionVerdict {
                seed: settings.seed,
                ..EvolutionVerdict::default()
            },
            built_on: String::new(),
            refusal: String::new(),
            usual: BTreeMap::new(),
            temp,
            launch,
            project,
        })
    }

    pub(super) fn caller(&self) -> Caller {
        Caller::new(self.service.channel(), self.project.root())
    }

    pub(super) fn broken(&mut self, what: String) {
        self.verdict.broken.push(what);
    }

    /// Makes each call without a kill.
    async fn calm(&mut self, out: &mut impl FnMut(&str)) {
        for activity in self.activities() {
            let about = format!("{activity:?} without a kill");
            let Some(call) = self.prepare(activity, &about).await else {
                continue;
            };
            let begun = Instant::now();
            let ended = self.caller().make(call).await;
            self.conclude(activity);
            if activity == Activity::Undo {
                self.forget_built();
            }
            let took = begun.elapsed();
            out(&format!("{about}: {ended:?} after {took:?}"));
            match ended {
                Ended::Answered(said) => drop(self.usual.insert(activity, (took, said))),
                other => self.broken(format!("{about}: {other:?}")),
            }
            self.look(&about).await;
        }
    }

    /// What the rounds choose from.
    pub(super) fn activities(&self) -> Vec<Activity> {
        let is_long = |it: &Activity| matches!(it, Activity::Install | Activity::GenerateTests);
        let with_long_calls = self.settings.with_long_calls;
        let all = Activity::ALL.into_iter();
        all.filter(|it| with_long_calls || !is_long(it)).collect()
    }

    /// Makes a call that must be answered.
    pub(super) async fn expect(&mut self, call: Call, about: &str) -> Option<String> {
        match self.caller().make(call).await {
            Ended::Answered(said) => Some(said),
            other => {
                self.broken(format!("{about}: {other:?}"));
                None
            }
        }
    }

    /// Looks until everything is as it must be, or the time for it is up.
    pub(super) async fn look(&mut self, about: &str) {
        let deadline = Instant::now() + CLEAN_WITHIN;
        loop {
            let places = Places {
                project: &self.project,
                before: &self.before,
                home: self.temp.root(),
                service: self.service.pid(),
                built_on: &self.built_on,
            };
            let found = Leftovers::find(&places, self.caller()).await;
            let is_late = Instant::now() > deadline;
            match found {
                Ok(found) if found.is_clean() => return,
                Ok(found) if is_late => return self.verdict.add(about, &found),
                Err(status) if is_late => return self.broken(format!("{about}: {status:?}")),
                _ => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }
}
