//! The body of a request, which is one message: read within its bound, and mended or refused if it cannot be read.

use std::fmt::Display;
use std::pin::pin;

use futures::future::poll_fn;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use metrics::counter;
use rmcp::model::ClientJsonRpcMessage;
use shim_render::text::{json, line};
use tokio_util::bytes::Buf;
use tonic::body::Body;
use tonic::codegen::Body as HttpBody;

use super::refusal::{plain, respond};
use crate::frames::{EnvelopeScan, Losses, Refusal, Verdict, judge, judge_too_large};

/// Larger messages are refused; over HTTP anyone may connect.
pub(super) const MAX_BODY_BYTES: usize = 4 << 20;
/// Of a larger one so much is looked at, for its id; then the connection is closed on it.
const MAX_SCANNED_BYTES: usize = 64 << 20;

/// A request whose message can be read, or the answer to one that cannot.
pub(super) async fn read<B>(request: Request<B>) -> Result<Request<Body>, Response<Body>>
where
    B: HttpBody + Send + 'static,
    B::Data: Send + 'static,
    B::Error: Display,
{
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST || !is_json(&parts) {
        // It is refused or needs no body; its own is not read.
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    match collect(body).await? {
        Collected::Whole(bytes) => match readable(bytes) {
            Ok(text) => Ok(with_message(parts, text)),
            Err(verdict) => Err(answer(StatusCode::BAD_REQUEST, &verdict)),
        },
        Collected::TooLarge(scan) => {
            let verdict = judge_too_large(&scan.finish(), MAX_BODY_BYTES);
            Err(answer(StatusCode::PAYLOAD_TOO_LARGE, &verdict))
        }
    }
}

fn with_message(mut parts: Parts, text: String) -> Request<Body> {
    if let Some(losses) = Losses::of(text.as_bytes()) {
        parts.extensions.insert(losses);
    }
    // A mended message has another length.
    parts.headers.remove(header::CONTENT_LENGTH);
    Request::from_parts(parts, Body::new(text))
}

fn is_json(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// A body that came.
enum Collected {
    Whole(Vec<u8>),
    /// It was too large to be kept.
    TooLarge(EnvelopeScan),
}

async fn collect<B>(body: B) -> Result<Collected, Response<Body>>
where
    B: HttpBody,
    B::Error: Display,
{
    let mut body = pin!(body);
    let (mut kept, mut too_large, mut total) = (Vec::new(), None::<EnvelopeScan>, 0);
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|error| {
            let why = format!("the request's body cannot be read: {error}\n");
            plain(StatusCode::BAD_REQUEST, why)
        })?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while data.has_remaining() {
            let piece = data.chunk();
            total += piece.len();
            match &mut too_large {
                Some(scan) => scan.feed(piece),
                None if total > MAX_BODY_BYTES => {
                    let scan = too_large.insert(EnvelopeScan::default());
                    scan.feed(&kept);
                    scan.feed(piece);
                    kept = Vec::new();
                }
                None => kept.extend_from_slice(piece),
            }
            let length = piece.len();
            data.advance(length);
        }
        if total > MAX_SCANNED_BYTES {
            break;
        }
    }
    Ok(too_large.map_or(Collected::Whole(kept), Collected::TooLarge))
}

/// The message as a text that can be read.
fn readable(bytes: Vec<u8>) -> Result<String, Verdict> {
    let error = match serde_json::from_slice::<ClientJsonRpcMessage>(&bytes) {
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(error) => return Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        },
        Err(error) => error,
    };
    match judge(&bytes, &error) {
        Verdict::Repaired(text) => {
            counter!("shim_mcp_damaged_frames_total", "outcome" => "repaired").increment(1);
            tracing::warn!("a message with half characters was read with U+FFFD in their place");
            Ok(text)
        }
        verdict => Err(verdict),
    }
}

/// The answer to a message that cannot be read. HTTP answers what MCP itself would leave unanswered, too.
fn answer(status: StatusCode, verdict: &Verdict) -> Response<Body> {
    let text = match verdict {
        Verdict::Refused(refusal) => json(&one_answer(refusal)).into_owned(),
        Verdict::Ignored(fault) | Verdict::Repaired(fault) => format!("{}\n", line(fault)),
    };
    counter!("shim_mcp_damaged_frames_total", "outcome" => "refused").increment(1);
    tracing::warn!("a message was refused: {}", text.trim_end());
    let mut response = respond(status, text);
    if matches!(verdict, Verdict::Refused(_)) {
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// A batch gets its answers as a batch.
fn one_answer(refusal: &Refusal) -> String {
    let mut answers = refusal.answers();
    match answers.len() {
        1 => answers.remove(0),
        _ => format!("[{}]", answers.join(",")),
    }
}
