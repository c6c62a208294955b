//! Bearer tokens: what a server asks of a call and what a client shows.

use std::fmt;
use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};

/// Shorter tokens could be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// A secret that names its bearer as allowed. Never printed.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("auth.token_file {0}: {1}")]
    Unreadable(String, std::io::Error),
    /// Its first line is no token.
    #[error(
        "auth.token_file {0}: the first line must be {MIN_TOKEN_BYTES} or more visible ASCII characters"
    )]
    Malformed(String),
}

impl Token {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// If the file cannot be read or its first line is too short or not visible ASCII.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|e| TokenError::Unreadable(name.clone(), e))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.len() < MIN_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::Malformed(name));
        }
        Ok(Self(token.to_owned()))
    }

    /// The value of the `authorization` header.
    pub(crate) fn header(&self) -> Option<MetadataValue<Ascii>> {
        let mut value = MetadataValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Compares in a time that does not depend on where the texts differ.
    fn is(&self, other: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differing = own
            .iter()
            .zip(other)
            .fold(0_u8, |seen, (a, b)| seen | (a ^ b));
        own.len() == other.len() && std::hint::black_box(differing) == 0
    }
}

/// What a server asks of every call but health checks.
#[derive(Debug, Clone, Default)]
pub struct Auth(Option<Token>);

impl Auth {
    /// Asks for the token if there is one.
    #[must_use]
    pub fn new(token: Option<Token>) -> Self {
        Self(token)
    }

    /// Whether callers must show a token.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a call with this `authorization` header may pass.
    #[must_use]
    pub fn allows(&self, authorization: Option<&[u8]>) -> bool {
        let Some(token) = &self.0 else { return true };
        authorization
            .and_then(|value| value.strip_prefix(b"Bearer "))
            .is_some_and(|shown| token.is(shown))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_whole_token_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\nsecond line\n").unwrap();
        let auth = Auth::new(Some(Token::from_file(&file).unwrap()));
        assert!(auth.allows(Some(b"Bearer 0123456789abcdef")));
        for wrong in [
            &b"Bearer 0123456789abcdeX"[..],
            b"Bearer 0123456789abcde",
            b"0123456789abcdef",
            b"Bearer ",
        ] {
            assert!(!auth.allows(Some(wrong)));
        }
        assert!(!auth.allows(None));
        assert!(Auth::default().allows(None));
        std::fs::write(&file, "short\n").unwrap();
        assert!(matches!(
            Token::from_file(&file),
            Err(TokenError::Malformed(_))
        ));
    }
}
