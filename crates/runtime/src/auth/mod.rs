//! Authentication and roles: tokens, certificates, and the credentials of a client.
//!
//! [`Auth`] turns what a call shows into a [`Caller`]; [`roles`] says which role a method needs. Without tokens and
//! certificates every caller that reaches the listener may do everything, so a port on loopback asks for a token of the data
//! folder ([`LoopbackAccess`]) unless it is declared open. A credential that is shown and wrong is refused everywhere.

mod caller;
mod credentials;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grant;
mod local_token;
mod refusals;
pub mod roles;
mod token_file;
mod tokens;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::service_error::ServiceError;
use crate::tls::Tls;
use refusals::{local_token_refused, token_expired, token_refused, token_unknown};

pub use caller::{Caller, Identity, Peer};
pub use credentials::{Credentials, CredentialsError};
pub use grant::AuthGrant;
pub(crate) use local_token::LocalToken;
pub use local_token::{LoopbackAccess, token_file};
pub use roles::Role;
pub use token_file::{TokenError, TokenFile, TokenSummary};

/// What a server requires of every call but health checks. The default requires nothing.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    tokens: Option<TokenFile>,
    /// The role of a certificate without a token; `None` if no certificates are required.
    certificates: Option<Role>,
    /// The tokens are the data folder's own: they count on this machine alone, and the Unix socket needs none.
    is_local: bool,
}

impl Auth {
    /// Asks for one of the tokens if there are any.
    #[must_use]
    pub fn new(tokens: Option<TokenFile>) -> Self {
        Self {
            tokens,
            certificates: None,
            is_local: false,
        }
    }

    /// Asks callers over TCP, from this machine alone, for the data folder's token if nothing is asked for yet. The Unix
    /// socket stays its owner's alone, who needs none there.
    ///
    /// # Errors
    /// If the token can be neither read nor made.
    pub fn or_local(
        self,
        access: &LoopbackAccess,
        address: SocketAddr,
    ) -> Result<Self, TokenError> {
        // Another address is refused without configured rules.
        if self.is_required() || access.is_open || !address.ip().is_loopback() {
            return Ok(self);
        }
        Ok(Self {
            is_local: true,
            ..Self::new(Some(access.ensure(address)?))
        })
    }

    /// Asks for a token of the file, if there is one, or for a certificate, if `tls` requires them. The connection
    /// verifies certificates, see [`crate::tls`]; here they have a role.
    ///
    /// # Errors
    /// If the token file cannot be used.
    pub fn of(token_file: Option<&Path>, tls: &Tls) -> Result<Self, TokenError> {
        Ok(Self {
            certificates: tls.requires_certificates().then_some(tls.client_role),
            ..Self::by_token(token_file)?
        })
    }

    /// Asks for a token of the file, if there is one, and for no certificate.
    ///
    /// # Errors
    /// If the token file cannot be used.
    pub fn by_token(token_file: Option<&Path>) -> Result<Self, TokenError> {
        Ok(Self::new(token_file.map(TokenFile::open).transpose()?))
    }

    /// Whether callers over TCP are asked for the data folder's own token.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether a call without a token or a certificate is refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.tokens.is_some() || self.certificates.is_some()
    }

    /// The caller. A token that is shown is decisive: a wrong one is refused even beside a valid certificate, over the Unix
    /// socket, and where no token is known.
    ///
    /// # Errors
    /// UNAUTHENTICATED: TOKEN_REFUSED or TOKEN_EXPIRED.
    pub fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        peer: Peer,
        now: SystemTime,
    ) -> Result<Caller, ServiceError> {
        let refused = || match self.is_local {
            true => local_token_refused(),
            false => token_refused(),
        };
        let Some(shown) = authorization else {
            let role = self.role_of_connection(peer).ok_or_else(refused)?;
            return Ok(Caller::from_peer(peer, role));
        };
        let file = self.tokens.as_ref().ok_or_else(token_unknown)?;
        if self.is_local && !peer.is_local() {
            return Err(refused());
        }
        let tokens = file.tokens();
        let entry = bearer(shown)
            .and_then(|shown| tokens.find(shown))
            .ok_or_else(refused)?;
        if entry.is_expired(now) {
            return Err(token_expired());
        }
        Ok(Caller {
            identity: Identity::Token(Arc::clone(&entry.name)),
            role: entry.role,
            is_local: peer.is_local(),
            token: Some(entry.digest),
        })
    }

    /// What a caller may do that shows nothing but its connection.
    fn role_of_connection(&self, peer: Peer) -> Option<Role> {
        match (self.certificates, peer) {
            (Some(role), Peer::Certificate(..)) => Some(role),
            // No handshake ends without a certificate; should one, it opens nothing.
            (Some(_), Peer::Address(_)) => None,
            (_, Peer::User(_)) if self.is_local => Some(Role::Admin),
            _ if self.tokens.is_none() => Some(Role::Admin),
            _ => None,
        }
    }

    /// Polls the token file once a second, on which [`Auth::revoked`] depends.
    pub async fn keep_polling(&self) -> Infallible {
        match &self.tokens {
            Some(file) => file.keep_polling().await,
            None => pending().await,
        }
    }

    /// Waits until the token counts no more, or not for that role: TOKEN_REFUSED, TOKEN_EXPIRED or ROLE_REFUSED. It needs
    /// [`Auth::keep_polling`] to run meanwhile.
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

