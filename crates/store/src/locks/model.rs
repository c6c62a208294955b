//! What callers of the locks pass.

use std::time::Duration;

use shim_runtime::ids::FencingToken;

use crate::idempotency::IdempotencyKey;
use crate::keys::Slot;

/// The bus channel of every lock that is given back.
pub const RELEASED: &str = "lock:released";

/// Names a lock: its slot on the store's side, its names on the caller's.
#[derive(Debug, Clone)]
pub struct LockRef {
    /// The slot of the lock's keys.
    pub slot: Slot,
    /// The namespace as callers name it; empty for a service's own lock, which no caller sees.
    pub namespace: String,
    /// The lock's name in the slot.
    pub name: String,
}

impl LockRef {
    /// Whether callers share the lock. The metrics leave a service's own locks out: they say nothing about shared work.
    pub(super) fn is_shared(&self) -> bool {
        !self.namespace.is_empty()
    }

    /// The lock's key on the lock nodes.
    pub(super) fn redlock_key(&self) -> String {
        self.slot.item("redlock", &self.name)
    }

    /// Where the Redlock value of a released lock is kept, until no lock node can remember it.
    pub(super) fn released_key(&self) -> String {
        self.slot.item("redlock-left", &self.name)
    }
}

/// Asks for a lock.
#[derive(Debug, Clone)]
pub struct AcquireRequest {
    /// The request, which acquires once.
    pub idempotency_key: IdempotencyKey,
    /// The lock.
    pub lock_ref: LockRef,
    /// The name of the holder to be.
    pub owner: String,
    /// The purpose, as other callers see it.
    pub purpose: String,
    /// How long the lock is held unless it is renewed.
    pub ttl: Duration,
    /// For a service's own locks: acquires even if Redis is full.
    pub even_if_full: bool,
}

/// A caller's claim to hold a lock.
#[derive(Debug, Clone)]
pub struct LockOwnership {
    /// The owner that acquired the lock.
    pub owner: String,
    /// The fencing token that the lock was acquired with.
    pub token: FencingToken,
}
