//! Whether the caller of an open call is still let in.
//!
//! Nobody asks for a call that is answered as soon as it is read. One that waits - for its next message, for others, for
//! something to tell - is watched from then on, and ends when its token counts no more.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tonic::Status;

use super::places::Place;
use crate::auth::{Auth, Pass};
use crate::fault::Fault;

/// What a call was let in with.
pub(super) enum Standing {
    /// No token keeps it open, or it has ended.
    Free,
    /// It has not waited yet.
    Unwatched(Auth, Pass),
    /// Ready when the token counts no more.
    Watched(Pin<Box<dyn Future<Output = Fault> + Send>>),
}

impl Standing {
    pub(super) fn new(auth: &Auth, pass: Option<Pass>) -> Self {
        match pass {
            Some(pass) => Self::Unwatched(auth.clone(), pass),
            None => Self::Free,
        }
    }

    /// The same for the other direction of the call.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Unwatched(auth, pass) => Self::Unwatched(auth.clone(), *pass),
            Self::Free | Self::Watched(_) => Self::Free,
        }
    }

    /// Ready if the caller is let in no more, as far as that is watched.
    pub(super) fn poll_lapse(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let Self::Watched(lapse) = self else {
            return Poll::Pending;
        };
        let lapsed = lapse.as_mut().poll(cx).map(Status::from);
        if lapsed.is_ready() {
            *self = Self::Free;
        }
        lapsed
    }

    /// The call waits, and is watched from now on.
    pub(super) fn waits(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let Self::Unwatched(auth, pass) = self else {
            // What is watched was asked before.
            return Poll::Pending;
        };
        *self = Self::Watched(Box::pin(auth.lapsed(*pass)));
        self.poll_lapse(cx)
    }

    /// What the call answers, unless its caller loses their standing while it waits for others.
    pub(super) async fn hold_for<F: Future>(
        &mut self,
        call: F,
        place: &Place,
    ) -> Result<F::Output, Status> {
        let mut call = pin!(call);
        poll_fn(|cx| {
            if let Poll::Ready(lapsed) = self.poll_lapse(cx) {
                return Poll::Ready(Err(lapsed));
            }
            match call.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                // Work is soon done; it is not broken off half-way.
                Poll::Pending if place.is_at_work() => Poll::Pending,
                Poll::Pending => self.waits(cx).map(Err),
            }
        })
        .await
    }
}
