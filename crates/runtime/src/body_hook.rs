//! A body that is looked at as it goes by: what its bytes cost, how it ends, what lasts as long as it does. It passes
//! unchanged, unless whoever looks ends it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// What looks. It is dropped with the body.
pub(crate) trait BodyHook: Send + Unpin + 'static {
    /// The next frame, the failure, or the end.
    ///
    /// # Errors
    /// With what the body fails with instead.
    fn on_frame(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status>;

    /// Asked before anything passes: ready with the last that does.
    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<FinalFrame> {
        Poll::Pending
    }

    /// Asked when nothing passes yet, which a message that is there at once never comes to; likewise.
    fn poll_end_while_idle(&mut self, _cx: &mut Context<'_>) -> Poll<FinalFrame> {
        Poll::Pending
    }
}

/// The end of a body that is cut: trailers, the failure of what cannot have any, or nothing more.
pub(crate) type FinalFrame = Option<Result<Frame<Bytes>, Status>>;

/// The body, watched.
pub(crate) fn with_hook(body: Body, hook: impl BodyHook) -> Body {
    Body::new(HookedBody { body, hook })
}

/// How many bytes of data a frame has, if that is what passes.
pub(crate) fn data_bytes(next: Option<&Result<Frame<Bytes>, Status>>) -> Option<usize> {
    let frame = next?.as_ref().ok()?;
    Some(frame.data_ref().map_or(0, Bytes::len))
}

struct HookedBody<W> {
    body: Body,
    hook: W,
}

impl<W: BodyHook> HookedBody<W> {
    fn emit(&mut self, next: FinalFrame) -> Poll<FinalFrame> {
        Poll::Ready(match self.hook.on_frame(next.as_ref()) {
            Ok(()) => next,
            Err(status) => Some(Err(status)),
        })
    }

    /// What would still come is dropped, and whoever sends it learns of that.
    fn finish_with(&mut self, last: FinalFrame) -> Poll<FinalFrame> {
        self.body = Body::empty();
        self.emit(last)
    }
}

impl<W: BodyHook> http_body::Body for HookedBody<W> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if let Poll::Ready(last) = this.hook.poll_end(cx) {
            return this.finish_with(last);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(next) => this.emit(next),
            Poll::Pending => {
                let last = ready!(this.hook.poll_end_while_idle(cx));
                this.finish_with(last)
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
