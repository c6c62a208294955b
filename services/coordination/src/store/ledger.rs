//! What makes a mutation happen once: the request's id, and a fingerprint of everything else in it.
//!
//! Scripts record their answer under the id, next to what they changed and in the same step; see `once` in the prelude.

use std::time::Duration;

use prost::Message;
use shim_proto::coordination::v1::Fence;

use super::reply::Reply;
use crate::error::Error;

/// How long an id is remembered. Clients send a lost request again within seconds.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(120);

/// An idempotency key with what it was used for.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    pub(crate) request_id: String,
    pub(crate) fingerprint: String,
}

impl Once {
    /// Of a whole request, its id included.
    pub(crate) fn of(request_id: &str, request: &impl Message) -> Self {
        let hash = blake3::hash(&request.encode_to_vec()).to_hex();
        Self {
            request_id: request_id.to_owned(),
            fingerprint: hash[..16].to_owned(),
        }
    }
}

/// The refusals that any guarded mutation may have.
pub(crate) fn refusal(
    status: &str,
    reply: &mut Reply,
    fence: Option<&Fence>,
) -> Result<Error, Error> {
    Ok(match (status, fence) {
        ("REQUEST_ID_REUSED", _) => Error::RequestIdReused,
        ("STALE_FENCE", Some(fence)) => {
            let token: String = reply.take()?;
            let owner: String = reply.take()?;
            Error::StaleFence {
                lock: fence.lock.clone(),
                token: fence.token,
                holder: (!token.is_empty()).then(|| format!("{owner} with token {token}")),
            }
        }
        _ => {
            tracing::error!(status, "a script refused in an unknown way");
            Error::Defect
        }
    })
}
