//! A body that is looked at as it goes by: what its bytes cost, how it ends, what lasts as long as it does. It passes
//! unchanged, unless whoever looks ends it.

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

    /// Asked before anything passes: ready with the last that does.
    fn cuts(&mut self, _cx: &mut Context<'_>) -> Poll<Last> {
        Poll::Pending
    }

    /// Asked when nothing passes yet, which a message that is there at once never comes to; likewise.
    fn waits(&mut self, _cx: &mut Context<'_>) -> Poll<Last> {
        Poll::Pending
    }
}

/// The end of a body that is cut: trailers, the failure of what cannot have any, or nothing more.
pub(crate) type Last = Option<Result<Frame<Bytes>, Status>>;

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

impl<W: Watch> Watched<W> {
    fn pass(&mut self, next: Last) -> Poll<Last> {
        Poll::Ready(match self.watch.passes(next.as_ref()) {
            Ok(()) => next,
            Err(status) => Some(Err(status)),
        })
    }

    /// What would still come is dropped, and whoever sends it learns of that.
    fn cut(&mut self, last: Last) -> Poll<Last> {
        self.body = Body::empty();
        self.pass(last)
    }
}

impl<W: Watch> http_body::Body for Watched<W> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let Poll::Ready(last) = this.watch.cuts(cx) {
            return this.cut(last);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(next) => this.pass(next),
            Poll::Pending => {
                let last = ready!(this.watch.waits(cx));
                this.cut(last)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
