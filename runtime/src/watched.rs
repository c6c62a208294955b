//! A body that is looked at as it goes by, unchanged: what its bytes cost, how it ends, what lasts as long as it does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// What looks. It is dropped with the body.
pub(crate) trait Watch: Send + Unpin + 'static {
    /// The next frame, the failure, or the end.
    ///
    /// # Errors
    /// With what the body fails with instead.
    fn passes(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status>;
}

/// The body, watched.
pub(crate) fn watched(body: Body, watch: impl Watch) -> Body {
    Body::new(Watched { body, watch })
}

/// How many bytes of data a frame has, if that is what passes.
pub(crate) fn data_bytes(next: Option<&Result<Frame<Bytes>, Status>>) -> Option<usize> {
    let frame = next?.as_ref().ok()?;
    Some(frame.data_ref().map_or(0, Bytes::len))
}

struct Watched<W> {
    body: Body,
    watch: W,
}

impl<W: Watch> http_body::Body for Watched<W> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.body).poll_frame(cx));
        Poll::Ready(match this.watch.passes(next.as_ref()) {
            Ok(()) => next,
            Err(status) => Some(Err(status)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
