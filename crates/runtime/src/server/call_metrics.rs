//! The metrics of every call: its duration, its end, how many are open and why some were refused.
//!
//! Series are those of the contract's methods, whatever path a caller sends. A method's series are looked up once;
//! after that a call costs two looks at the clock and a few atomic additions. Nothing is measured in a process that shows no metrics.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use shim_proto::reasons;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::service_error::decode;
use crate::{codes, contract};

const UNKNOWN: &str = "unknown";

/// The series of all methods. Clones share them.
#[derive(Clone)]
pub(super) struct CallMetrics(Option<Arc<ServerSeries>>);

struct ServerSeries {
    methods: HashMap<String, Arc<MethodSeries>>,
    unknown: Arc<MethodSeries>,
    open: Gauge,
}

/// A method's series, each made with its first value: most methods never end in most codes.
struct MethodSeries {
    service: String,
    name: String,
    duration: OnceLock<Histogram>,
    responses: [OnceLock<Counter>; codes::COUNT],
}

impl CallMetrics {
    /// The metrics of a server with these services, if the process shows metrics.
    pub(super) fn of(services: &[&str]) -> Self {
        Self(crate::metrics::is_enabled().then(|| Arc::new(ServerSeries::of(services))))
    }

    /// Begins a call that is open until the returned value is dropped.
    pub(super) fn begin(&self, path: &str) -> CallMeasurement {
        CallMeasurement(self.0.as_ref().map(|series| {
            series.open.increment(1.0);
            InFlight {
                method: Arc::clone(series.methods.get(path).unwrap_or(&series.unknown)),
                open: series.open.clone(),
                begun: Instant::now(),
                code: Code::Cancelled,
            }
        }))
    }
}

impl ServerSeries {
    fn of(services: &[&str]) -> Self {
        let open = gauge!("shim_rpc_server_in_flight");
        open.set(0.0);
        let methods: HashMap<_, _> = contract::methods()
            .map(|(service, name)| {
                let path = format!("/{service}/{name}");
                (path, Arc::new(MethodSeries::new(service, name)))
            })
            .collect();
        let served = |method: &&Arc<MethodSeries>| services.contains(&method.service.as_str());
        for method in methods.values().filter(served) {
            method.responses(Code::Ok).increment(0);
        }
        Self {
            methods,
            unknown: Arc::new(MethodSeries::new(UNKNOWN.into(), UNKNOWN.into())),
            open,
        }
    }
}

