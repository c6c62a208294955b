//! gRPC's status codes: their names, and where a code stands in an answer
//! (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).

use http::HeaderMap;
use tonic::Code;

/// The header or trailer of the code.
pub(crate) const GRPC_STATUS: &str = "grpc-status";

/// The number of codes.
pub(crate) const COUNT: usize = 17;

/// The names, in the order of their numbers.
const NAMES: [&str; COUNT] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name in the notation of gRPC.
pub(crate) fn name(code: Code) -> &'static str {
    NAMES[code as usize]
}

/// The code of an answer: in its trailers, or in its headers if there is nothing between them.
pub(crate) fn status_of(headers: &HeaderMap) -> Option<Code> {
    let status = headers.get(GRPC_STATUS)?;
    Some(Code::from_bytes(status.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_have_the_names_of_grpc() {
        for (number, name) in NAMES.iter().enumerate() {
            let code = Code::from_i32(i32::try_from(number).unwrap());
            assert_eq!(code as usize, number);
            let ours = name.replace('_', "").to_lowercase();
            assert_eq!(format!("{code:?}").to_lowercase(), ours);
        }
    }

    #[test]
    fn the_code_is_read_from_the_grpc_header_alone() {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-message", "8".parse().unwrap());
        assert_eq!(status_of(&headers), None);
        headers.insert(GRPC_STATUS, "8".parse().unwrap());
        assert_eq!(status_of(&headers), Some(Code::ResourceExhausted));
    }
}
