//! What every SHIM process shares, and nothing that only one of them needs.
//!
//! Configuration is gathered once and injected; a process starts with [`lifecycle`], serves through
//! [`server`], calls through [`client`], and speaks of failures in the words of [`service_error`].

pub mod auth;
pub mod background;
pub mod backoff;
mod body_hook;
pub mod client;
mod codes;
pub mod config;
mod contract;
pub mod error_table;
pub mod fields;
mod file_fingerprint;
pub mod free_form;
pub mod ids;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod probes;
pub mod process;
pub mod redact;
pub mod rpc;
pub mod server;
pub mod service;
pub mod service_error;
pub mod stack;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod workspace;
