//! What a client shows: the first token of the token file, and a certificate where the endpoint is `https://`.

use std::path::Path;

use tonic::transport::ClientTlsConfig;

use super::local_token::{LocalToken, LoopbackAccess};
use super::token_file::{TokenError, TokenFile};
use crate::tls::{Tls, TlsError};

/// The token and the TLS of a client. The default shows nothing and speaks to `http://` and `unix:` only.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub(crate) token: Option<TokenFile>,
    /// Of the data folder, for services on this machine's loopback addresses.
    pub(crate) local_token: Option<LocalToken>,
    pub(crate) tls: Option<ClientTlsConfig>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The token file cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Credentials {
    /// The token of the file, if there is one, and the certificates. A changed token file is followed; certificates are
    /// read once, now.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn of(token_file: Option<&Path>, tls: &Tls) -> Result<Self, CredentialsError> {
        Ok(Self {
            token: token_file.map(TokenFile::open).transpose()?,
            ..Self::certificates(tls)?
        })
    }

    /// The same, and the data folder's token for services on this machine's loopback addresses, if no other is shown.
    #[must_use]
    pub fn or_local_token(self, access: LoopbackAccess) -> Self {
        Self {
            local_token: Some(LocalToken::of(access)),
            ..self
        }
    }

    /// The certificates alone, for a call that needs no token.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn certificates(tls: &Tls) -> Result<Self, TlsError> {
        Ok(Self {
            token: None,
            local_token: None,
            tls: tls.client()?,
        })
    }
}
