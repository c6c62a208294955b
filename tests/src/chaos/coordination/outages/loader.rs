//! One loader: it writes its entry over the version it wrote before, sends a message, and so on. A request that was
//! not acknowledged is made again with the same request id until it is.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tonic::{Code, Status};

use super::ledger::Ledger;
use crate::coordination::{Clients, counted, message, put};

/// Before a request is made again. Shorter than the service asks for, so that the recovery measured is the service's.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// An inbox holds a thousand messages.
const EMPTY_EVERY: u64 = 100;

/// What the loaders are to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// Work, and tell how long after this moment the first acknowledgement came.
    Work { back_at: Option<Instant> },
    /// Bring the request in hand to its end, then stop.
    Last,
}

/// An answer that no outage explains.
#[derive(Debug)]
pub(super) struct Failure {
    doing: &'static str,
    status: Status,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.status)
    }
}

/// How long after the return of Redis the first acknowledgement came, or why there will be none.
pub(super) type News = Result<Duration, Failure>;

/// A loader with its own entry and inbox.
pub(super) struct Loader {
    clients: Clients,
    phase: watch::Receiver<Phase>,
    news: mpsc::UnboundedSender<News>,
    /// The last moment of return that was told of.
    told_of: Option<Instant>,
    ledger: Ledger,
}

impl Loader {
    pub(super) fn new(
        clients: Clients,
        phase: watch::Receiver<Phase>,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        Self {
            clients,
            phase,
            news,
            told_of: None,
            ledger: Ledger::new(),
        }
    }

    /// Works until the phase says it was the last, or until it fails.
    pub(super) async fn work(mut self) -> Ledger {
        if let Err(failure) = self.try_to_work().await {
            let _ = self.news.send(Err(failure));
        }
        self.ledger
    }

    async fn try_to_work(&mut self) -> Result<(), Failure> {
        let mut step = 0;
        while !matches!(*self.phase.borrow(), Phase::Last) {
            step += 1;
            self.write(step).await?;
            self.tell(step).await?;
            if step.is_multiple_of(EMPTY_EVERY) {
                self.empty_inbox().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, step: u64) -> Result<(), Failure> {
        let before = self.ledger.last_write.map_or(0, |(_, version)| version);
        let request = put(&self.ledger.key, counted(step), Some(before));
        loop {
            let start = Instant::now();
            let outcome = self.clients.put(request.clone()).await;
            if let Some(version) = self.answered(start, "PutState", outcome).await? {
                self.ledger.last_write = Some((step, version));
                return Ok(());
            }
        }
    }

    async fn tell(&mut self, step: u64) -> Result<(), Failure> {
        let request = message(&self.ledger.inbox, &format!("message {step}"));
        loop {
            let start = Instant::now();
            let outcome = self.clients.send(request.clone()).await;
            if self
                .answered(start, "SendMessage", outcome)
                .await?
                .is_some()
            {
                self.ledger.sent.push(request.text);
                return Ok(());
            }
        }
    }

    async fn empty_inbox(&mut self) -> Result<(), Failure> {
        loop {
            let start = Instant::now();
            let outcome = self.ledger.empty_inbox(&mut self.clients, false).await;
            if self
                .answered(start, "ReceiveMessages", outcome)
                .await?
                .is_some()
            {
                return Ok(());
            }
        }
    }

    /// Notes an answer; nothing if the request is to be made again.
    async fn answered<T>(
        &mut self,
        start: Instant,
        doing: &'static str,
        outcome: Result<T, Status>,
    ) -> Result<Option<T>, Failure> {
        self.ledger.slowest = self.ledger.slowest.max(start.elapsed());
        match outcome {
            Ok(answer) => {
                self.ledger.acknowledged += 1;
                self.tell_of_recovery();
                Ok(Some(answer))
            }
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(RETRY_PAUSE).await;
                Ok(None)
            }
            Err(status) => Err(Failure { doing, status }),
        }
    }

    /// The first acknowledgement since Redis is back.
    fn tell_of_recovery(&mut self) {
        let Phase::Work {
            back_at: Some(back_at),
        } = *self.phase.borrow()
        else {
            return;
        };
        if self.told_of != Some(back_at) {
            self.told_of = Some(back_at);
            let _ = self.news.send(Ok(back_at.elapsed()));
        }
    }
}
