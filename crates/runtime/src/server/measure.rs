//! What is measured of every call: its duration, its end, how many are open and why some were refused.
//!
//! Series are those of the contract's methods, whatever paths strangers ask for. A method's series are looked up once;
//! after that a call costs two looks at the clock and a few atomic additions. Nothing is measured in a process that shows no metrics.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::fault::explain;
use crate::{codes, contract};

const UNKNOWN: &str = "unknown";

/// The series of all methods. Clones share them.
#[derive(Clone)]
pub(super) struct Measures(Option<Arc<Series>>);

struct Series {
    methods: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
    open: Gauge,
}

/// A method's series, each made with its first value: most methods never end in most codes.
struct Method {
    service: String,
    name: String,
    duration: OnceLock<Histogram>,
    answers: [OnceLock<Counter>; codes::COUNT],
}

impl Measures {
    /// What is measured in this process, if it shows metrics. `services` are those that it serves.
    pub(super) fn of(services: &[&str]) -> Self {
        Self(crate::metrics::are_on().then(|| Arc::new(Series::of(services))))
    }

    /// A call arrived. It is open until what this returns is dropped.
    pub(super) fn begin(&self, path: &str) -> Call {
        Call(self.0.as_ref().map(|series| {
            series.open.increment(1.0);
            Measured {
                method: Arc::clone(series.methods.get(path).unwrap_or(&series.unknown)),
                open: series.open.clone(),
                begun: Instant::now(),
                code: Code::Cancelled,
            }
        }))
    }
}

impl Series {
    fn of(services: &[&str]) -> Self {
        let open = gauge!("shim_rpc_server_in_flight");
        open.set(0.0);
        let methods: HashMap<_, _> = contract::methods()
            .map(|(service, name)| {
                let path = format!("/{service}/{name}");
                (path, Arc::new(Method::new(service, name)))
            })
            .collect();
        let served = |method: &&Arc<Method>| services.contains(&method.service.as_str());
        for method in methods.values().filter(served) {
            method.answers(Code::Ok).increment(0);
        }
        Self {
            methods,
            unknown: Arc::new(Method::new(UNKNOWN.into(), UNKNOWN.into())),
            open,
        }
    }
}

impl Method {
    fn new(service: String, name: String) -> Self {
        Self {
            service,
            name,
            duration: OnceLock::new(),
            answers: std::array::from_fn(|_| OnceLock::new()),
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

    fn answers(&self, code: Code) -> &Counter {
        let number = code as usize;
        self.answers[number].get_or_init(|| {
            let [service, method] = self.labels();
            let code = ("code", codes::name(code).to_owned());
            counter!("shim_rpc_server_requests_total", &[service, method, code])
        })
    }
}

/// One call, from its arrival to the last byte of its answer.
pub(super) struct Call(Option<Measured>);

struct Measured {
    method: Arc<Method>,
    open: Gauge,
    begun: Instant,
    /// As far as it is known: whoever leaves before the end has cancelled.
    code: Code,
}

impl Call {
    /// The answer begins. A call without a message ends with it, else the end comes in the trailers.
    pub(super) fn answered(&mut self, answer: &Response<Body>) {
        let Some(measured) = &mut self.0 else { return };
        let duration = measured.begun.elapsed();
        measured.method.duration().record(duration);
        if let Some(code) = codes::told_in(answer.headers()) {
            measured.code = code;
            if let Some(reason) = refusal(code, answer.headers()) {
                counter!("shim_rpc_server_refused_total", "reason" => reason).increment(1);
            }
        }
    }

    /// A frame of the answer goes out; the trailers come last.
    pub(super) fn sent(&mut self, frame: &Frame<Bytes>) {
        if let Some(measured) = &mut self.0
            && let Some(code) = frame.trailers_ref().and_then(codes::told_in)
        {
            measured.code = code;
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.open.decrement(1.0);
        self.method.answers(self.code).increment(1);
    }
}

/// Why a call was turned away, if it was and not just failed.
fn refusal(code: Code, headers: &HeaderMap) -> Option<&'static str> {
    if !matches!(
        code,
        Code::Unauthenticated | Code::PermissionDenied | Code::ResourceExhausted
    ) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    match explain(&status).reason.as_str() {
        "TOKEN_REFUSED" | "TOKEN_EXPIRED" => Some("token"),
        "ROLE_REFUSED" => Some("role"),
        "TOO_FAST" => Some("rate"),
        "OVERLOADED" => Some("overload"),
        "MESSAGE_TOO_LARGE" => Some("size"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::fault::Fault;

    const SAVE: &str = "/shim.checkpoint.v1.CheckpointService/SaveCheckpoint";

    /// What Prometheus would see after these calls.
    fn told(calls: impl FnOnce(&Measures)) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            calls(&Measures(Some(Arc::new(Series::of(&[])))));
        });
        handle.render()
    }

    fn refused(reason: &'static str, code: Code) -> Response<Body> {
        let fault = Fault {
            code,
            reason,
            message: "no".into(),
            remedy: None,
            retry_after: None,
        };
        Status::from(fault).into_http()
    }

    fn trailers(code: Code) -> Frame<Bytes> {
        let mut headers = HeaderMap::new();
        headers.insert(codes::GRPC_STATUS, (code as i32).into());
        Frame::trailers(headers)
    }

    #[test]
    fn a_call_is_open_until_its_answer_is_sent_and_ends_with_the_code_of_its_trailers() {
        let text = told(|measures| {
            let mut served = measures.begin(SAVE);
            served.answered(&Response::new(Body::empty()));
            served.sent(&Frame::data(Bytes::new()));
            served.sent(&trailers(Code::Ok));
            drop(served);
            let mut broken = measures.begin(SAVE);
            broken.answered(&Response::new(Body::empty()));
            broken.sent(&trailers(Code::Unavailable));
            drop(broken);
            drop(measures.begin(SAVE));
            std::mem::forget(measures.begin(SAVE));
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
        let text = told(|measures| {
            for (reason, code) in [
                ("TOKEN_REFUSED", Code::Unauthenticated),
                ("TOKEN_EXPIRED", Code::Unauthenticated),
                ("ROLE_REFUSED", Code::PermissionDenied),
                ("TOO_FAST", Code::ResourceExhausted),
                ("DISK_FULL", Code::ResourceExhausted),
                ("BAD_REQUEST", Code::InvalidArgument),
            ] {
                measures.begin(SAVE).answered(&refused(reason, code));
            }
        });
        for (reason, times) in [("token", 2), ("role", 1), ("rate", 1)] {
            let line = format!("shim_rpc_server_refused_total{{reason=\"{reason}\"}} {times}\n");
            assert!(text.contains(&line), "{reason}: {text}");
        }
        assert_eq!(text.matches("shim_rpc_server_refused_total{").count(), 3);
    }

    #[test]
    fn paths_that_strangers_make_up_share_one_series() {
        let text = told(|measures| {
            for number in 0..1_000 {
                let mut call = measures.begin(&format!("/shim.made.up.V{number}/Method"));
                call.answered(&refused("", Code::Unimplemented));
            }
        });
        let answers: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("shim_rpc_server_requests_total{"))
            .collect();
        assert_eq!(
            answers,
            [
                "shim_rpc_server_requests_total{rpc_service=\"unknown\",rpc_method=\"unknown\",code=\"UNIMPLEMENTED\"} 1000"
            ]
        );
    }
}
