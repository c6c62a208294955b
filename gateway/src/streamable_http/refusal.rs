//! Refusals in the words of HTTP.

use http::{HeaderValue, Response, StatusCode, header};
use shim_runtime::service_error::ServiceError;
use tonic::Code;
use tonic::body::Body;

/// An error as an answer of HTTP (RFC 9110, 10.2.3 and 11.6.1).
pub(super) fn refusal_response(fault: &ServiceError) -> Response<Body> {
    let text = match &fault.remedy {
        Some(remedy) => format!("{}: {}; {remedy}\n", fault.reason, fault.message),
        None => format!("{}: {}\n", fault.reason, fault.message),
    };
    let status = match fault.code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FORBIDDEN,
    };
    let mut response = plain(status, text);
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

pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    response
}
