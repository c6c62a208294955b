//! What a generation is given: what it is asked for, what it works with, who hears of it.

use std::time::Duration;

use shim_proto::evolution::v1::FunctionTests;
use tokio_util::sync::CancellationToken;

use crate::test_runs::TestRuns;
use crate::tool_host::{ProgressSink, ToolHost};

/// What a generation is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Only these files and folders, relative to the folder that was asked for; empty for all.
    pub(crate) include: Vec<String>,
    /// The most functions.
    pub(crate) max_functions: usize,
    /// The seed of all random choices.
    pub(crate) seed: u64,
    /// How long one run of the whole suite may take.
    pub(crate) run_limit: Duration,
}

/// What a generation works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tools<'a> {
    /// The compiler's host.
    pub(crate) host: &'a ToolHost,
    /// The user's runner.
    pub(crate) runs: &'a TestRuns,
    /// Where it says how far it is.
    pub(crate) progress: &'a ProgressSink,
    /// Ends it.
    pub(crate) cancel: &'a CancellationToken,
}

/// Gets each function once it is done.
pub(super) type OnFunction<'a> = &'a (dyn Fn(FunctionTests) + Send + Sync);
