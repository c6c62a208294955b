//! A hook on a body while it passes: it counts bytes, sees the end, and keeps values alive until then. The body passes
//! unchanged, unless the hook ends it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// Sees a body pass. It is dropped with the body.
pub(crate) trait BodyHook: Send + Unpin + 'static {
    /// Sees the next frame, the failure, or the end.
    ///
    /// # Errors
    /// The failure that the body ends with instead.
    fn on_frame(&mut self, next: Option<&Result<Frame<Bytes>, Status>>) -> Result<(), Status>;

    /// Polled before each frame; ready, it ends the body with this last frame.
    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<FinalFrame> {
        Poll::Pending
    }

    /// Polled while no frame is ready; ready, it ends the body likewise. A frame that is ready at once skips it.
    fn poll_end_while_idle(&mut self, _cx: &mut Context<'_>) -> Poll<FinalFrame> {
        Poll::Pending
    }
}

/// The end of a body that is cut: trailers, or a failure where there are none, or nothing.
pub(crate) type FinalFrame = Option<Result<Frame<Bytes>, Status>>;

/// A body with a hook.
pub(crate) fn with_hook(body: Body, hook: impl BodyHook) -> Body {
    Body::new(HookedBody { body, hook })
}

/// The bytes of a data frame; `None` for anything else.
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

    /// Drops the rest of the body, of which its sender learns.
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
