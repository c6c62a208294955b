//! Permits for calls: working, waiting and streaming. Each kind has its own number, so that many calls of one kind never
//! shut out the others: heartbeats and saves get through however many calls wait or stream.
//!
//! Every call begins as working. A handler changes the kind of its permit before it waits for others or streams, and never
//! changes it back. The permit is in a task-local, so only the handler's own task can change it.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use shim_proto::reasons;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

use crate::service_error::ServiceError;
use crate::sync;

tokio::task_local! {
    static CURRENT: Permit;
}

/// What a call does with its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallKind {
    Working,
    Waiting,
    Streaming,
}

impl CallKind {
    /// How many permits there are.
    const fn count(self) -> usize {
        match self {
            Self::Working | Self::Streaming => 1_024,
            Self::Waiting => 8_192,
        }
    }

    fn overloaded(self) -> Status {
        match self {
            Self::Working => overloaded("too many calls at once", SHORT_RETRY_DELAY),
            Self::Waiting => overloaded("too many calls are waiting", LONG_RETRY_DELAY),
            Self::Streaming => overloaded("too many streams are open", LONG_RETRY_DELAY),
        }
    }
}

/// Work ends soon.
const SHORT_RETRY_DELAY: Duration = Duration::from_millis(250);

/// Waits and streams last longer.
const LONG_RETRY_DELAY: Duration = Duration::from_secs(1);

/// All permits of a server.
pub(super) struct ConcurrencyLimits {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    streaming: Arc<Semaphore>,
}

impl Default for ConcurrencyLimits {
    fn default() -> Self {
        let semaphore = |kind: CallKind| Arc::new(Semaphore::new(kind.count()));
        Self {
            working: semaphore(CallKind::Working),
            waiting: semaphore(CallKind::Waiting),
            streaming: semaphore(CallKind::Streaming),
        }
    }
}

impl ConcurrencyLimits {
    /// A permit to work.
    pub(super) fn acquire(self: &Arc<Self>) -> Result<Permit, Status> {
        Ok(Permit {
            current: Arc::new(Mutex::new(self.try_acquire(CallKind::Working)?)),
            limits: Arc::clone(self),
        })
    }

    fn try_acquire(&self, kind: CallKind) -> Result<KindPermit, Status> {
        let semaphore = match kind {
            CallKind::Working => &self.working,
            CallKind::Waiting => &self.waiting,
            CallKind::Streaming => &self.streaming,
        };
        match Arc::clone(semaphore).try_acquire_owned() {
            Ok(permit) => Ok(KindPermit {
                kind,
                _permit: permit,
            }),
            Err(_) => Err(kind.overloaded()),
        }
    }
}

/// The permit of one call, free again when its last clone is dropped.
#[derive(Clone)]
pub(super) struct Permit {
    current: Arc<Mutex<KindPermit>>,
    limits: Arc<ConcurrencyLimits>,
}

struct KindPermit {
    kind: CallKind,
    _permit: OwnedSemaphorePermit,
}

impl Permit {
    /// Runs a call that may change its place.
    pub(super) async fn scope<F: Future>(&self, call: F) -> F::Output {
        CURRENT.scope(self.clone(), call).await
    }

    /// Whether the call neither waits for others nor streams.
    pub(super) fn is_working(&self) -> bool {
        self.current().kind == CallKind::Working
    }

    /// Only a stream keeps its permit until its answer is sent whole.
    pub(super) fn into_stream_permit(self) -> Option<Self> {
        let kind = self.current().kind;
        (kind == CallKind::Streaming).then_some(self)
    }

    fn current(&self) -> MutexGuard<'_, KindPermit> {
        sync::lock(&self.current)
    }
}

/// The current call is going to wait for others: it leaves its place at work. Outside of a server's call nothing happens.
///
/// # Errors
/// OVERLOADED if too many wait.
pub fn begin_waiting() -> Result<(), Status> {
    switch_to(CallKind::Waiting)
}

/// The current call answers with a stream that may stay open for hours: it leaves its place at work. Outside of a
/// server's call nothing happens.
///
/// # Errors
/// OVERLOADED if too many are open.
pub fn begin_streaming() -> Result<(), Status> {
    switch_to(CallKind::Streaming)
}

fn switch_to(kind: CallKind) -> Result<(), Status> {
    let Ok(permit) = CURRENT.try_with(Permit::clone) else {
        return Ok(());
    };
    let current = permit.limits.try_acquire(kind)?;
    *permit.current() = current;
    Ok(())
}

fn overloaded(message: &str, retry_after: Duration) -> Status {
    ServiceError {
        code: Code::ResourceExhausted,
        reason: reasons::OVERLOADED,
        message: message.into(),
        remedy: Some("try again after the delay given".into()),
        retry_after: Some(retry_after),
    }
    .into()
}

/// For a caller whose request's bytes have no room now.
pub(super) fn too_many_bytes() -> Status {
    overloaded("too many request bytes at once", SHORT_RETRY_DELAY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service_error::decode;

    /// As many calls as may be of a kind, and what one more is told.
    async fn fill(limits: &Arc<ConcurrencyLimits>, kind: CallKind) -> (Vec<Permit>, Status) {
        let mut permits = Vec::new();
        loop {
            let permit = limits.acquire().unwrap();
            match permit.scope(async { switch_to(kind) }).await {
                Ok(()) => permits.push(permit),
                Err(refused) => return (permits, refused),
            }
        }
    }

    #[tokio::test]
    async fn each_kind_has_permits_of_its_own() {
        let limits = Arc::default();
        let (waiting, no_more_waiting) = fill(&limits, CallKind::Waiting).await;
        let (streaming, no_more_streaming) = fill(&limits, CallKind::Streaming).await;
        assert_eq!((waiting.len(), streaming.len()), (8_192, 1_024));
        for refused in [no_more_waiting, no_more_streaming] {
            let decoded = decode(&refused);
            assert_eq!(decoded.code, Code::ResourceExhausted);
            assert_eq!(decoded.reason, "OVERLOADED");
            assert_eq!(decoded.retry_after, Some(LONG_RETRY_DELAY));
        }

        let working: Vec<_> = (0..1_024).map(|_| limits.acquire().unwrap()).collect();
        let refused = limits.acquire().err().unwrap();
        assert_eq!(decode(&refused).retry_after, Some(SHORT_RETRY_DELAY));
        drop(working);
        assert!(limits.acquire().is_ok());
    }

    #[tokio::test]
    async fn only_a_stream_keeps_its_permit_after_the_response_began() {
        let limits = Arc::default();
        let (mut streaming, _) = fill(&limits, CallKind::Streaming).await;
        let body = streaming.pop().unwrap().into_stream_permit();
        assert!(body.is_some() && limits.try_acquire(CallKind::Streaming).is_err());
        drop(body);
        assert!(limits.try_acquire(CallKind::Streaming).is_ok());

        let (mut waiting, _) = fill(&limits, CallKind::Waiting).await;
        assert!(waiting.pop().unwrap().into_stream_permit().is_none());
        assert!(limits.try_acquire(CallKind::Waiting).is_ok());
        assert!(limits.acquire().unwrap().into_stream_permit().is_none());
    }
}
