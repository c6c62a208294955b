//! The token of an open call, and whether it still counts.
//!
//! A call shows its token once, when it begins. What keeps it open waits for [`super::Auth::revoked`], which costs nothing
//! until the token file changes or a token in it ends. Certificates belong to the connection and are not checked again.

use std::time::SystemTime;

use super::refusals::{role_refused, token_expired, token_removed};
use super::roles::Role;
use super::tokens::{Digest, Tokens};
use crate::service_error::ServiceError;

/// The token of an open call, and the role the call asks for.
#[derive(Debug, Clone, Copy)]
pub struct AuthGrant {
    token: Digest,
    needed: Role,
}

impl AuthGrant {
    pub(super) const fn new(token: Digest, needed: Role) -> Self {
        Self { token, needed }
    }

    /// Whether the token is there, in force and strong enough.
    pub(super) fn check(self, tokens: &Tokens, now: SystemTime) -> Result<(), ServiceError> {
        let entry = tokens
            .find_by_digest(&self.token)
            .ok_or_else(token_removed)?;
        if entry.is_expired(now) {
            return Err(token_expired());
        }
        if entry.role < self.needed {
            return Err(role_refused("the open call", self.needed, entry.role));
        }
        Ok(())
    }
}
