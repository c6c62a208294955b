//! What a client shows: the first token of the token file, and a certificate where the endpoint is `https://`.

use tonic::transport::ClientTlsConfig;

use super::{TokenError, TokenFile};
use crate::config::Config;
use crate::tls::TlsError;

/// The token and the TLS of a client. The default shows nothing and speaks to `http://` and `unix:` only.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub(crate) token: Option<TokenFile>,
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
    /// What the configuration names. A token is followed when its file changes; certificates are read now.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn of(config: &Config) -> Result<Self, CredentialsError> {
        Ok(Self {
            token: config
                .token_file
                .as_deref()
                .map(TokenFile::open)
                .transpose()?,
            ..Self::certificates(config)?
        })
    }

    /// The certificates alone, for what asks for no token.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn certificates(config: &Config) -> Result<Self, TlsError> {
        Ok(Self {
            token: None,
            tls: config.tls.client()?,
        })
    }
}
