//! The services behind the tools: one upstream for each endpoint, the local stack, and the only retry there is.
//!
//! A call that the transport lost is sent again with the very same request, so its `request_id` makes it take effect
//! once. A refusal that a service gave on purpose is not asked again, but for what `retry` lists.

mod connections;
mod local_stack;
mod retry;
mod rpcs;
mod upstream;

pub(crate) use connections::Services;
pub(crate) use retry::{is_connection_lost, is_unauthenticated};
pub(crate) use rpcs::request_id;
