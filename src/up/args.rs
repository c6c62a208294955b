//! What `shim up` takes.

use std::time::Duration;

/// How the stack runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// TCP address, beside the Unix socket; callers there show the token of the data folder [default: none]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Start in the background and return when it serves
    #[arg(long)]
    pub(super) detach: bool,
    /// Stop after this long without a call or an open stream, for example 15m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) idle_exit: Option<Duration>,
    /// Leave the terminal and log to DATA_DIR/shim.log: how gateways start the stack
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) detached: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim up                      in the foreground; Ctrl-C stops it
  shim up --detach             in the background; `shim down` stops it
  shim --data-dir ~/try up     another stack beside the usual one";