/// What a request shows in its `authorization` header. Several show nothing that counts: a proxy may have looked at another
/// one than the server, so they are refused as a wrong one is.
#[must_use]
pub fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let first = all.next()?.as_bytes();
    Some(if all.next().is_none() { first } else { &[] })
}

/// The token in an `authorization` header; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod grant_tests;
#[cfg(test)]
mod local_token_tests;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use tonic::Code;

    use super::*;

    const UNIX: Peer = Peer::User(Some(1_000));

    fn auth(tokens: &str) -> Auth {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, tokens).unwrap();
        Auth::new(Some(TokenFile::open(&path).unwrap()))
    }

    fn reason(refused: Result<Caller, ServiceError>) -> &'static str {
        refused.unwrap_err().reason
    }

    #[test]
    fn only_a_whole_token_in_force_passes() {
        let auth = auth(
            "0123456789abcdef role=write name=w\nfedcba9876543210 until=2026-01-01T00:00:00Z\n",
        );
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let show = |shown: &str, now| auth.authenticate(Some(shown.as_bytes()), UNIX, now);
        let caller = show("bearer 0123456789abcdef", end).unwrap();
        assert_eq!(caller.identity, Identity::Token("w".into()));
        assert_eq!(caller.role, Role::Write);
        for wrong in [
            "Bearer 0123456789abcdeX",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef ",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "Bearer ",
            "",
        ] {
            assert_eq!(reason(show(wrong, end)), "TOKEN_REFUSED", "{wrong}");
        }
        assert_eq!(reason(auth.authenticate(None, UNIX, end)), "TOKEN_REFUSED");
        let last = "Bearer fedcba9876543210";
        assert_eq!(reason(show(last, end)), "TOKEN_EXPIRED");
        let before = show(last, end - Duration::from_secs(1)).unwrap();
        assert_eq!(before.role, Role::Admin);
    }

    #[test]
    fn a_certificate_stands_for_a_token_unless_a_wrong_one_is_shown() {
        let peer = Peer::Certificate(blake3::hash(b"certificate"), None);
        let now = SystemTime::now();
        let both = Auth {
            certificates: Some(Role::Read),
            ..auth("0123456789abcdef role=write\n")
        };
        assert_eq!(both.authenticate(None, peer, now).unwrap().role, Role::Read);
        let shown = both.authenticate(Some(b"Bearer 0123456789abcdef"), peer, now);
        assert_eq!(shown.unwrap().role, Role::Write);
        let wrong = both.authenticate(Some(b"Bearer no"), peer, now);
        assert_eq!(reason(wrong), "TOKEN_REFUSED");
        assert_eq!(reason(both.authenticate(None, UNIX, now)), "TOKEN_REFUSED");
        let only_certificates = Auth {
            tokens: None,
            ..both
        };
        assert!(only_certificates.is_required());
        let caller = only_certificates.authenticate(None, peer, now).unwrap();
        assert_eq!(caller.role, Role::Read);
        let by_socket = only_certificates.authenticate(None, UNIX, now).unwrap();
        assert_eq!(by_socket.role, Role::Admin);
        let by_neither = only_certificates.authenticate(None, Peer::Address(None), now);
        assert_eq!(reason(by_neither), "TOKEN_REFUSED");
        for peer in [peer, UNIX, Peer::Address(None)] {
            for shown in ["Bearer 0123456789abcdef", "Bearer ", "Basic eA==", ""] {
                let wrong = only_certificates.authenticate(Some(shown.as_bytes()), peer, now);
                assert_eq!(reason(wrong), "TOKEN_REFUSED", "{shown} of {peer:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_role_that_is_needed() {
        let reader = Caller::anonymous(Peer::Address(None));
        assert!(reader.authorize(Role::Read, "/s/Get").is_ok());
        let refused = reader.authorize(Role::Write, "/s/Put").unwrap_err();
        assert_eq!(refused.code, Code::PermissionDenied);
        assert_eq!(refused.reason, "ROLE_REFUSED");
        assert!(refused.message.contains("/s/Put needs the role write"));
        let open = Auth::default();
        let now = SystemTime::now();
        assert!(open.authenticate(None, UNIX, now).is_ok());
        let shown = open.authenticate(Some(b"Bearer 0123456789abcdef"), UNIX, now);
        assert_eq!(reason(shown), "TOKEN_REFUSED");
    }

    #[test]
    fn loopback_is_local_however_it_is_written() {
        for (address, is_local) in [
            ("127.0.0.2", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            let peer = Peer::Address(Some(address.parse().unwrap()));
            assert_eq!(peer.is_local(), is_local, "{address}");
        }
        assert!(UNIX.is_local() && !Peer::Address(None).is_local());
    }
}
