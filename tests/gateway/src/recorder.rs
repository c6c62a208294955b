//! The request bodies that pass a link, taken apart into the messages of gRPC.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// One byte that tells of compression, which nothing here uses, and four of length.
const PREFIX: usize = 5;

/// A body that hands every message in it to `seen` when it passes.
pub(crate) struct Recorder<F> {
    inner: axum::body::Body,
    unread: BytesMut,
    seen: F,
}

impl<F: FnMut(Bytes)> Recorder<F> {
    pub(crate) fn new(inner: axum::body::Body, seen: F) -> Self {
        Self {
            inner,
            unread: BytesMut::new(),
            seen,
        }
    }

    fn take(&mut self, data: &Bytes) {
        self.unread.extend_from_slice(data);
        while let Some(length) = self.unread.get(1..PREFIX) {
            let length = length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
            if self.unread.len() < PREFIX + length {
                return;
            }
            self.unread.advance(PREFIX);
            (self.seen)(self.unread.split_to(length).freeze());
        }
    }
}

impl<F: FnMut(Bytes) + Unpin> Body for Recorder<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            let data = data.clone();
            self.take(&data);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
