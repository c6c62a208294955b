//! What the whole system promises, told as stories against the real binary, one module each.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod command_line;
mod coordination;
mod crash_suite;
mod deploy;
mod faults;
mod live;
mod local_stack;
mod manual;
mod mcp_clients;
mod metrics;
mod names;
mod observability;
mod operations;
mod overload;
mod recovery;
mod reflection;
mod security;
mod session_tasks;
mod standard_streams;
mod structure;
mod tasks;
mod teamwork;
mod topology;
mod tracing;
