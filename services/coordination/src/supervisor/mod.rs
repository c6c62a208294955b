//! The supervisor: one process at a time watches over all tasks.
//!
//! It gives on what dead workers had, ends jobs whose deadline passed, runs schedules, takes over what other programs'
//! workers did, and carries over what nobody carried. The one that holds the lock "supervisor" does it; each step is a
//! script that two may run at once, so a supervisor that was stopped and wakes up late does no harm.

mod deaths;
mod schedules;

use std::time::Duration;

use shim_runtime::lifecycle::Shutdown;
use shim_store::registry::CHANNELS;
use shim_store::tasks::Pace;
use shim_store::{Error, News, Once, Store, Topic};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::Tasks as Settings;
use crate::leader::Leader;

use deaths::Deaths;

/// How often time is looked at.
const SWEEP_EVERY: Duration = Duration::from_millis(200);
/// How often BullMQ's events are read.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// How often BullMQ is made to forget.
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// How often it looks for deaths though none was told.
const DEATHS_EVERY: Duration = Duration::from_millis(250);

/// The background task. Errors never end it: Redis comes back, and then it goes on.
pub(crate) struct Supervisor {
    store: Store,
    pace: Pace,
    leader: Leader,
    shutdown: Shutdown,
    trimmed_at: Option<Instant>,
}

impl Supervisor {
    pub(crate) fn new(store: Store, settings: &Settings, shutdown: Shutdown) -> Self {
        let slot = store.tasks.slot().clone();
        Self {
            leader: Leader::new(store.clone(), slot, "supervisor", shutdown.clone()),
            store,
            pace: Pace {
                stuck_after: settings.stuck_after,
                keep: settings.keep,
                keep_jobs: settings.keep_jobs,
            },
            shutdown,
            trimmed_at: None,
        }
    }

    /// Supervises whenever nobody else does, until the shutdown.
    pub(crate) async fn run(mut self) {
        while let Some(term) = self.leader.lead().await {
            let mut deaths = Deaths::new(self.store.clone());
            let shutdown = self.shutdown.clone();
            tokio::select! {
                lost = term.lost() => tracing::debug!(%lost, "another process may supervise"),
                () = self.supervise(&mut deaths) => {}
                () = shutdown.wait() => {}
            }
            term.end().await;
        }
    }

    async fn supervise(&mut self, deaths: &mut Deaths) {
        let mut sweep = interval(SWEEP_EVERY);
        let mut follow = interval(FOLLOW_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        follow.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ear = None;
        loop {
            if ear.is_none() {
                let topic = Topic::Pattern(self.store.keys.channel(&format!("{CHANNELS}*")));
                ear = self.store.ear.listen(topic).await.ok();
            }
            let heard = async {
                match &mut ear {
                    Some(ear) => ear.until(tells_of_an_end).await,
                    None => std::future::pending().await,
                }
            };
            let done = tokio::select! {
                () = heard => deaths.look().await,
                () = tokio::time::sleep(DEATHS_EVERY) => deaths.look().await,
                _ = sweep.tick() => self.sweep().await,
                _ = follow.tick() => self.follow().await,
            };
            self.leader.note("cannot supervise", done);
        }
    }

    async fn sweep(&mut self) -> Result<(), Error> {
        let swept = self.store.tasks.sweep(&self.pace).await?;
        for root_id in &swept.expired {
            // The same words by whoever says them: a deadline passes once.
            let once = Once {
                request_id: format!("expire-{root_id}"),
                fingerprint: String::new(),
            };
            self.store.tasks.expire(&once, root_id).await?;
        }
        for (schedule_id, due_ms) in &swept.due {
            schedules::run(&self.store, schedule_id, *due_ms).await?;
        }
        Ok(())
    }

    async fn follow(&mut self) -> Result<(), Error> {
        let is_time = self.trimmed_at.is_none_or(|at| at.elapsed() > TRIM_EVERY);
        if is_time {
            self.trimmed_at = Some(Instant::now());
        }
        for class in self.store.tasks.classes().await? {
            self.store.tasks.follow(&class.name).await?;
            if is_time {
                self.store.tasks.trim(&class.name).await?;
            }
        }
        Ok(())
    }
}

fn tells_of_an_end(news: &News) -> bool {
    ["worker:dead", "worker:stopped", "worker:registered"]
        .iter()
        .any(|channel| news.channel.ends_with(channel))
}
