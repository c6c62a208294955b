//! One round.

use std::time::Instant;

use shim_proto::evolution::v1::{Evolution, EvolutionState};
use shim_runtime::service_error::decode;
use tokio::task::JoinHandle;

use super::TRANSFORM;
use super::calls::{Activity, Call, Caller, Ended};
use super::leftovers::strays;
use super::moment::Moment;
use super::suite::{LOOK_INTERVAL, Suite};
use super::victims::Victim;
use crate::service::StartFailure;

/// One start in so many is killed before it is ready.
const KILL_WHILE_STARTING_ODDS: u64 = 4;
const START_MICROS: std::ops::Range<u64> = 100..60_000;
/// Looks for a victim after the moment for it has come.
const STRIKES: usize = 50;

impl Suite {
    /// A call with a kill; it counts if the kill came in time.
    pub(super) async fn round(&mut self) -> Result<String, StartFailure> {
        let activities = self.activities();
        let (victim, activity) = Victim::pick(&mut self.rng, &activities);
        let usual = self
            .usual
            .get(&activity)
            .map_or_else(Default::default, |(took, _)| *took);
        let moment = Moment::pick(&mut self.rng, activity, victim, usual);
        let what = format!("{victim:?} during {activity:?}, {moment:?}");
        let about = format!("round {}, {what}", self.verdict.rounds + 1);
        if activity == Activity::Install {
            self.lose_tools().await?;
        }
        let Some(call) = self.prepare(activity, &about).await else {
            self.verdict.too_late += 1;
            return Ok(format!("{what}: it cannot be prepared"));
        };
        let running = tokio::spawn(self.caller().make(call.clone()));
        let struck = self.strike(&moment, victim, &running).await;
        self.end(&about, (activity, victim, struck), running)
            .await?;
        self.look(&about).await;
        self.again(activity, call, &about).await;
        self.look(&format!("{about}, again")).await;
        if !struck {
            self.verdict.too_late += 1;
            return Ok(format!("{what}: too late"));
        }
        *self.verdict.kills.entry(victim).or_default() += 1;
        *self.verdict.calls.entry(activity).or_default() += 1;
        self.verdict.rounds += 1;
        Ok(what + &std::mem::take(&mut self.refusal))
    }

