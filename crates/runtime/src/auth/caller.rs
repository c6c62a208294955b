//! Who calls: the connection, the identity and the role.

use std::net::IpAddr;
use std::sync::Arc;

use super::grant::AuthGrant;
use super::refusals::role_refused;
use super::roles::Role;
use super::tokens::Digest;
use crate::service_error::ServiceError;

/// The other end of a connection.
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

/// What distinguishes one caller from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The bearer of the token of this name.
    Token(Arc<str>),
    /// The holder of the certificate with this digest.
    Certificate([u8; blake3::OUT_LEN]),
    /// Any caller from this address.
    Address(Option<IpAddr>),
    /// This user of this machine.
    User(Option<u32>),
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its identity.
    pub identity: Identity,
    /// Its role.
    pub role: Role,
    /// Whether it is on this machine.
    pub is_local: bool,
    /// The token it showed, if that counted.
    pub(super) token: Option<Digest>,
}

impl Caller {
    /// A caller of which only the connection is known.
    pub(super) fn from_peer(peer: Peer, role: Role) -> Self {
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

    /// A caller that needs no role: health checks.
    #[must_use]
    pub fn anonymous(peer: Peer) -> Self {
        Self::from_peer(peer, Role::Read)
    }

    /// Refuses a method or tool, named by `what`, that needs more than the caller's role.
    ///
    /// # Errors
    /// PERMISSION_DENIED naming the role needed.
    pub fn authorize(&self, needed: Role, what: &str) -> Result<(), ServiceError> {
        if self.role >= needed {
            return Ok(());
        }
        Err(role_refused(what, needed, self.role))
    }

    /// The token that keeps a call open for which `needed` was enough; `None` if no token was shown.
    #[must_use]
    pub fn grant(&self, needed: Role) -> Option<AuthGrant> {
        self.token.map(|token| AuthGrant::new(token, needed))
    }
}
