//! Stories of workers: the programs they run, and the service over a real Redis and real gRPC.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod executor;
mod service;
