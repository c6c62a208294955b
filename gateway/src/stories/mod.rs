//! The gateway as a client sees it: raw JSON lines over a pipe, with a stand-in for the checkpoint service behind it.
//!
//! The stand-in keeps the contract where the gateway depends on it: epochs, streams, refusals. The real service is
//! driven by the tests of the whole system.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod eras;
mod http;
mod mistakes;
mod ownership;
mod reading;
mod service;
