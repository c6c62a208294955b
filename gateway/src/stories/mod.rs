//! The gateway as a client sees it: raw JSON lines over a pipe, with stand-ins for the services behind it.
//!
//! The stand-ins keep the contract where the gateway depends on it: epochs, streams, inboxes, refusals. The real
//! services are driven by the tests of the whole system.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod coordination;
mod eras;
mod http;
mod messages;
mod mistakes;
mod ownership;
mod readiness;
mod reading;
mod service;
mod tasks;
mod work;
mod workers;
