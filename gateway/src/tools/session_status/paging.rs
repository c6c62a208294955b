//! How many entries a view lists.

use crate::tools::call::ToolCall;

const DEFAULT_LIMIT: u64 = 10;

/// The limit that the call gives, or the default.
pub(super) fn limit(call: &ToolCall) -> i32 {
    let limit = call.arguments.integer("limit").unwrap_or(DEFAULT_LIMIT);
    i32::try_from(limit).unwrap_or(i32::MAX)
}
