//! What an open call was let in with, and the moment from which that counts no more.
//!
//! A call is asked for its token once, when it begins. Whoever keeps one open waits for [`Auth::revoked`], which costs
//! nothing until the token file changes or a token in it ends. Certificates are the connection's and are not asked again.

use std::convert::Infallible;
use std::future::pending;
use std::time::SystemTime;

use shim_proto::reasons;
use tonic::Code;

use super::tokens::{Digest, Tokens};
use super::{Auth, Caller, Role, role_refused, token_expired};
use crate::service_error::ServiceError;

/// The token of an open call, and the role the call asks for.
#[derive(Debug, Clone, Copy)]
pub struct AuthGrant {
    token: Digest,
    needed: Role,
}

impl Caller {
    /// What keeps a call for which `needed` was enough open; `None` if no token does.
    #[must_use]
    pub fn grant(&self, needed: Role) -> Option<AuthGrant> {
        self.token.map(|token| AuthGrant { token, needed })
    }
}

impl AuthGrant {
    fn check(self, tokens: &Tokens, now: SystemTime) -> Result<(), ServiceError> {
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

impl Auth {
    /// Looks at the tokens once a second, for those who wait for [`Auth::revoked`].
    pub async fn keep_polling(&self) -> Infallible {
        match &self.tokens {
            Some(file) => file.keep_polling().await,
            None => pending().await,
        }
    }

    /// Waits until the token counts no more, or not for that role: TOKEN_REFUSED, TOKEN_EXPIRED or ROLE_REFUSED. Somebody
    /// must [keep looking](Auth::keep_polling).
    pub fn revoked(&self, grant: AuthGrant) -> impl Future<Output = ServiceError> + Send + use<> {
        let file = self.tokens.clone();
        async move {
            let Some(file) = file else {
                return pending().await;
            };
            let mut changes = file.changes();
            loop {
                let tokens = changes.borrow_and_update().clone();
                if let Err(error) = grant.check(&tokens, SystemTime::now()) {
                    return error;
                }
                // The file is held here, so its changes do not end.
                let _ = changes.changed().await;
            }
        }
    }
}

fn token_removed() -> ServiceError {
    ServiceError {
        code: Code::Unauthenticated,
        reason: reasons::TOKEN_REFUSED,
        message: "the token that the call began with counts no more".into(),
        remedy: Some("call again with a token of the server".into()),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::time::Duration;

    use super::super::{Peer, TokenFile};
    use super::*;

    const SHOWN: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn write(path: &Path, content: &str) {
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, content).unwrap();
        std::fs::rename(&fresh, path).unwrap();
    }

    fn in_two_seconds() -> String {
        let end = SystemTime::now() + Duration::from_secs(2);
        humantime::format_rfc3339_millis(end).to_string()
    }

    /// Why a call of a writer ended, once the file was changed to this.
    async fn reason_after(change: &str) -> &'static str {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        write(&path, &format!("{SHOWN} role=write\n{OTHER}\n"));
        let auth = Auth::new(Some(TokenFile::open(&path).unwrap()));
        let header = format!("Bearer {SHOWN}");
        let peer = Peer::User(None);
        let caller = auth.authenticate(Some(header.as_bytes()), peer, SystemTime::now());
        let grant = caller.unwrap().grant(Role::Write).unwrap();
        let revoked = auth.revoked(grant);
        write(&path, change);
        tokio::select! {
            error = revoked => error.reason,
            never = auth.keep_polling() => match never {},
        }
    }

    #[tokio::test]
    async fn an_open_call_ends_when_its_token_is_removed_expires_or_becomes_too_weak() {
        let ending = format!("{SHOWN} role=write until={}\n", in_two_seconds());
        let weaker = format!("{SHOWN} role=read\n");
        let (gone, ended, weak) = tokio::join!(
            reason_after(OTHER),
            reason_after(&ending),
            reason_after(&weaker)
        );
        assert_eq!(gone, "TOKEN_REFUSED");
        assert_eq!(ended, "TOKEN_EXPIRED");
        assert_eq!(weak, "ROLE_REFUSED");
    }

    #[tokio::test]
    async fn only_a_token_can_be_revoked() {
        let auth = Auth::default();
        let peer = Peer::User(None);
        let caller = auth.authenticate(None, peer, SystemTime::now()).unwrap();
        assert!(caller.grant(Role::Admin).is_none());
        assert!(Caller::anonymous(peer).grant(Role::Read).is_none());
    }
}
