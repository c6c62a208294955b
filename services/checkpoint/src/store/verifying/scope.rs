//! What a caller wants verified.

use std::time::Instant;

use crate::domain::seal::SealKey;

/// What to verify, and how thoroughly.
#[derive(Debug, Clone, Default)]
pub struct VerifyScope {
    /// Only the faults of the session with this id; all if unset.
    pub session: Option<String>,
    /// The key of the seals, if there is one.
    pub seal_key: Option<SealKey>,
    /// When to stop, whatever is left; never if unset.
    pub deadline: Option<Instant>,
}
