//! What every SHIM process shares, and nothing that only one of them needs.
//!
//! Configuration is gathered once and injected; a process starts with [`lifecycle`], serves through
//! [`server`], calls through [`client`], and speaks of failures in the words of [`fault`].

pub mod auth;
pub mod client;
mod codes;
pub mod config;
mod contract;
pub mod fault;
pub mod fields;
mod file_mark;
pub mod free_form;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod probes;
pub mod process;
pub mod redact;
pub mod rpc;
pub mod server;
pub mod stack;
pub mod telemetry;
pub mod tls;
pub mod trace;
mod watched;
pub mod words;
pub mod workspace;
