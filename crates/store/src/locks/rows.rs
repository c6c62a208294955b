//! Locks as scripts answer them.

use serde::Deserialize;
use shim_proto::coordination::v1::Lock;
use shim_runtime::ids::FencingToken;

use super::model::{AcquireRequest, LockRef};
use crate::clock::timestamp;
use crate::script_values::as_text;

/// A granted lock, as `grant_lock` answers it.
#[derive(Deserialize)]
pub(super) struct GrantedFields {
    #[serde(with = "as_text")]
    token: FencingToken,
    #[serde(with = "as_text")]
    since_ms: i64,
    #[serde(with = "as_text")]
    expires_ms: i64,
}

impl GrantedFields {
    pub(super) fn lock(self, request: &AcquireRequest) -> Lock {
        let held = HeldFields {
            token: self.token,
            owner: request.owner.clone(),
            purpose: request.purpose.clone(),
            since_ms: self.since_ms,
            expires_ms: self.expires_ms,
        };
        held.lock(&request.lock_ref)
    }
}

/// A held lock.
#[derive(Deserialize)]
pub(super) struct HeldFields {
    #[serde(with = "as_text")]
    token: FencingToken,
    owner: String,
    purpose: String,
    #[serde(with = "as_text")]
    since_ms: i64,
    #[serde(with = "as_text")]
    expires_ms: i64,
}

impl HeldFields {
    pub(super) fn lock(self, lock_ref: &LockRef) -> Lock {
        Lock {
            namespace: lock_ref.namespace.clone(),
            name: lock_ref.name.clone(),
            owner: self.owner,
            purpose: self.purpose,
            fencing_token: self.token.0,
            acquired_at: Some(timestamp(self.since_ms)),
            expires_at: Some(timestamp(self.expires_ms)),
        }
    }
}
