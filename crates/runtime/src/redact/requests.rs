//! Requests without secrets: one place before every handler of every service, so that no field can be forgotten.
//!
//! A message whose bytes hold no word of any rule, which is nearly every one, passes as it came. A handler sees,
//! compares with earlier requests and stores the redacted message.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body::Frame;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use shim_proto::limits::MAX_MESSAGE_BYTES;
use tonic::Status;
use tonic::body::Body;

use super::protobuf::{Policy, redact_message};
use super::rules::MessageWords;

/// A flag and the length, before every message (gRPC over HTTP/2).
const PREFIX_BYTES: usize = 5;

/// The shapes of all messages, decoded when the first suspicious one comes.
static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(shim_proto::FILE_DESCRIPTOR_SET).ok());

/// Takes the secrets out of a request to one of SHIM's own services.
pub(crate) fn redact_request(request: Request<Body>) -> Request<Body> {
    if !request.uri().path().starts_with("/shim.") {
        return request;
    }
    let method = request.uri().path().to_owned();
    request.map(|body| {
        Body::new(RedactingBody {
            body,
            method,
            buffered: BytesMut::new(),
            is_passthrough: false,
        })
    })
}

/// Takes the secrets out of one encoded message of the contract, by its full name. A message of another name stays as it
/// is.
///
/// # Errors
/// INVALID_ARGUMENT naming every field that names something and holds a secret.
pub fn message(encoded: Vec<u8>, full_name: &str) -> Result<Vec<u8>, Status> {
    let Some(words) = MessageWords::of(&encoded) else {
        return Ok(encoded);
    };
    let descriptor = POOL
        .as_ref()
        .and_then(|pool| pool.get_message_by_name(full_name));
    let Some(descriptor) = descriptor else {
        return Ok(encoded);
    };
    let redacted = redact_message(&encoded, &words, &descriptor, Policy::Redact)?;
    Ok(redacted.unwrap_or(encoded))
}

struct RedactingBody {
    body: Body,
    method: String,
    /// The beginning of a message whose end has not come.
    buffered: BytesMut,
    /// The rest is for the decoder to refuse.
    is_passthrough: bool,
}

impl RedactingBody {
    /// The bytes that may pass now.
    fn take(&mut self, chunk: Bytes) -> Result<Bytes, Status> {
        if self.is_passthrough {
            return Ok(chunk);
        }
        if self.buffered.is_empty() && self.complete_len(&chunk) == chunk.len() {
            return self.redact(chunk);
        }
        self.buffered.extend_from_slice(&chunk);
        let complete_len = self.complete_len(&self.buffered);
        if self.is_oversized(complete_len) {
            self.is_passthrough = true;
            return Ok(self.buffered.split().freeze());
        }
        let messages = self.buffered.split_to(complete_len).freeze();
        self.redact(messages)
    }

    /// The length of the whole messages among the bytes.
    fn complete_len(&self, bytes: &[u8]) -> usize {
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
    fn is_oversized(&self, complete_len: usize) -> bool {
        complete_len == 0
            && prefix(&self.buffered).is_some_and(|(_, length)| length > MAX_MESSAGE_BYTES)
    }

    fn redact(&self, messages: Bytes) -> Result<Bytes, Status> {
        // A copy of what was looked at, once something of it is replaced.
        let mut clean: Option<BytesMut> = None;
        let mut begin = 0;
        while let Some((flag, length)) = prefix(&messages[begin..]) {
            let end = begin + PREFIX_BYTES + length;
            let redacted = self.redact_one(&messages[begin + PREFIX_BYTES..end])?;
            match (redacted, &mut clean) {
                (Some(message), clean) => {
                    let clean = clean.get_or_insert_with(|| messages[..begin].into());
                    clean.put_u8(flag);
                    clean.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
                    clean.put_slice(&message);
                }
                (None, Some(clean)) => clean.put_slice(&messages[begin..end]),
                (None, None) => {}
            }
            begin = end;
        }
        Ok(clean.map_or(messages, BytesMut::freeze))
    }

    /// The message without its secrets; `None` if it stays.
    fn redact_one(&self, message: &[u8]) -> Result<Option<Vec<u8>>, Status> {
        let Some(words) = MessageWords::of(message) else {
            return Ok(None);
        };
        match self.descriptor() {
            Some(descriptor) => redact_message(message, &words, &descriptor, self.policy()),
            None => Ok(None),
        }
    }

    /// The shape of the method's requests; `None` for a method that does not exist.
    fn descriptor(&self) -> Option<MessageDescriptor> {
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

impl http_body::Body for RedactingBody {
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
                None if !this.buffered.is_empty() => {
                    let rest = this.buffered.split().freeze();
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
        self.buffered.is_empty() && self.body.is_end_stream()
    }
}
