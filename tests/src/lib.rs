//! The harness of the whole-system tests: it starts the real `shim` binary on a throw-away folder, speaks to it as
//! its clients do, and kills it as a machine does. The suites that kill and the benchmarks are built on it.
//!
//! It waits on health checks and answers, never on a guess of how long something takes.
#![expect(
    clippy::expect_used,
    reason = "a harness that cannot go on ends the test with the reason"
)]

pub mod bench;
pub mod binary;
pub mod calls;
pub mod census;
pub mod chaos;
pub mod claude;
pub mod coordination;
pub mod mcp;
pub mod mount;
pub mod node;
pub mod process;
pub mod proxy;
pub mod python;
pub mod raw;
pub mod rng;
pub mod sample_content;
pub mod scrape;
pub mod service;
pub mod tasks;
pub mod temp_env;
