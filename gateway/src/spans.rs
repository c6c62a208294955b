//! The spans of MCP requests: where a trace begins, unless the client has begun one.
//!
//! Names and attributes are those of OpenTelemetry's conventions for MCP and for generative AI. Arguments and answers
//! are the client's business and never part of a span.

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use shim_runtime::trace::{KeyValue, Span, SpanKind, TraceContext};

/// The span of a request, below the client's if the request names one. `target` is what is asked for, from a closed set.
pub(crate) fn of_request(
    context: &RequestContext<RoleServer>,
    method: &'static str,
    target: Option<&str>,
) -> Span {
    let parent = context.meta.get_traceparent().and_then(TraceContext::parse);
    let mut span = Span::begin(parent, SpanKind::Server, || match target {
        Some(target) => format!("{method} {target}").into(),
        None => method.into(),
    });
    span.describe(|| {
        let is_http = context.extensions.get::<http::request::Parts>().is_some();
        let mut attributes = vec![
            KeyValue::new("mcp.method.name", method),
            KeyValue::new("network.transport", if is_http { "tcp" } else { "pipe" }),
        ];
        if let Some(version) = context.protocol_version() {
            attributes.push(KeyValue::new("mcp.protocol.version", version.to_string()));
        }
        attributes
    });
    span
}

/// Adds what is known of a call of a tool.
pub(crate) fn describe_tool(span: &mut Span, name: &str) {
    span.describe(|| {
        [
            KeyValue::new("gen_ai.tool.name", name.to_owned()),
            KeyValue::new("gen_ai.operation.name", "execute_tool"),
        ]
    });
}
