//! The panel itself: first workers are killed in the calm, to measure; then everything is done to everybody at once; when
//! all has ended, it is judged.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::clerk::{Clerk, Submitted, is_over};
use super::crew::{Agency, Hand};
use super::faults::{Harm, Pace, Torment, torment, torment_each};
use super::history::Past;
use super::house::{House, sockets};
use super::judge::{Evidence, judge};
use super::peer;
use super::remains;
use super::resource::Resource;
use super::restart::{Kills, kill_holders, restarts};
use super::told::Listening;
use super::verdict::Verdict;
use crate::dice::Dice;

/// Worker processes outside the services.
const HANDS: u64 = 8;
/// Longer than the clerk waits for tasks that do not move.
const LAST_TASKS_WITHIN: Duration = Duration::from_secs(900);

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How often workers outside, `shim worker`, `shim coordination` and Redis are killed, and how often frozen.
    pub rounds: u64,
    /// Tasks to do, at least.
    pub tasks: u64,
    /// How often a worker is killed in the calm, to measure.
    pub calm_kills: u64,
    /// Silence longer than this is death.
    pub dead_after: Duration,
    /// Whether BullMQ's own worker is killed too, to compare.
    pub with_peer: bool,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Runs the panel on a Redis of its own, telling `progress` what goes on.
///
/// # Errors
/// The first answer to submitter or judge that no fault explains.
///
/// # Panics
/// If the services do not start.
pub async fn run(settings: Settings, progress: impl Fn(&str)) -> Result<Verdict, Status> {
    let start = Instant::now();
    let peer = settings
        .with_peer
        .then(|| tokio::spawn(peer::kill_to_start()));
    let mut dice = Dice::new(settings.seed);
    let mut scene = Scene::set(settings, &mut dice).await;

    let mut clerk = Clerk::at(&sockets(&scene.house.coordination), Dice::new(dice.roll()))?;
    let hands = &mut scene.hands;
    progress("workers are killed in the calm");
    let calm = kill_holders(settings.calm_kills, &mut clerk, hands, &scene.workers).await?;
    progress("everything is killed and frozen at once");
    let (over, are_over) = watch::channel(false);
    let clerk = tokio::spawn(clerk.keep_busy(settings.tasks, are_over));
    let harm = scene.everything_at_once(&mut dice).await;
    progress("the faults are over; the last tasks are done");
    over.send_replace(true);
    let jobs = tokio::time::timeout(LAST_TASKS_WITHIN, clerk).await;
    let jobs = jobs.expect("the services answer when the faults are over");
    let jobs = jobs.expect("the clerk does not panic")?;

    progress("all has ended, and is judged");
    let judged = scene.verdict(&jobs, &calm, &harm).await;
    if !judged.as_ref().is_ok_and(Verdict::is_clean) {
        remains::show_complaints(&scene.house);
    }
    let mut verdict = judged?;
    if let Some(peer) = peer {
        verdict.bullmq_kill_to_start_ms = peer.await.unwrap_or(None);
    }
    verdict.seconds = start.elapsed().as_secs_f64();
    Ok(verdict)
}

/// All who take part.
struct Scene {
    settings: Settings,
    house: House,
    resource: Resource,
    hands: Vec<Hand>,
    workers: Listening,
}

impl Scene {
    async fn set(settings: Settings, dice: &mut Dice) -> Self {
        let house = House::start(settings.dead_after, true).await;
        let resource = Resource::serve(house.place.root());
        let (reports, reported) = mpsc::unbounded_channel();
        let agency = Agency::of(&house, resource.socket(), reports);
        let hire = |_| agency.hire(Dice::new(dice.roll()));
        Self {
            settings,
            hands: (0..HANDS).map(hire).collect(),
            workers: Listening::start(reported),
            resource,
            house,
        }
    }

    async fn everything_at_once(&mut self, dice: &mut Dice) -> Harm {
        let Settings {
            rounds, dead_after, ..
        } = self.settings;
        let mut shared = |victims: usize, pace: Pace| Torment {
            times: rounds.div_ceil(victims as u64),
            pace,
            dead_after,
            dice: Dice::new(dice.roll()),
        };
        let House {
            redis,
            coordination,
            workers,
            ..
        } = &mut self.house;
        let of_hands = shared(self.hands.len(), Pace::HAND);
        let of_coordination = shared(coordination.len(), Pace::COORDINATION);
        let of_workers = shared(workers.len(), Pace::WORKERS);
        let of_redis = shared(1, Pace::REDIS);
        let (mut harm, more, yet_more, last) = tokio::join!(
            torment_each(&mut self.hands, of_hands),
            torment_each(coordination, of_coordination),
            torment_each(workers, of_workers),
            torment(redis, of_redis),
        );
        for other in [more, yet_more, last] {
            harm.add(other);
        }
        harm
    }

    async fn verdict(
        &self,
        jobs: &[Submitted],
        calm: &Kills,
        harm: &Harm,
    ) -> Result<Verdict, Status> {
        let mut verdict = Verdict {
            seed: self.settings.seed,
            dead_after_ms: u64::try_from(self.settings.dead_after.as_millis()).unwrap_or(u64::MAX),
            left_by_themselves: harm.left.len() as u64,
            faults: harm.by_kind(),
            ..Verdict::default()
        };
        remains::count(&self.house, &mut verdict).await?;
        let mut clients = self.house.coordination[0].service().tasks();
        let mut history = Vec::with_capacity(jobs.len());
        for job in jobs {
            history.push(Past::of(job, &mut clients).await?);
        }
        verdict.calm = restarts(calm, &history, &mut clients).await;
        verdict.stormy = restarts(&harm.kills_of_workers(), &history, &mut clients).await;
        let evidence = Evidence {
            told: &self.workers.told(),
            places: &self.resource.places(),
        };
        judge(jobs, &history, &evidence, &mut verdict);
        let parts = history.iter().flat_map(|past| &past.parts);
        for lost in parts.filter(|part| !is_over(part)) {
            remains::show_task(&self.house, &lost.task_id);
        }
        Ok(verdict)
    }
}
