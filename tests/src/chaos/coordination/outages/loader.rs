//! One loader: it writes its entry over the version it wrote before, sends a message, and so on. A request that was
//! not acknowledged is made again with the same request id until it is.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tonic::{Code, Status};

use super::loader_acks::LoaderAcks;
use crate::coordination::{CoordinationClients, counted, message, put};

/// Before a request is made again. Shorter than the service asks for, so that the recovery measured is the service's.
const RETRY_BACKOFF: Duration = Duration::from_millis(20);

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
pub(super) struct LoaderError {
    doing: &'static str,
    status: Status,
}

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.status)
    }
}

/// How long after the return of Redis the first acknowledgement came, or why there will be none.
pub(super) type RecoveryReport = Result<Duration, LoaderError>;

/// A loader with its own entry and inbox.
pub(super) struct Loader {
    clients: CoordinationClients,
    phase: watch::Receiver<Phase>,
    recoveries: mpsc::UnboundedSender<RecoveryReport>,
    /// The last moment of return that was told of.
    reported_for: Option<Instant>,
    acks: LoaderAcks,
}

impl Loader {
    pub(super) fn new(
        clients: CoordinationClients,
        phase: watch::Receiver<Phase>,
        recoveries: mpsc::UnboundedSender<RecoveryReport>,
    ) -> Self {
        Self {
            clients,
            phase,
            recoveries,
            reported_for: None,
            acks: LoaderAcks::new(),
        }
    }

    /// Works until the phase says it was the last, or until it fails.
    pub(super) async fn work(mut self) -> LoaderAcks {
        if let Err(failure) = self.try_work().await {
            let _ = self.recoveries.send(Err(failure));
        }
        self.acks
    }

    async fn try_work(&mut self) -> Result<(), LoaderError> {
        let mut step = 0;
        while !matches!(*self.phase.borrow(), Phase::Last) {
            step += 1;
            self.write(step).await?;
            self.send_message(step).await?;
            if step.is_multiple_of(EMPTY_EVERY) {
                self.empty_inbox().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, step: u64) -> Result<(), LoaderError> {
        let before = self.acks.last_write.map_or(0, |(_, version)| version);
        let request = put(&self.acks.key, counted(step), Some(before));
        loop {
            let start = Instant::now();
            let outcome = self.clients.put(request.clone()).await;
            if let Some(version) = self.note_answer(start, "PutState", outcome).await? {
                self.acks.last_write = Some((step, version));
                return Ok(());
            }
        }
    }

    async fn send_message(&mut self, step: u64) -> Result<(), LoaderError> {
        let request = message(&self.acks.inbox, &format!("message {step}"));
        loop {
            let start = Instant::now();
            let outcome = self.clients.send(request.clone()).await;
            if self
                .note_answer(start, "SendMessage", outcome)
                .await?
                .is_some()
            {
                self.acks.sent.push(request.text);
                return Ok(());
            }
        }
    }

    async fn empty_inbox(&mut self) -> Result<(), LoaderError> {
        loop {
            let start = Instant::now();
            let outcome = self.acks.empty_inbox(&mut self.clients, false).await;
            if self
                .note_answer(start, "ReceiveMessages", outcome)
                .await?
                .is_some()
            {
                return Ok(());
            }
        }
    }

    /// Notes an answer; nothing if the request is to be made again.
    async fn note_answer<T>(
        &mut self,
        start: Instant,
        doing: &'static str,
        outcome: Result<T, Status>,
    ) -> Result<Option<T>, LoaderError> {
        self.acks.slowest = self.acks.slowest.max(start.elapsed());
        match outcome {
            Ok(answer) => {
                self.acks.acknowledged += 1;
                self.report_recovery();
                Ok(Some(answer))
            }
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(RETRY_BACKOFF).await;
                Ok(None)
            }
            Err(status) => Err(LoaderError { doing, status }),
        }
    }

    /// The first acknowledgement since Redis is back.
    fn report_recovery(&mut self) {
        let Phase::Work {
            back_at: Some(back_at),
        } = *self.phase.borrow()
        else {
            return;
        };
        if self.reported_for != Some(back_at) {
            self.reported_for = Some(back_at);
            let _ = self.recoveries.send(Ok(back_at.elapsed()));
        }
    }
}
