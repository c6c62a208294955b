//! Idempotency: a mutation happens once for its request's id, with a fingerprint of everything else in the request.
//!
//! A script records its answer under the id, next to its changes and in the same step; see `once` in the prelude.

use std::time::Duration;

use prost::Message;
use serde::Deserialize;
use uuid::Uuid;

use super::fence::Fence;
use super::reply::Reply;
use crate::error::Error;

/// How long an id is remembered. Clients send a lost request again within seconds.
pub(crate) const REQUEST_ID_TTL: Duration = Duration::from_secs(120);

/// An idempotency key with a fingerprint of its request.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// The key, remembered for two minutes.
    pub request_id: String,
    /// The request's content; another content under the same key is refused with `RequestIdReused`.
    pub fingerprint: String,
}

impl IdempotencyKey {
    /// A new key, for a request that this process sends once and never again.
    #[must_use]
    pub fn fresh() -> Self {
        Self::named(Uuid::now_v7().to_string())
    }

    /// The key of a request that SHIM itself sends, named by words that are the same in every process. A space in them
    /// keeps them apart from the ids of clients' requests, which have none.
    #[must_use]
    pub fn named(words: String) -> Self {
        Self {
            request_id: words,
            fingerprint: String::new(),
        }
    }

    /// The key of a client's request. The fingerprint covers the whole request, its id included, and its type: requests of
    /// two methods may have equal bytes.
    pub fn for_request<M: Message>(request_id: &str, request: &M) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(std::any::type_name::<M>().as_bytes());
        hasher.update(&[0]);
        hasher.update(&request.encode_to_vec());
        let hash = hasher.finalize().to_hex();
        Self {
            request_id: request_id.to_owned(),
            fingerprint: hash[..16].to_owned(),
        }
    }
}

/// The present holder of a lock, as a refusal names it; no field is set if the lock is free.
#[derive(Debug, Deserialize)]
pub(crate) struct HolderFields {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    owner: String,
}

impl HolderFields {
    /// The holder in the words of an error.
    pub(crate) fn describe(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(format!("{} with token {token}", self.owner))
    }
}

/// The refusals that any guarded mutation may give.
pub(crate) fn refusal(
    status: &str,
    reply: &mut Reply,
    fence: Option<&Fence>,
) -> Result<Error, Error> {
    Ok(match (status, fence) {
        ("REQUEST_ID_REUSED", _) => Error::RequestIdReused,
        ("STALE_FENCE", Some(fence)) => Error::StaleFence {
            lock: fence.lock.clone(),
            token: fence.token.0,
            holder: reply.fields::<HolderFields>()?.describe(),
        },
        _ => {
            tracing::error!(status, "a script refused in an unknown way");
            Error::Defect
        }
    })
}

#[cfg(test)]
mod tests {
    use shim_proto::coordination::v1::{GetLockRequest, GetStateRequest};

    use super::*;

    #[test]
    fn requests_of_two_methods_differ_even_if_their_bytes_do_not() {
        let lock = GetLockRequest {
            namespace: "n".to_owned(),
            name: "x".to_owned(),
        };
        let state = GetStateRequest {
            namespace: "n".to_owned(),
            key: "x".to_owned(),
        };
        assert_eq!(lock.encode_to_vec(), state.encode_to_vec());
        let (of_lock, of_state) = (
            IdempotencyKey::for_request("id", &lock),
            IdempotencyKey::for_request("id", &state),
        );
        assert_ne!(of_lock.fingerprint, of_state.fingerprint);
        assert_eq!(
            of_lock.fingerprint,
            IdempotencyKey::for_request("id", &lock).fingerprint
        );
    }
}
