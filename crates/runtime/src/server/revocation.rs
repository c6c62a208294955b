//! Whether the token of an open call still counts.
//!
//! A call that is answered as soon as it is read is not watched. A call that waits - for its next message, for other
//! calls, for an event - is watched from then on, and ends when its token counts no more.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use super::concurrency::Permit;
use crate::auth::{Auth, AuthGrant};
use crate::body_hook::{BodyHook, FinalFrame, with_hook};
use crate::service_error::ServiceError;

/// The watch over the token of one call.
pub(super) enum RevocationWatch {
    /// No token keeps the call open, or the call has ended.
    Off,
    /// The call has not waited yet.
    Idle(Auth, AuthGrant),
    /// Ready when the token counts no more.
    Active(Pin<Box<dyn Future<Output = ServiceError> + Send>>),
}

impl RevocationWatch {
    pub(super) fn new(auth: &Auth, grant: Option<AuthGrant>) -> Self {
        match grant {
            Some(grant) => Self::Idle(auth.clone(), grant),
            None => Self::Off,
        }
    }

    /// The watch for the other direction of the call.
    pub(super) fn for_request_body(&self) -> Self {
        match self {
            Self::Idle(auth, grant) => Self::Idle(auth.clone(), *grant),
            Self::Off | Self::Active(_) => Self::Off,
        }
    }

    /// Ready if the token counts no more; never before the watch began.
    pub(super) fn poll_revoked(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let Self::Active(future) = self else {
            return Poll::Pending;
        };
        let revoked = future.as_mut().poll(cx).map(Status::from);
        if revoked.is_ready() {
            *self = Self::Off;
        }
        revoked
    }

    /// Begins the watch, since the call waits.
    pub(super) fn begin_watching(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let Self::Idle(auth, grant) = self else {
            // A watch that runs was polled before.
            return Poll::Pending;
        };
        *self = Self::Active(Box::pin(auth.revoked(*grant)));
        self.poll_revoked(cx)
    }

    /// The answer of the call, unless its token is revoked while it waits for others.
    pub(super) async fn run_unless_revoked<F: Future>(
        &mut self,
        call: F,
        permit: &Permit,
    ) -> Result<F::Output, Status> {
        let mut call = pin!(call);
        poll_fn(|cx| {
            if let Poll::Ready(revoked) = self.poll_revoked(cx) {
                return Poll::Ready(Err(revoked));
            }
            match call.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                // Work ends soon and is not broken off half-way.
                Poll::Pending if permit.is_working() => Poll::Pending,
                Poll::Pending => self.begin_watching(cx).map(Err),
            }
        })
        .await
    }
}

/// An answer's body that ends when the grant counts no more. It just ends, for protocols without a word for the reason;
/// the next call is refused with it. An answer that is ready at once is sent whole: its work has happened.
#[must_use]
pub fn end_on_revocation(body: Body, auth: &Auth, grant: Option<AuthGrant>) -> Body {
    match grant {
        Some(_) => with_hook(body, RevocableBody(RevocationWatch::new(auth, grant))),
        None => body,
    }
}

struct RevocableBody(RevocationWatch);

impl BodyHook for RevocableBody {
    fn on_frame(&mut self, _: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status> {
        Ok(())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<FinalFrame> {
        self.0.poll_revoked(cx).map(|_| None)
    }

    fn poll_end_while_idle(&mut self, cx: &mut Context<'_>) -> Poll<FinalFrame> {
        self.0.begin_watching(cx).map(|_| None)
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

    /// Sends nothing and does not end.
    struct PendingBody;

    impl http_body::Body for PendingBody {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Pending
        }
    }

    /// A caller whose token counts no more.
    async fn with_revoked_token() -> (Auth, AuthGrant) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let auth = Auth::new(Some(TokenFile::open(&path).unwrap()));
        let shown = Some(b"Bearer 0123456789abcdef".as_slice());
        let caller = auth.authenticate(shown, Peer::User(None), SystemTime::now());
        let grant = caller.unwrap().grant(Role::Read).unwrap();
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, "fedcba9876543210").unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        tokio::select! {
            _ = auth.revoked(grant) => {}
            never = auth.keep_polling() => match never {},
        }
        (auth, grant)
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn a_ready_body_is_sent_and_a_pending_one_ends() {
        let (auth, grant) = with_revoked_token().await;
        let mut ready = end_on_revocation(Body::new("saved".to_owned()), &auth, Some(grant));
        assert_eq!(next(&mut ready).await.unwrap(), "saved");
        assert_eq!(next(&mut ready).await, None);
        let mut waiting = end_on_revocation(Body::new(PendingBody), &auth, Some(grant));
        assert_eq!(next(&mut waiting).await, None);
    }
}
