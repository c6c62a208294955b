//! The rounds: begin a call, kill something at a random moment, start what was killed again, and look at everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::calls::{Activity, Caller, Ended};
use super::leftovers::Leftovers;
use super::user_project::{Fingerprint, UserProject};
use super::verdict::EvolutionVerdict;
use super::victims::Victim;
use crate::rng::SeededRng;
use crate::service::{Launch, Service, StartFailure};
use crate::temp_env::TempEnv;

/// One start in so many is killed before it is ready.
const KILL_WHILE_STARTING_ODDS: u64 = 4;
/// After one kill in so many the tools are gone, so that the next call installs them anew.
const LOSE_TOOLS_ODDS: u64 = 10;
const START_MICROS: std::ops::Range<u64> = 100..60_000;
/// How long what is left may take to go after a start or the end of a call.
const CLEAN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks for a victim, or at what is left.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Calls without kills that tell how long a call takes, and install the tools.
const CALM_CALLS: usize = 2;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct SuiteOptions {
    /// How many kills.
    pub rounds: u64,
    /// Where all chance comes from.
    pub seed: u64,
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
    for round in 1..=settings.rounds {
        let told = suite.round(round).await?;
        out(&format!("round {round}: {told}"));
    }
    suite.service.kill();
    Ok(suite.verdict)
}

struct Suite {
    rng: SeededRng,
    temp: TempEnv,
    launch: Launch,
    service: Service,
    project: UserProject,
    before: Fingerprint,
    /// How long a call takes without kills; a call that this version does not have is missing.
    durations: BTreeMap<Activity, Duration>,
    verdict: EvolutionVerdict,
}

impl Suite {
    async fn begin(settings: SuiteOptions) -> Result<Self, StartFailure> {
        let temp = TempEnv::new();
        let project = UserProject::make(&temp.project());
        let path = temp.project().display().to_string();
        let launch = Launch::evolution(&temp.data_dir())
            .env("SHIM_EVOLUTION_ROOTS", &path)
            .env("SHIM_EVOLUTION_TRUSTED", &path);
        Ok(Self {
            rng: SeededRng::new(settings.seed),
            service: launch.start().await?,
            before: project.fingerprint(),
            verdict: EvolutionVerdict {
                seed: settings.seed,
                ..EvolutionVerdict::default()
            },
            durations: BTreeMap::new(),
            temp,
            launch,
            project,
        })
    }

    fn caller(&self) -> Caller {
        Caller::new(self.service.channel(), self.project.root())
    }

    /// Makes each call without a kill.
    async fn calm(&mut self, out: &mut impl FnMut(&str)) {
        for activity in Activity::ALL {
            for _ in 0..CALM_CALLS {
                let begun = Instant::now();
                let ended = self.caller().call(activity).await;
                out(&format!(
                    "{activity:?}: {ended:?} after {:?}",
                    begun.elapsed()
                ));
                if ended.is_unknown() {
                    self.verdict.unknown.push(activity);
                    break;
                }
                if let Ended::Failed(_) | Ended::Hung = ended {
                    self.verdict
                        .broken
                        .push(format!("{activity:?} without a kill: {ended:?}"));
                }
                self.durations.insert(activity, begun.elapsed());
            }
        }
        self.look(0, "calm").await;
    }

    async fn round(&mut self, round: u64) -> Result<String, StartFailure> {
        let activity = self.choose().await;
        let victim = Victim::pick(&mut self.rng);
        let usual = self.durations.get(&activity).copied().unwrap_or_default();
        let longest = u64::try_from(usual.as_micros())
            .unwrap_or(u64::MAX)
            .max(10_000);
        let wait = self.rng.micros(0..longest);
        let call = tokio::spawn(self.caller().call(activity));
        tokio::time::sleep(wait).await;
        let mut struck = false;
        while !struck && !call.is_finished() {
            struck = victim.strike(self.service.pid(), &mut self.rng);
            if !struck {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
        let what = format!("{victim:?} during {activity:?} after {wait:?}");
        if struck {
            *self.verdict.kills.entry(victim).or_default() += 1;
            *self.verdict.calls.entry(activity).or_default() += 1;
        }
        self.end(round, &what, victim, struck, call).await?;
        self.look(round, &what).await;
        self.verdict.rounds += 1;
        Ok(if struck {
            what
        } else {
            format!("{what}: too late")
        })
    }

    /// Waits for the call's end, and for the service's return.
    async fn end(
        &mut self,
        round: u64,
        what: &str,
        victim: Victim,
        struck: bool,
        call: tokio::task::JoinHandle<Ended>,
    ) -> Result<(), StartFailure> {
        let is_gone = struck && victim == Victim::Service;
        if is_gone {
            self.service.kill();
        }
        match call.await {
            Ok(Ended::Answered) => self.verdict.answered += 1,
            Ok(Ended::NothingToDo | Ended::Failed(_)) if struck => {}
            Ok(Ended::NothingToDo) => {}
            ended => self
                .verdict
                .broken
                .push(format!("round {round}, {what}: the call: {ended:?}")),
        }
        if is_gone {
            while self.rng.one_in(KILL_WHILE_STARTING_ODDS) {
                let mut starting = self.launch.spawn();
                tokio::time::sleep(self.rng.micros(START_MICROS)).await;
                starting.kill();
                self.verdict.killed_starts += 1;
            }
            if self.rng.one_in(LOSE_TOOLS_ODDS) {
                let _ = std::fs::remove_dir_all(self.temp.data_dir().join("tools"));
                self.verdict.lost_tools += 1;
            }
            self.service = self.launch.start().await?;
        }
        Ok(())
    }

    /// A call that this version has. Without a proposal there is nothing to approve, so some are made.
    async fn choose(&mut self) -> Activity {
        let known: Vec<_> = self.durations.keys().copied().collect();
        let fallback = [Activity::Analyze];
        let choices = if known.is_empty() {
            &fallback[..]
        } else {
            &known[..]
        };
        let activity = *self.rng.pick(choices);
        if activity == Activity::Approve {
            // Proposals that are there already stay as they are.
            let _ = self.caller().call(Activity::Evolve).await;
        }
        activity
    }

    /// Looks until everything is as it must be, or the time for it is up.
    async fn look(&mut self, round: u64, what: &str) {
        let deadline = Instant::now() + CLEAN_WITHIN;
        loop {
            let (home, pid) = (self.temp.root(), self.service.pid());
            let found =
                Leftovers::find(&self.project, &self.before, home, pid, self.caller()).await;
            let is_late = Instant::now() > deadline;
            match found {
                Ok(found) if found.is_clean() => return,
                Ok(found) if is_late => return self.verdict.add(round, what, &found),
                Err(status) if is_late => {
                    return self
                        .verdict
                        .broken
                        .push(format!("round {round}, {what}: {status:?}"));
                }
                _ => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }
}
