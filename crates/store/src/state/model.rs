//! What callers of the state pass and get.

use std::time::Duration;

use prost_types::Struct;
use shim_proto::coordination::v1::{StateChangeKind, StateEntry};

use crate::fence::Fence;
use crate::idempotency::IdempotencyKey;

/// The bus channel of every change.
pub const UPDATED: &str = "state:updated";
/// The largest entry, in bytes: names and values of its fields together.
pub const MAX_ENTRY_BYTES: usize = 1_048_576;
/// Fields of one entry.
pub const MAX_FIELDS: usize = 1_000;

/// Names an entry.
#[derive(Debug, Clone)]
pub struct StateRef {
    /// The entry's namespace.
    pub namespace: String,
    /// The entry's key in its namespace.
    pub key: String,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// `None`: any version; 0: there is no entry.
    pub expected_version: Option<u64>,
    /// The lock that must be held in the entry's namespace, with its token.
    pub fence: Option<Fence>,
}

/// What every write of an entry names.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The request, which writes once.
    pub idempotency_key: IdempotencyKey,
    /// The entry.
    pub state_ref: StateRef,
    /// What must hold.
    pub conditions: Conditions,
    /// The writer's name, as watchers and readers see it; a deletion needs none.
    pub writer: String,
}

/// Single fields to change.
#[derive(Debug)]
pub struct Patch {
    /// Fields to write; the others stay.
    pub set: Struct,
    /// Names of fields to remove, unless `set` has them too.
    pub remove: Vec<String>,
    /// Whether to make the entry if there is none; expecting version 0 does so, too.
    pub create_if_missing: bool,
    /// The entry's lifetime from now on; `None`: its end stays.
    pub ttl: Option<Duration>,
    /// The lifetime of a new entry, if `ttl` is `None`.
    pub default_ttl: Duration,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The entry's new version.
    pub version: u64,
    /// When the entry ends, in milliseconds of Unix time, by Redis's clock.
    pub expires_ms: i64,
}

/// A page of entries.
#[derive(Debug)]
pub struct Page {
    /// Every change up to this version is in the page, perhaps later ones.
    pub version: u64,
    /// The entries in the order of their keys.
    pub entries: Vec<StateEntry>,
    /// The key that the next page begins after; `None` at the end.
    pub next: Option<String>,
}

/// A change in a namespace's history.
#[derive(Debug)]
pub struct Change {
    /// The version that the change made, which is its position in the history.
    pub version: u64,
    /// What happened.
    pub kind: StateChangeKind,
    /// The key of the changed entry.
    pub key: String,
}
