//! The gateway as an MCP client sees it: raw JSON lines over a pipe, or HTTP, with the real services behind it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod bad_arguments;
mod http;
mod http_sessions;
mod messages;
mod ownership;
mod protocol_versions;
mod read_only;
mod readiness;
mod tasks;
mod worker_tasks;
mod workers;
