//! Refusals in the words of HTTP.

use http::{HeaderValue, Response, StatusCode, header};
use shim_render::text;
use shim_runtime::service_error::ServiceError;
use tonic::Code;
use tonic::body::Body;

/// An error as an answer of HTTP (RFC 9110, 10.2.3 and 11.6.1).
pub(super) fn refusal_response(fault: &ServiceError) -> Response<Body> {
    let line = match &fault.remedy {
        Some(remedy) => format!("{}: {}; {remedy}", fault.reason, fault.message),
        None => format!("{}: {}", fault.reason, fault.message),
    };
    let status = match fault.code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    };
    let mut response = plain(status, line);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = fault.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// One line as the answer.
pub(super) fn plain(status: StatusCode, line: impl Into<String>) -> Response<Body> {
    respond(status, format!("{}\n", text::line(line.into().trim_end())))
}

/// A text that is complete.
pub(super) fn respond(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(text));
    *response.status_mut() = status;
    response
}
