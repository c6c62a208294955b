//! A desk in memory: hands out tasks, hears everything, and refuses what a story wants refused.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shim_proto::coordination::v1::{TaskResult, Usage};
use shim_worker::executor::{Claim, Failure, News};
use shim_worker::life::{Desk, Held, Refusal, Vitals};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::executor::house::within;

/// What a worker said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Report(String, News),
    Confirm(String),
    Stuck(String),
    Complete(String, TaskResult, Usage),
    Fail(String, Failure, Usage),
    Release(String, String),
    Beat(Vitals),
    Leave,
}

pub(crate) struct MemoryDesk {
    tasks: Mutex<VecDeque<Claim>>,
    more: Notify,
    /// Tasks that are another's now.
    lost: Mutex<BTreeSet<String>>,
    is_away: AtomicBool,
    say: mpsc::UnboundedSender<Said>,
    heard: AsyncMutex<mpsc::UnboundedReceiver<Said>>,
}

impl MemoryDesk {
    pub(crate) fn new() -> Self {
        let (say, heard) = mpsc::unbounded_channel();
        Self {
            tasks: Mutex::default(),
            more: Notify::new(),
            lost: Mutex::default(),
            is_away: AtomicBool::new(false),
            say,
            heard: AsyncMutex::new(heard),
        }
    }

    pub(crate) fn offer(&self, claim: Claim) {
        self.tasks.lock().unwrap().push_back(claim);
        self.more.notify_one();
    }

    pub(crate) fn waiting(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }

    pub(crate) fn lose(&self, task_id: &str) {
        self.lost.lock().unwrap().insert(task_id.to_owned());
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Passes over what is said until something is what the story waits for.
    pub(crate) async fn hears<T>(&self, mut wanted: impl FnMut(Said) -> Option<T>) -> T {
        let mut heard = self.heard.lock().await;
        within(async {
            loop {
                if let Some(found) = wanted(heard.recv().await.unwrap()) {
                    return found;
                }
            }
        })
        .await
    }

    fn take(&self, held: &Held, said: Said) -> Result<(), Refusal> {
        self.say.send(said).unwrap();
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Refusal::Away("connection refused".to_owned()));
        }
        if self.lost.lock().unwrap().contains(&held.task_id) {
            return Err(Refusal::Stale("given to another worker".to_owned()));
        }
        Ok(())
    }
}

impl Desk for MemoryDesk {
    async fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Claim>, Refusal> {
        let next = async {
            loop {
                let task = self.tasks.lock().unwrap().pop_front();
                match task {
                    Some(task) => return task,
                    None => self.more.notified().await,
                }
            }
        };
        tokio::select! {
            claim = next => Ok(Some(claim)),
            () = tokio::time::sleep(wait) => Ok(None),
            () = stop.cancelled() => Ok(None),
        }
    }

    async fn report(&self, held: &Held, news: &News) -> Result<(), Refusal> {
        self.take(held, Said::Report(held.task_id.clone(), news.clone()))
    }

    async fn confirm(&self, held: &Held) -> Result<(), Refusal> {
        self.take(held, Said::Confirm(held.task_id.clone()))
    }

    async fn stuck(&self, held: &Held, _silent: Duration) -> Result<(), Refusal> {
        self.take(held, Said::Stuck(held.task_id.clone()))
    }

    async fn complete(
        &self,
        held: &Held,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<(), Refusal> {
        let said = Said::Complete(held.task_id.clone(), result.clone(), *usage);
        self.take(held, said)
    }

    async fn fail(&self, held: &Held, failure: &Failure, usage: &Usage) -> Result<(), Refusal> {
        self.take(
            held,
            Said::Fail(held.task_id.clone(), failure.clone(), *usage),
        )
    }

    async fn release(&self, held: &Held, reason: &str) -> Result<(), Refusal> {
        self.take(held, Said::Release(held.task_id.clone(), reason.to_owned()))
    }

    async fn beat(&self, vitals: &Vitals) {
        self.say.send(Said::Beat(vitals.clone())).unwrap();
    }

    async fn leave(&self, _reason: &str) {
        self.say.send(Said::Leave).unwrap();
    }
}
