//! Whether the caller of an open call is still let in.
//!
//! Nobody asks for a call that is answered as soon as it is read. One that waits - for its next message, for others, for
//! something to tell - is watched from then on, and ends when its token counts no more.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::places::Place;
use crate::auth::{Auth, Pass};
use crate::fault::Fault;
use crate::watched::{Last, Watch, watched};

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

/// An answer's body as long as the pass counts. It just ends then, for protocols without a word for why; whoever asks
/// again is told. An answer that is there as soon as it is asked for is given whole: what it tells of has happened.
#[must_use]
pub fn while_let_in(body: Body, auth: &Auth, pass: Option<Pass>) -> Body {
    match pass {
        Some(_) => watched(body, OpenAnswer(Standing::new(auth, pass))),
        None => body,
    }
}

struct OpenAnswer(Standing);

impl Watch for OpenAnswer {
    fn passes(&mut self, _: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        Ok(())
    }

    fn cuts(&mut self, cx: &mut Context<'_>) -> Poll<Last> {
        self.0.poll_lapse(cx).map(|_| None)
    }

    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<Last> {
        self.0.waits(cx).map(|_| None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::poll_fn;
    use std::time::SystemTime;

    use http_body::Body as _;

    use super::*;
    use crate::auth::{Peer, Role, TokenFile};

    /// Says nothing and does not end.
    struct Silence;

    impl http_body::Body for Silence {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Pending
        }
    }

    /// Whoever called with a token that counts no more by now.
    async fn too_late() -> (Auth, Pass) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let auth = Auth::new(Some(TokenFile::open(&path).unwrap()));
        let shown = Some(b"Bearer 0123456789abcdef".as_slice());
        let caller = auth.identify(shown, Peer::User(None), SystemTime::now());
        let pass = caller.unwrap().pass(Role::Read).unwrap();
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, "fedcba9876543210").unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        tokio::select! {
            _ = auth.lapsed(pass) => {}
            never = auth.keep_looking() => match never {},
        }
        (auth, pass)
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn what_is_ready_is_told_and_what_waits_ends() {
        let (auth, pass) = too_late().await;
        let mut ready = while_let_in(Body::new("saved".to_owned()), &auth, Some(pass));
        assert_eq!(next(&mut ready).await.unwrap(), "saved");
        assert_eq!(next(&mut ready).await, None);
        let mut waits = while_let_in(Body::new(Silence), &auth, Some(pass));
        assert_eq!(next(&mut waits).await, None);
    }
}
