//! What an open call was let in with, and the moment from which that counts no more.
//!
//! A call is asked for its token once, when it begins. Whoever keeps one open waits for [`Auth::lapsed`], which costs
//! nothing until the token file changes or a token in it ends. Certificates are the connection's and are not asked again.

use std::convert::Infallible;
use std::future::pending;
use std::time::SystemTime;

use tonic::Code;

use super::tokens::{Digest, Tokens};
use super::{Auth, Caller, Role, expired, role_refused};
use crate::fault::Fault;

/// The token of an open call, and the role the call asks for.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    token: Digest,
    needed: Role,
}

impl Caller {
    /// What keeps a call for which `needed` was enough open; `None` if no token does.
    #[must_use]
    pub fn pass(&self, needed: Role) -> Option<Pass> {
        self.token.map(|token| Pass { token, needed })
    }
}

impl Pass {
    fn check(self, tokens: &Tokens, now: SystemTime) -> Result<(), Fault> {
        let entry = tokens.find_again(&self.token).ok_or_else(taken_away)?;
        if entry.is_expired(now) {
            return Err(expired());
        }
        if entry.role < self.needed {
            return Err(role_refused("the open call", self.needed, entry.role));
        }
        Ok(())
    }
}

impl Auth {
    /// Looks at the tokens once a second, for those who wait for [`Auth::lapsed`].
    pub async fn keep_looking(&self) -> Infallible {
        match &self.tokens {
            Some(file) => file.keep_looking().await,
            None => pending().await,
        }
    }

    /// Waits until the token counts no more, or not for that role: TOKEN_REFUSED, TOKEN_EXPIRED or ROLE_REFUSED. Somebody
    /// must [keep looking](Auth::keep_looking).
    pub fn lapsed(&self, pass: Pass) -> impl Future<Output = Fault> + Send + use<> {
        let file = self.tokens.clone();
        async move {
            let Some(file) = file else {
                return pending().await;
            };
            let mut changes = file.changes();
            loop {
                let tokens = changes.borrow_and_update().clone();
                if let Err(fault) = pass.check(&tokens, SystemTime::now()) {
                    return fault;
                }
                // The file is held here, so its changes do not end.
                let _ = changes.changed().await;
            }
        }
    }
}

fn taken_away() -> Fault {
    Fault {
        code: Code::Unauthenticated,
        reason: "TOKEN_REFUSED",
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
        let caller = auth.identify(Some(header.as_bytes()), peer, SystemTime::now());
        let pass = caller.unwrap().pass(Role::Write).unwrap();
        let lapsed = auth.lapsed(pass);
        write(&path, change);
        tokio::select! {
            fault = lapsed => fault.reason,
            never = auth.keep_looking() => match never {},
        }
    }

    #[tokio::test]
    async fn an_open_call_ends_when_its_token_goes_ends_or_becomes_too_weak() {
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
    async fn only_a_token_can_lapse() {
        let auth = Auth::default();
        let peer = Peer::User(None);
        let caller = auth.identify(None, peer, SystemTime::now()).unwrap();
        assert!(caller.pass(Role::Admin).is_none());
        assert!(Caller::anybody(peer).pass(Role::Read).is_none());
    }
}
