//! What callers of the file leases pass and get.

use std::time::Duration;

use shim_proto::coordination::v1::FileLease;

use crate::domain::leases::{Conflict, LeaseSpec};
use crate::fence::Fence;

/// The bus channel of leases that are given back.
pub const RELEASED: &str = "files:released";

/// Asks for a lease.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The namespace of the lease.
    pub workspace: String,
    /// The files, and their holder.
    pub spec: LeaseSpec,
    /// The purpose, as other callers see it.
    pub purpose: String,
    /// How long the lease lives unless it is renewed.
    pub ttl: Duration,
    /// The lock that must be held in the workspace, with its token.
    pub fence: Option<Fence>,
}

/// The outcome of an acquisition.
#[derive(Debug)]
pub enum LeaseOutcome {
    /// All files are leased.
    Leased(FileLease),
    /// No file is leased; these leases are in the way.
    Held(Vec<Conflict>),
}
