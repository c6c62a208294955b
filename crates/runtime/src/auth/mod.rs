//! Who calls, and what they may do: tokens with roles, certificates, and the credentials a client shows.
//!
//! [`Auth`] turns what a call shows into a [`Caller`]; [`roles`] says which role a method asks for. Without tokens and
//! certificates everyone who reaches the listener may do everything, so only loopback and the Unix socket are served.

mod credentials;
mod grant;
pub mod roles;
mod token_file;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use shim_proto::reasons;
use tonic::Code;

use crate::config::Config;
use crate::service_error::ServiceError;

pub use credentials::{Credentials, CredentialsError};
pub use grant::AuthGrant;
pub use roles::Role;
pub use token_file::{TokenError, TokenFile, TokenSummary};

use tokens::Digest;

/// Where a call comes from, as the connection tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection, from this address if it is known.
    Address(Option<IpAddr>),
    /// A TLS connection whose client holds the certificate with this digest.
    Certificate(blake3::Hash, Option<IpAddr>),
    /// The Unix socket, used by this user.
    User(Option<u32>),
}

impl Peer {
    /// Whether the caller is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) | Self::Certificate(_, address) => {
                address.is_some_and(|address| address.to_canonical().is_loopback())
            }
            Self::User(_) => true,
        }
    }
}

/// What tells one caller from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The bearer of the token of this name.
    Token(Arc<str>),
    /// The holder of the certificate with this digest.
    Certificate([u8; blake3::OUT_LEN]),
    /// Whoever calls from this address.
    Address(Option<IpAddr>),
    /// This user of this machine.
    User(Option<u32>),
}

/// Somebody who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub identity: Identity,
    /// What they may do.
    pub role: Role,
    /// Whether they are on this machine.
    pub is_local: bool,
    /// What they showed, if it counted.
    token: Option<Digest>,
}

impl Caller {
    /// Somebody of whom only the connection is known.
    fn from_peer(peer: Peer, role: Role) -> Self {
        Self {
            identity: match peer {
                Peer::Address(address) => Identity::Address(address.map(|a| a.to_canonical())),
                Peer::Certificate(digest, _) => Identity::Certificate(*digest.as_bytes()),
                Peer::User(user) => Identity::User(user),
            },
            role,
            is_local: peer.is_local(),
            token: None,
        }
    }

    /// Whoever does what needs no role: asking for the health.
    #[must_use]
    pub fn anonymous(peer: Peer) -> Self {
        Self::from_peer(peer, Role::Read)
    }

    /// Refuses what asks for more than the caller's role; `what` is a method or a tool.
    ///
    /// # Errors
    /// PERMISSION_DENIED naming the role needed.
    pub fn authorize(&self, needed: Role, what: &str) -> Result<(), ServiceError> {
        if self.role >= needed {
            return Ok(());
        }
        Err(role_refused(what, needed, self.role))
    }
}

/// What a server asks of every call but health checks. The default asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    tokens: Option<TokenFile>,
    /// Of those who hold a certificate and show no token; only if certificates are asked for.
    certificates: Option<Role>,
}

impl Auth {
    /// Asks for one of the tokens if there are any.
    #[must_use]
    pub fn new(tokens: Option<TokenFile>) -> Self {
        Self {
            tokens,
            certificates: None,
        }
    }

    /// What the configuration asks for. Certificates are the connection's business, see [`crate::tls`]; here they have
    /// a role.
    ///
    /// # Errors
    /// If the token file cannot be used.
    pub fn of(config: &Config) -> Result<Self, TokenError> {
        Ok(Self {
            certificates: config
                .tls
                .requires_certificates()
                .then_some(config.tls.client_role),
            ..Self::by_token(config)?
        })
    }

    /// What the configuration asks for where no certificates are looked at.
    ///
    /// # Errors
    /// If the token file cannot be used.
    pub fn by_token(config: &Config) -> Result<Self, TokenError> {
        let file = config.token_file.as_deref();
        Ok(Self::new(file.map(TokenFile::open).transpose()?))
    }

    /// Whether nobody may call without a token or a certificate.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.tokens.is_some() || self.certificates.is_some()
    }

    /// Who calls. A token that is shown counts, whatever else could: a wrong one is refused.
    ///
    /// # Errors
    /// UNAUTHENTICATED: TOKEN_REFUSED or TOKEN_EXPIRED.
    pub fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        peer: Peer,
        now: SystemTime,
    ) -> Result<Caller, ServiceError> {
        let by_connection = match (self.certificates, peer) {
            (Some(role), Peer::Certificate(..)) => Some(role),
            // No handshake ends without a certificate; should one, it opens nothing.
            (Some(_), Peer::Address(_)) => None,
            _ if self.tokens.is_none() => Some(Role::Admin),
            _ => None,
        };
        let by_connection = by_connection.map(|role| Caller::from_peer(peer, role));
        let Some(file) = &self.tokens else {
            return by_connection.ok_or_else(token_refused);
        };
        if let (None, Some(caller)) = (authorization, by_connection) {
            return Ok(caller);
        }
        let tokens = file.tokens();
        let entry = authorization
            .and_then(bearer)
            .and_then(|shown| tokens.find(shown))
            .ok_or_else(token_refused)?;
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
}

/// The token in an `authorization` header; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn token_refused() -> ServiceError {
    ServiceError {
        code: Code::Unauthenticated,
        reason: reasons::TOKEN_REFUSED,
        message: "the call shows no valid bearer token or certificate".into(),
        remedy: Some(
            "send the header `authorization: Bearer TOKEN` with a token of the server".into(),
        ),
        retry_after: None,
    }
}

fn role_refused(what: &str, needed: Role, role: Role) -> ServiceError {
    ServiceError {
        code: Code::PermissionDenied,
        reason: reasons::ROLE_REFUSED,
        message: format!("{what} needs the role {needed}, and the caller has {role}"),
        remedy: Some(format!("call with a token that has role={needed}")),
        retry_after: None,
    }
}

fn token_expired() -> ServiceError {
    ServiceError {
        code: Code::Unauthenticated,
        reason: reasons::TOKEN_EXPIRED,
        message: "the token was valid until a time that has passed".into(),
        remedy: Some("ask whoever runs the server for a new token".into()),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

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
    }

    #[test]
    fn a_refusal_names_the_role_that_is_needed() {
        let reader = Caller::anonymous(Peer::Address(None));
        assert!(reader.authorize(Role::Read, "/s/Get").is_ok());
        let refused = reader.authorize(Role::Write, "/s/Put").unwrap_err();
        assert_eq!(refused.code, Code::PermissionDenied);
        assert_eq!(refused.reason, "ROLE_REFUSED");
        assert!(refused.message.contains("/s/Put needs the role write"));
        assert!(
            Auth::default()
                .authenticate(None, UNIX, SystemTime::now())
                .is_ok()
        );
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
