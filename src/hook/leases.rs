//! Whether another session leases a file that a tool is about to write.

use shim_claude_code::hook_input::HookInput;

use super::reply::Reply;
use super::stack::HookStack;

/// What is said about the files of a tool call. A file that nobody leases is nobody's, and a service that is away or late
/// keeps no tool from running.
pub(super) async fn check(_stack: &HookStack, _input: &HookInput, _session_id: &str) -> Reply {
    Reply::Nothing
}
