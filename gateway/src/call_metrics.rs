//! What is measured of every MCP request: how long it took and how it ended.
//!
//! Both labels come from closed sets: the protocol's methods and the six tools, never what a client writes.

use std::time::Instant;

use metrics::{counter, gauge, histogram};
use rmcp::model::CallToolResult;

use crate::tools;

/// A method that the gateway does not have.
pub(crate) const OTHER: &str = "other";

/// A request on its way. One that is dropped unanswered was refused by the protocol's rules.
pub(crate) struct RequestTimer {
    method: &'static str,
    tool: &'static str,
    started: Instant,
    outcome: &'static str,
}

impl RequestTimer {
    /// A request other than a call of a tool.
    pub(crate) fn start(method: &'static str) -> Self {
        Self::start_tool(method, "")
    }

    /// A call of this tool, which is one of the six.
    pub(crate) fn start_tool(method: &'static str, tool: &'static str) -> Self {
        Self {
            method,
            tool,
            started: Instant::now(),
            outcome: "refused",
        }
    }

    /// It has an answer.
    pub(crate) fn record_ok<T>(mut self, answer: T) -> T {
        self.outcome = "ok";
        answer
    }

    /// The tool has an answer, or an error for the model to read.
    pub(crate) fn record_result(mut self, result: CallToolResult) -> CallToolResult {
        let failed = result.is_error == Some(true);
        self.outcome = if failed { "error" } else { "ok" };
        result
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        let labels = [("method", self.method), ("tool", self.tool)];
        histogram!("shim_mcp_operation_duration_seconds", &labels).record(self.started.elapsed());
        let [method, tool] = labels;
        let labels = [method, tool, ("outcome", self.outcome)];
        counter!("shim_mcp_operations_total", &labels).increment(1);
    }
}

/// Shows the calls of each tool from the start, so that the first one is seen as an increase, and that no session is open.
pub(crate) fn register_at_zero() {
    gauge!("shim_mcp_sessions").set(0.0);
    for tool in tools::SPECS {
        let tool = tool.name();
        for outcome in ["ok", "error"] {
            let labels = [
                ("method", "tools/call"),
                ("tool", tool),
                ("outcome", outcome),
            ];
            counter!("shim_mcp_operations_total", &labels).increment(0);
        }
    }
}