    /// Waits for the moment and kills.
    async fn strike(&mut self, moment: &Moment, victim: Victim, call: &JoinHandle<Ended>) -> bool {
        let service = self.service.pid();
        if !moment.wait(service, || call.is_finished()).await {
            return false;
        }
        if victim == Victim::Client {
            return true;
        }
        for _ in 0..STRIKES {
            if call.is_finished() {
                return false;
            }
            if victim.strike(service, &mut self.rng) {
                return true;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        false
    }

    /// Waits for the call's end, and for the service's return.
    async fn end(
        &mut self,
        about: &str,
        (activity, victim, struck): (Activity, Victim, bool),
        running: JoinHandle<Ended>,
    ) -> Result<(), StartFailure> {
        if struck && victim == Victim::Client {
            running.abort();
            let _ = running.await;
            self.wait_for_quiet(about).await;
            self.conclude(activity);
            return Ok(());
        }
        let is_gone = struck && victim == Victim::Service;
        if is_gone {
            self.service.kill();
        }
        self.conclude(activity);
        let ended = running.await;
        match ended {
            Ok(Ended::Failed(_)) if is_gone => {}
            Ok(Ended::Failed(status)) if struck && is_clear(&status) => {
                self.refusal = format!(", refused: {}", status.message());
                self.verdict.refused += 1;
            }
            Ok(Ended::Answered(said)) if self.is_usual(activity, &said) => {
                self.verdict.answered += u64::from(struck);
            }
            ended => self.broken(format!("{about}: the call: {ended:?}")),
        }
        if is_gone {
            self.come_back().await?;
        }
        Ok(())
    }

    /// Starts the service, some of whose starts are killed as well.
    async fn come_back(&mut self) -> Result<(), StartFailure> {
        while self.rng.one_in(KILL_WHILE_STARTING_ODDS) {
            let mut starting = self.launch.spawn();
            tokio::time::sleep(self.rng.micros(START_MICROS)).await;
            starting.kill();
            self.verdict.killed_starts += 1;
        }
        self.service = self.launch.start().await?;
        Ok(())
    }

    /// Waits until nothing works any more for a client that left, and notes how long that took.
    async fn wait_for_quiet(&mut self, about: &str) {
        let begun = Instant::now();
        loop {
            let at_work = self.caller().evolutions(&[EvolutionState::Applying]).await;
            let left = strays(self.temp.root(), self.service.pid());
            let worktrees = self.project.root().join(".git/worktrees");
            if at_work.is_ok_and(|it| it.is_empty()) && left.is_empty() && !worktrees.exists() {
                return self.verdict.add_cancelled(begun.elapsed());
            }
            if begun.elapsed().as_secs() > 30 {
                return self.broken(format!("{about}: it goes on without its client: {left:?}"));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// The same call once more: it has one effect, and answers what it always answers.
    async fn again(&mut self, activity: Activity, call: Call, about: &str) {
        let said = self.expect(call, &format!("{about}, again")).await;
        if activity == Activity::Undo {
            self.forget_built();
        }
        if let Some(said) = said.filter(|said| !self.is_usual(activity, said)) {
            self.broken(format!("{about}, again: answered {said}"));
        }
    }

    fn is_usual(&self, activity: Activity, said: &str) -> bool {
        self.usual
            .get(&activity)
            .is_some_and(|(_, usual)| usual == said)
    }

    /// A call of this kind, after what it needs was made.
    pub(super) async fn prepare(&mut self, activity: Activity, about: &str) -> Option<Call> {
        match activity {
            Activity::Analyze | Activity::Install => {
                self.project.edit(self.rng.within(10..99));
                self.before = self.project.fingerprint();
                Some(self.caller().analysis())
            }
            Activity::Evolve => Some(self.caller().proposals()),
            Activity::GenerateTests => Some(self.caller().tests()),
            Activity::Approve => {
                let found = self.proposed(about).await?;
                Some(Caller::approval(&found.evolution_id))
            }
            Activity::ApproveEndless => {
                let found = self.proposed(about).await?;
                // Without a kill it would never end.
                let is_calm = !self.usual.contains_key(&activity);
                self.project.let_tests_end(is_calm);
                Some(Caller::approval(&found.evolution_id))
            }
            Activity::Revert => {
                let found = self.committed(about).await?;
                Some(Caller::reversion(&found.evolution_id))
            }
            Activity::Undo => {
                let found = self.committed(about).await?;
                self.project.git(&["branch", "built", &found.commit]);
                self.built_on = found.branch;
                self.before = self.project.fingerprint();
                Some(Caller::reversion(&found.evolution_id))
            }
        }
    }

    /// The user gives up what was built on a commit.
    pub(super) fn forget_built(&mut self) {
        // The branch that it was built on is the user's from then on.
        let branches = ["built".to_owned(), std::mem::take(&mut self.built_on)];
        for branch in branches.iter().filter(|branch| !branch.is_empty()) {
            self.project.git(&["branch", "--quiet", "-D", branch]);
        }
        self.before = self.project.fingerprint();
    }

    /// Takes back what a call needed while it ran.
    pub(super) fn conclude(&mut self, activity: Activity) {
        if activity == Activity::ApproveEndless {
            self.project.let_tests_end(true);
        }
    }

    /// A proposal, made if there is none.
    async fn proposed(&mut self, about: &str) -> Option<Evolution> {
        if let Some(found) = self.newest(EvolutionState::Proposed).await {
            return Some(found);
        }
        let call = self.caller().proposals();
        self.expect(call, &format!("{about}, proposing")).await?;
        self.newest(EvolutionState::Proposed).await
    }

    /// A committed evolution, made if there is none.
    async fn committed(&mut self, about: &str) -> Option<Evolution> {
        if let Some(found) = self.newest(EvolutionState::Committed).await {
            return Some(found);
        }
        let found = self.proposed(about).await?;
        let call = Caller::approval(&found.evolution_id);
        self.expect(call, &format!("{about}, approving")).await?;
        self.newest(EvolutionState::Committed).await
    }

    async fn newest(&mut self, state: EvolutionState) -> Option<Evolution> {
        let found = self.caller().evolutions(&[state]).await.ok()?;
        found.into_iter().find(|it| it.transform == TRANSFORM)
    }

    /// Takes the tools away from a service that is not there, so that the next call installs them.
    async fn lose_tools(&mut self) -> Result<(), StartFailure> {
        self.service.kill();
        let _ = std::fs::remove_dir_all(self.temp.data_dir().join("tools"));
        self.service = self.launch.start().await?;
        Ok(())
    }
}

/// Whether a refusal says what is wrong, and of which kind that is.
fn is_clear(status: &tonic::Status) -> bool {
    let decoded = decode(status);
    let message = decoded.message.trim();
    !decoded.reason.is_empty() && !message.is_empty() && !message.ends_with(':')
}
