//! A collector that speaks OTLP over gRPC and keeps every span, for the stories to read.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A span arrives a second after its end; the processes may share two cores with many others.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(super) struct RecordedSpan {
    /// The process that recorded it.
    pub(super) service: String,
    pub(super) trace_id: String,
    pub(super) span_id: String,
    /// Empty for a root.
    pub(super) parent_id: String,
    pub(super) name: String,
    /// As in the protocol: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub(super) kind: i32,
    pub(super) attributes: HashMap<String, String>,
    /// The spans it points to.
    pub(super) links: Vec<String>,
    pub(super) is_error: bool,
}

impl RecordedSpan {
    fn new(resource: &HashMap<String, String>, span: &Span) -> Self {
        Self {
            service: resource["service.name"].clone(),
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_id: hex(&span.parent_span_id),
            name: span.name.clone(),
            kind: span.kind,
            attributes: texts(&span.attributes),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            is_error: span.status.as_ref().is_some_and(|status| status.code == 2),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> HashMap<String, String> {
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// A running collector. Dropping it stops it.
pub(super) struct Collector {
    endpoint: String,
    spans: watch::Receiver<Vec<RecordedSpan>>,
    serving: JoinHandle<()>,
}

struct SpanStore(watch::Sender<Vec<RecordedSpan>>);

#[tonic::async_trait]
impl TraceService for SpanStore {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let groups = request.into_inner().resource_spans;
        self.0
            .send_modify(|spans| spans.extend(groups.iter().flat_map(recorded)));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn recorded(group: &ResourceSpans) -> Vec<RecordedSpan> {
    let resource = texts(&group.resource.as_ref().unwrap().attributes);
    for name in [
        "service.version",
        "service.instance.id",
        "host.name",
        "process.pid",
    ] {
        assert!(resource.contains_key(name), "{resource:?}");
    }
    let spans = group.scope_spans.iter().flat_map(|scope| &scope.spans);
    spans
        .map(|span| RecordedSpan::new(&resource, span))
        .collect()
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, spans) = watch::channel(Vec::new());
        let serving = tokio::spawn(async move {
            let service = TraceServiceServer::new(SpanStore(sender));
            let server = Server::builder().add_service(service);
            let incoming = TcpIncoming::from(listener);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            endpoint,
            spans,
            serving,
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Everything that arrived.
    pub(super) fn all(&self) -> Trace {
        Trace(self.spans.borrow().clone())
    }

    /// The spans of a trace, as soon as each of `names` arrived.
    pub(super) async fn trace(&self, trace_id: &str, names: &[&str]) -> Trace {
        let mut spans = self.spans.clone();
        let of_trace = |spans: &[RecordedSpan]| -> Vec<RecordedSpan> {
            let spans = spans.iter().filter(|span| span.trace_id == trace_id);
            spans.cloned().collect()
        };
        let have_arrived = |spans: &Vec<RecordedSpan>| {
            let arrived = of_trace(spans);
            names
                .iter()
                .all(|name| arrived.iter().any(|span| span.name == *name))
        };
        let waited = tokio::time::timeout(TIMEOUT, spans.wait_for(have_arrived)).await;
        let trace = waited.map(|spans| Trace(of_trace(&spans.unwrap())));
        trace.unwrap_or_else(|_| {
            let arrived = Trace(of_trace(&self.spans.borrow()));
            panic!("of {names:?} only these arrived:\n{}", arrived.listed())
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The spans of one trace.
pub(super) struct Trace(pub(super) Vec<RecordedSpan>);

impl Trace {
    /// All spans with a name.
    pub(super) fn named(&self, name: &str) -> Vec<&RecordedSpan> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    /// The one span with a name that a service recorded.
    pub(super) fn only(&self, service: &str, name: &str) -> &RecordedSpan {
        let mut found = self.named(name);
        found.retain(|span| span.service == service);
        assert_eq!(found.len(), 1, "{name} of {service}:\n{}", self.listed());
        found[0]
    }

    /// A span by its id.
    pub(super) fn get(&self, span_id: &str) -> Option<&RecordedSpan> {
        self.0.iter().find(|span| span.span_id == span_id)
    }

    /// From a span up to the root, each as service and name.
    pub(super) fn ancestors<'a>(&'a self, mut span: &'a RecordedSpan) -> Vec<(&'a str, &'a str)> {
        let mut ancestors = vec![(span.service.as_str(), span.name.as_str())];
        while let Some(parent) = self.get(&span.parent_id) {
            ancestors.push((&parent.service, &parent.name));
            span = parent;
        }
        ancestors
    }

    pub(super) fn listed(&self) -> String {
        let line = |span: &RecordedSpan| {
            format!(
                "{} {} <- {} ({})\n",
                span.name, span.span_id, span.parent_id, span.service
            )
        };
        self.0.iter().map(line).collect()
    }
}
