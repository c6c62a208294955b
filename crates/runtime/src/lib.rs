//! What every SHIM process shares; what only one of them needs is in its own crate.
//!
//! [`settings`] are gathered once and passed down, [`config`] on top of everything; a process begins and ends with
//! [`lifecycle`], serves with [`server`], calls with [`client`] and fails with [`service_error`].

pub mod auth;
pub mod background;
pub mod backoff;
mod body_hook;
pub mod client;
pub mod client_process;
mod codes;
pub mod config;
mod contract;
pub mod conversation;
pub mod data_dir;
mod doubles;
pub mod error_table;
pub mod fields;
mod file_fingerprint;
pub mod files;
pub mod free_form;
pub mod git;
pub mod ids;
pub mod json_text;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod probes;
pub mod process;
pub mod process_exit;
pub mod redact;
pub mod rpc;
pub mod server;
pub mod service;
pub mod service_error;
pub mod settings;
pub mod stack;
pub mod sync;
pub mod task_payloads;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod worker_processes;
pub mod workspace;
