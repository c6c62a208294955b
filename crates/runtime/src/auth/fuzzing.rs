//! What fuzz targets reach of the tokens.

use super::tokens::Tokens;

/// Reads the text of a token file.
pub fn token_file(text: &str) {
    let _ = Tokens::parse(text);
}
