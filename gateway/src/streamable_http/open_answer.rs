//! An answer that ends when its caller's token counts no more: a stream of server-sent events may be open for hours.

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
            lapse: Box::pin(auth.lapsed(pass)),
        }),
        None => body,
    }
}

struct OpenAnswer {
    body: Body,
    lapse: Pin<Box<dyn Future<Output = Fault> + Send>>,
}

impl http_body::Body for OpenAnswer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.body.is_end_stream() {
            return Poll::Ready(None);
        }
        if this.lapse.as_mut().poll(cx).is_ready() {
            this.body = Body::empty();
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