impl MethodSeries {
    fn new(service: String, name: String) -> Self {
        Self {
            service,
            name,
            duration: OnceLock::new(),
            responses: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    fn labels(&self) -> [(&'static str, String); 2] {
        [
            ("rpc_service", self.service.clone()),
            ("rpc_method", self.name.clone()),
        ]
    }

    fn duration(&self) -> &Histogram {
        self.duration
            .get_or_init(|| histogram!("shim_rpc_server_duration_seconds", &self.labels()))
    }

    fn responses(&self, code: Code) -> &Counter {
        let number = code as usize;
        self.responses[number].get_or_init(|| {
            let [service, method] = self.labels();
            let code = ("code", codes::name(code).to_owned());
            counter!("shim_rpc_server_requests_total", &[service, method, code])
        })
    }
}

/// One call, from its arrival to the last byte of its answer.
pub(super) struct CallMeasurement(Option<InFlight>);

struct InFlight {
    method: Arc<MethodSeries>,
    open: Gauge,
    begun: Instant,
    /// The code as far as it is known: a caller that leaves before the end has cancelled.
    code: Code,
}

impl CallMeasurement {
    /// The answer begins. A call without a message ends with it, else the end comes in the trailers.
    pub(super) fn record_response(&mut self, answer: &Response<Body>) {
        let Some(measured) = &mut self.0 else { return };
        let duration = measured.begun.elapsed();
        measured.method.duration().record(duration);
        if let Some(code) = codes::status_of(answer.headers()) {
            measured.code = code;
            if let Some(reason) = refusal_reason(code, answer.headers()) {
                counter!("shim_rpc_server_refused_total", "reason" => reason).increment(1);
            }
        }
    }

    /// A frame of the answer goes out; the trailers come last.
    pub(super) fn record_frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(measured) = &mut self.0
            && let Some(code) = frame.trailers_ref().and_then(codes::status_of)
        {
            measured.code = code;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.open.decrement(1.0);
        self.method.responses(self.code).increment(1);
    }
}

/// Why a call was turned away, if it was and not just failed.
fn refusal_reason(code: Code, headers: &HeaderMap) -> Option<&'static str> {
    if !matches!(
        code,
        Code::Unauthenticated | Code::PermissionDenied | Code::ResourceExhausted
    ) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    match decode(&status).reason.as_str() {
        reasons::TOKEN_REFUSED | reasons::TOKEN_EXPIRED => Some("token"),
        reasons::ROLE_REFUSED => Some("role"),
        reasons::TOO_FAST => Some("rate"),
        reasons::OVERLOADED => Some("overload"),
        reasons::MESSAGE_TOO_LARGE => Some("size"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::service_error::ServiceError;

    const SAVE: &str = "/shim.checkpoint.v1.CheckpointService/SaveCheckpoint";

    /// What Prometheus would see after these calls.
    fn exposition(calls: impl FnOnce(&CallMetrics)) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            calls(&CallMetrics(Some(Arc::new(ServerSeries::of(&[])))));
        });
        handle.render()
    }

    fn refused(reason: &'static str, code: Code) -> Response<Body> {
        let error = ServiceError {
            code,
            reason,
            message: "no".into(),
            remedy: None,
            retry_after: None,
        };
        Status::from(error).into_http()
    }

    fn trailers(code: Code) -> Frame<Bytes> {
        let mut headers = HeaderMap::new();
        headers.insert(codes::GRPC_STATUS, (code as i32).into());
        Frame::trailers(headers)
    }

    #[test]
    fn a_call_is_open_until_its_answer_is_sent_and_ends_with_the_code_of_its_trailers() {
        let text = exposition(|metrics| {
            let mut served = metrics.begin(SAVE);
            served.record_response(&Response::new(Body::empty()));
            served.record_frame(&Frame::data(Bytes::new()));
            served.record_frame(&trailers(Code::Ok));
            drop(served);
            let mut broken = metrics.begin(SAVE);
            broken.record_response(&Response::new(Body::empty()));
            broken.record_frame(&trailers(Code::Unavailable));
            drop(broken);
            drop(metrics.begin(SAVE));
            std::mem::forget(metrics.begin(SAVE));
        });
        let method =
            "rpc_service=\"shim.checkpoint.v1.CheckpointService\",rpc_method=\"SaveCheckpoint\"";
        for code in ["OK", "UNAVAILABLE", "CANCELLED"] {
            let line = format!("shim_rpc_server_requests_total{{{method},code=\"{code}\"}} 1\n");
            assert!(text.contains(&line), "{code}: {text}");
        }
        assert!(text.contains("shim_rpc_server_in_flight 1\n"), "{text}");
        let timed = format!("shim_rpc_server_duration_seconds_count{{{method}}} 2\n");
        assert!(text.contains(&timed), "{text}");
    }

    #[test]
    fn a_refusal_is_counted_by_its_reason_and_an_error_is_none() {
        let text = exposition(|metrics| {
            for (reason, code) in [
                ("TOKEN_REFUSED", Code::Unauthenticated),
                ("TOKEN_EXPIRED", Code::Unauthenticated),
                ("ROLE_REFUSED", Code::PermissionDenied),
                ("TOO_FAST", Code::ResourceExhausted),
                ("DISK_FULL", Code::ResourceExhausted),
                ("BAD_REQUEST", Code::InvalidArgument),
            ] {
                metrics.begin(SAVE).record_response(&refused(reason, code));
            }
        });
        for (reason, times) in [("token", 2), ("role", 1), ("rate", 1)] {
            let line = format!("shim_rpc_server_refused_total{{reason=\"{reason}\"}} {times}\n");
            assert!(text.contains(&line), "{reason}: {text}");
        }
        assert_eq!(text.matches("shim_rpc_server_refused_total{").count(), 3);
    }

    #[test]
    fn unknown_paths_share_one_series() {
        let text = exposition(|metrics| {
            for number in 0..1_000 {
                let mut call = metrics.begin(&format!("/shim.made.up.V{number}/Method"));
                call.record_response(&refused("", Code::Unimplemented));
            }
        });
        let responses: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("shim_rpc_server_requests_total{"))
            .collect();
        assert_eq!(
            responses,
            [
                "shim_rpc_server_requests_total{rpc_service=\"unknown\",rpc_method=\"unknown\",code=\"UNIMPLEMENTED\"} 1000"
            ]
        );
    }
}
