//! Places for calls: at work, waiting, and streaming. Each kind has its own number, so that a crowd of one kind never
//! shuts out the others: heartbeats and saves get through however many calls wait or listen.
//!
//! Every call comes in at work. A handler that is about to wait for others, or to stream, changes its place first and
//! never changes back; it finds its place in a task-local, so only the handler's own task can.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

use crate::fault::Fault;

tokio::task_local! {
    static CURRENT: Place;
}

/// What a call does with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Working,
    Waiting,
    Streaming,
}

impl Kind {
    /// How many places there are.
    const fn count(self) -> usize {
        match self {
            Self::Working | Self::Streaming => 1_024,
            Self::Waiting => 8_192,
        }
    }

    fn overloaded(self) -> Status {
        match self {
            Self::Working => overloaded("too many calls at once", SOON),
            Self::Waiting => overloaded("too many calls are waiting", LATER),
            Self::Streaming => overloaded("too many streams are open", LATER),
        }
    }
}

/// Work is soon done.
const SOON: Duration = Duration::from_millis(250);

/// Waits and streams last.
const LATER: Duration = Duration::from_secs(1);

/// All places of a server.
pub(super) struct Places {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    streaming: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        let places = |kind: Kind| Arc::new(Semaphore::new(kind.count()));
        Self {
            working: places(Kind::Working),
            waiting: places(Kind::Waiting),
            streaming: places(Kind::Streaming),
        }
    }
}

impl Places {
    /// A place at work.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, Status> {
        Ok(Place {
            held: Arc::new(Mutex::new(self.hold(Kind::Working)?)),
            places: Arc::clone(self),
        })
    }

    fn hold(&self, kind: Kind) -> Result<Held, Status> {
        let places = match kind {
            Kind::Working => &self.working,
            Kind::Waiting => &self.waiting,
            Kind::Streaming => &self.streaming,
        };
        match Arc::clone(places).try_acquire_owned() {
            Ok(permit) => Ok(Held {
                kind,
                _permit: permit,
            }),
            Err(_) => Err(kind.overloaded()),
        }
    }
}

/// The place of one call, free again when its last clone is dropped.
#[derive(Clone)]
pub(super) struct Place {
    held: Arc<Mutex<Held>>,
    places: Arc<Places>,
}

struct Held {
    kind: Kind,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Runs a call that may change its place.
    pub(super) async fn scope<F: Future>(&self, call: F) -> F::Output {
        CURRENT.scope(self.clone(), call).await
    }

    /// Whether the call neither waits for others nor streams.
    pub(super) fn is_at_work(&self) -> bool {
        self.held().kind == Kind::Working
    }

    /// Only a stream keeps its place until its answer is sent whole.
    pub(super) fn kept_by_stream(self) -> Option<Self> {
        let kind = self.held().kind;
        (kind == Kind::Streaming).then_some(self)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The current call is going to wait for others: it leaves its place at work. Outside of a server's call nothing happens.
///
/// # Errors
/// OVERLOADED if too many wait.
pub fn begin_waiting() -> Result<(), Status> {
    change(Kind::Waiting)
}

/// The current call answers with a stream that may stay open for hours: it leaves its place at work. Outside of a
/// server's call nothing happens.
///
/// # Errors
/// OVERLOADED if too many are open.
pub fn begin_streaming() -> Result<(), Status> {
    change(Kind::Streaming)
}

fn change(kind: Kind) -> Result<(), Status> {
    let Ok(place) = CURRENT.try_with(Place::clone) else {
        return Ok(());
    };
    let held = place.places.hold(kind)?;
    *place.held() = held;
    Ok(())
}

fn overloaded(message: &str, retry_after: Duration) -> Status {
    Fault {
        code: Code::ResourceExhausted,
        reason: "OVERLOADED",
        message: message.into(),
        remedy: Some("try again after the delay given".into()),
        retry_after: Some(retry_after),
    }
    .into()
}

/// For a caller whose request's bytes have no room now.
pub(super) fn too_many_bytes() -> Status {
    overloaded("too many request bytes at once", SOON)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fault::explain;

    /// As many calls as may be of a kind, and what one more is told.
    async fn fill(places: &Arc<Places>, kind: Kind) -> (Vec<Place>, Status) {
        let mut held = Vec::new();
        loop {
            let place = places.enter().unwrap();
            match place.scope(async { change(kind) }).await {
                Ok(()) => held.push(place),
                Err(refused) => return (held, refused),
            }
        }
    }

    #[tokio::test]
    async fn each_kind_has_places_of_its_own() {
        let places = Arc::default();
        let (waiting, no_more_waiting) = fill(&places, Kind::Waiting).await;
        let (streaming, no_more_streaming) = fill(&places, Kind::Streaming).await;
        assert_eq!((waiting.len(), streaming.len()), (8_192, 1_024));
        for refused in [no_more_waiting, no_more_streaming] {
            let told = explain(&refused);
            assert_eq!(told.code, Code::ResourceExhausted);
            assert_eq!(told.reason, "OVERLOADED");
            assert_eq!(told.retry_after, Some(LATER));
        }

        let working: Vec<_> = (0..1_024).map(|_| places.enter().unwrap()).collect();
        let refused = places.enter().err().unwrap();
        assert_eq!(explain(&refused).retry_after, Some(SOON));
        drop(working);
        assert!(places.enter().is_ok());
    }

    #[tokio::test]
    async fn only_a_stream_keeps_its_place_after_the_answer_began() {
        let places = Arc::default();
        let (mut streaming, _) = fill(&places, Kind::Streaming).await;
        let body = streaming.pop().unwrap().kept_by_stream();
        assert!(body.is_some() && places.hold(Kind::Streaming).is_err());
        drop(body);
        assert!(places.hold(Kind::Streaming).is_ok());

        let (mut waiting, _) = fill(&places, Kind::Waiting).await;
        assert!(waiting.pop().unwrap().kept_by_stream().is_none());
        assert!(places.hold(Kind::Waiting).is_ok());
        assert!(places.enter().unwrap().kept_by_stream().is_none());
    }
}
