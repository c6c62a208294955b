//! Requests without secrets: one place before every handler of every service, so that no field can be forgotten.
//!
//! A message whose bytes hold no word of any rule, which is nearly every one, passes as it came. What a handler sees,
//! compares with earlier requests and stores is the redacted message.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::Request;
use http_body::Frame;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use tonic::Status;
use tonic::body::Body;

use super::rules;
use super::walk::{Policy, redacted};
use crate::server::MAX_MESSAGE_BYTES;

/// A flag and the length, before every message (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

/// The shapes of all messages, decoded when the first suspicious one comes.
static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(shim_proto::FILE_DESCRIPTOR_SET).ok());

/// Takes the secrets out of what a call to one of SHIM's own services brings.
pub(crate) fn without_secrets(request: Request<Body>) -> Request<Body> {
    if !request.uri().path().starts_with("/shim.") {
        return request;
    }
    let method = request.uri().path().to_owned();
    request.map(|body| {
        Body::new(Redacting {
            body,
            method,
            waiting: BytesMut::new(),
            is_passing: false,
        })
    })
}

struct Redacting {
    body: Body,
    method: String,
    /// The beginning of a message whose end has not come.
    waiting: BytesMut,
    /// The rest is for the decoder to refuse.
    is_passing: bool,
}

impl Redacting {
    /// What may be handed on now.
    fn take(&mut self, chunk: Bytes) -> Result<Bytes, Status> {
        if self.is_passing {
            return Ok(chunk);
        }
        if self.waiting.is_empty() && self.whole(&chunk) == chunk.len() {
            return self.redact(chunk);
        }
        self.waiting.extend_from_slice(&chunk);
        let whole = self.whole(&self.waiting);
        if self.is_passing_from(whole) {
            self.is_passing = true;
            return Ok(self.waiting.split().freeze());
        }
        let messages = self.waiting.split_to(whole).freeze();
        self.redact(messages)
    }

    /// How many of the bytes are whole messages.
    fn whole(&self, bytes: &[u8]) -> usize {
        let mut end = 0;
        while let Some((_, length)) = prefix(&bytes[end..]) {
            match end + PREFIX_BYTES + length {
                next if next <= bytes.len() => end = next,
                _ => break,
            }
        }
        end
    }

    /// A message too large is refused by its length, before it is there.
    fn is_passing_from(&self, whole: usize) -> bool {
        whole == 0 && prefix(&self.waiting).is_some_and(|(_, length)| length > MAX_MESSAGE_BYTES)
    }

    fn redact(&self, mut messages: Bytes) -> Result<Bytes, Status> {
        if !rules::is_suspect(&messages) {
            return Ok(messages);
        }
        let Some(shape) = self.shape() else {
            return Ok(messages);
        };
        let mut clean = BytesMut::with_capacity(messages.len());
        while let Some((flag, length)) = prefix(&messages) {
            messages.advance(PREFIX_BYTES);
            let message = messages.split_to(length);
            let redacted = redacted(&message, &shape, self.policy())?;
            let message = redacted.as_deref().unwrap_or(&message);
            clean.put_u8(flag);
            clean.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
            clean.put_slice(message);
        }
        Ok(clean.freeze())
    }

    /// The shape of the method's requests; `None` for a method that does not exist.
    fn shape(&self) -> Option<MessageDescriptor> {
        let (service, method) = self.method.strip_prefix('/')?.split_once('/')?;
        let service = POOL.as_ref()?.get_service_by_name(service)?;
        let method = service.methods().find(|known| known.name() == method)?;
        Some(method.input())
    }

    /// A record of an archive is sealed by a hash: with a changed text it would count as damaged.
    fn policy(&self) -> Policy {
        if self.method.ends_with("/Import") {
            Policy::Refuse
        } else {
            Policy::Redact
        }
    }
}

/// Flag and length of the message that begins here.
fn prefix(bytes: &[u8]) -> Option<(u8, usize)> {
    let (prefix, _) = bytes.split_at_checked(PREFIX_BYTES)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    Some((prefix[0], length as usize))
}

impl http_body::Body for Redacting {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
            let chunk = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => chunk,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                // A message cut short is for the decoder to refuse.
                None if !this.waiting.is_empty() => {
                    let rest = this.waiting.split().freeze();
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
                other => return Poll::Ready(other),
            };
            match this.take(chunk) {
                Ok(ready) if ready.is_empty() => {}
                taken => return Poll::Ready(Some(taken.map(Frame::data))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && self.body.is_end_stream()
    }
}
