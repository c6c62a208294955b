//! The stage of the gateway's stories: one process with the real services, a link to each that breaks down as a story
//! wants, and gateways with clients that speak raw JSON lines.
//!
//! [`TestEnv`] has it all; [`FaultProxy`] is a link; [`TestStack`] the services, to which a story may also speak directly.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness that fails ends the test with the reason"
)]

mod client;
mod env;
mod fault_proxy;
mod recorder;
mod test_stack;
mod waiting;

pub use client::Client;
pub use env::{EnvBuilder, TestEnv, gateway_without_services};
pub use fault_proxy::{FaultMode, FaultProxy};
pub use test_stack::{OtherClient, TestStack};
pub use waiting::{TIMEOUT, until, within};
