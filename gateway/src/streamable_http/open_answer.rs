//! An answer that ends when its caller's token counts no more: a stream of server-sent events may be open for hours.
//!
//! An answer that is there as soon as it is asked for is given whole: what it tells of has happened. One that waits is
//! watched from then on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use shim_runtime::auth::{Auth, Pass};
use shim_runtime::fault::Fault;
use tonic::Status;
use tonic::body::Body;

/// The body as long as the pass counts. HTTP has no word for what comes then; whoever asks again is told.
pub(super) fn while_let_in(body: Body, auth: &Auth, pass: Option<Pass>) -> Body {
    match pass {
        Some(pass) => Body::new(OpenAnswer {
            body,
            auth: auth.clone(),
            pass,
            lapse: None,
        }),
        None => body,
    }
}

struct OpenAnswer {
    body: Body,
    auth: Auth,
    pass: Pass,
    /// Once the body has waited.
    lapse: Option<Pin<Box<dyn Future<Output = Fault> + Send>>>,
}

impl http_body::Body for OpenAnswer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if let Some(lapse) = &mut this.lapse
                && lapse.as_mut().poll(cx).is_ready()
            {
                this.lapse = None;
                this.body = Body::empty();
                return Poll::Ready(None);
            }
            let frame = Pin::new(&mut this.body).poll_frame(cx);
            if frame.is_ready() || this.lapse.is_some() {
                return frame;
            }
            this.lapse = Some(Box::pin(this.auth.lapsed(this.pass)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::future::poll_fn;
    use std::time::SystemTime;

    use http_body::Body as _;
    use shim_runtime::auth::{Peer, Role, TokenFile};

    use super::*;

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
