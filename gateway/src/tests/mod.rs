//! The gateway as a client sees it: raw JSON lines over a pipe, with stand-ins for the services behind it.
//!
//! The stand-ins keep the contract where the gateway depends on it: epochs, streams, inboxes, refusals. The real
//! services are driven by the tests of the whole system.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_arguments;
mod client;
mod fake_checkpoint;
mod fake_coordination;
mod http;
mod messages;
mod ownership;
mod protocol_versions;
mod read_only;
mod readiness;
mod tasks;
mod worker_tasks;
mod workers;
