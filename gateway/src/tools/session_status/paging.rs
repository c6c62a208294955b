//! How many entries a view lists.

use crate::tools::call::ToolCall;

const DEFAULT_LIMIT: u64 = 10;

/// The limit that the call gives, or the default.
pub(super) fn limit(call: &ToolCall) -> i32 {
    limit_or(call, DEFAULT_LIMIT)
}

/// The limit that the call gives, or another default.
pub(super) fn limit_or(call: &ToolCall, default: u64) -> i32 {
    let limit = call.arguments.integer("limit").unwrap_or(default);
    i32::try_from(limit).unwrap_or(i32::MAX)
}
