//! The spans of MCP requests. A trace begins here unless the client has begun one.
//!
//! Names and attributes are those of OpenTelemetry's conventions for MCP and for generative AI. Arguments and results
//! belong to the client and are never recorded.

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use shim_runtime::trace::{KeyValue, Span, TARGET, TraceContext};

/// The span of a request, below the client's if the request names it. `target` is the name of the tool, from a closed
/// set.
pub(crate) fn of_request(
    context: &RequestContext<RoleServer>,
    method: &'static str,
    target: Option<&str>,
) -> Span {
    let parent = context.meta.get_traceparent().and_then(TraceContext::parse);
    Span::begin(parent, || {
        let name = target.map(|target| format!("{method} {target}"));
        let is_http = context.extensions.get::<http::request::Parts>().is_some();
        let version = context.protocol_version();
        tracing::info_span!(
            target: TARGET,
            parent: None,
            "mcp",
            otel.name = name.as_deref().unwrap_or(method),
            otel.kind = "server",
            mcp.method.name = method,
            network.transport = if is_http { "tcp" } else { "pipe" },
            mcp.protocol.version = version.map(|version| version.to_string()),
        )
    })
}

/// Adds the attributes of a tool call.
pub(crate) fn describe_tool(span: &mut Span, name: &str) {
    span.describe(|| {
        [
            KeyValue::new("gen_ai.tool.name", name.to_owned()),
            KeyValue::new("gen_ai.operation.name", "execute_tool"),
        ]
    });
}
