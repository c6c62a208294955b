//! The content of a token file: one token a line, with its role, its name and its end.
//!
//! ```text
//! # TOKEN [role=read|write|admin] [name=NAME] [until=2027-01-31T00:00:00Z]
//! ```
//!
//! Servers keep digests only: the time of a comparison reveals nothing of the tokens.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use blake3::Hash;
use tonic::metadata::{Ascii, MetadataValue};

use super::roles::Role;

/// Shorter tokens could be guessed.
const MIN_TOKEN_BYTES: usize = 16;
/// A file kept by hand has no more by hand, and each call is compared with all.
const MAX_TOKENS: usize = 1_000;

/// All tokens of a file.
pub(super) struct Tokens {
    entries: Vec<TokenEntry>,
    /// How a client shows the first one.
    header: MetadataValue<Ascii>,
}

/// A token as far as servers keep it, and as little as logs see of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(Hash);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// One token.
pub(super) struct TokenEntry {
    line: usize,
    pub(super) digest: Digest,
    pub(super) role: Role,
    pub(super) name: Arc<str>,
    pub(super) until: Option<SystemTime>,
}

impl Tokens {
    /// Reads the content of a file.
    ///
    /// # Errors
    /// Every wrong line, but never the text in the place of a token.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line.trim()));
        let mut entries: Vec<TokenEntry> = Vec::new();
        let mut header = None;
        let mut wrong = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            match parse_entry(number, line) {
                Ok(entry) => {
                    if let Some(above) = entries.iter().find(|it| it.digest == entry.digest) {
                        let above = above.line;
                        wrong.push(format!(
                            "line {number}: the same token stands in line {above}; keep one of them"
                        ));
                    }
                    header = header.or_else(|| bearer_header(line));
                    entries.push(entry);
                }
                Err(what) => wrong.push(format!("line {number}: {what}")),
            }
        }
        if entries.len() > MAX_TOKENS {
            wrong.push(format!("it holds more than {MAX_TOKENS} tokens"));
        }
        match header {
            Some(header) if wrong.is_empty() => Ok(Self { entries, header }),
            _ if wrong.is_empty() => Err("it holds no token".to_owned()),
            _ => Err(wrong.join("; ")),
        }
    }

    /// The entry of the token shown. All are compared, so that the time does not reveal which one matches.
    pub(super) fn find(&self, shown: &[u8]) -> Option<&TokenEntry> {
        self.find_by_digest(&Digest(blake3::hash(shown)))
    }

    /// The entry of a token that was shown before.
    pub(super) fn find_by_digest(&self, digest: &Digest) -> Option<&TokenEntry> {
        let mut found = None;
        for entry in &self.entries {
            if entry.digest == *digest {
                found = Some(entry);
            }
        }
        found
    }

    /// The value of a client's `authorization` header.
    pub(super) fn header(&self) -> MetadataValue<Ascii> {
        self.header.clone()
    }

    /// All entries, in the order of the file.
    pub(super) fn entries(&self) -> &[TokenEntry] {
        &self.entries
    }
}

impl TokenEntry {
    /// Whether it is no longer accepted.
    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

fn parse_entry(number: usize, line: &str) -> Result<TokenEntry, String> {
    let mut words = line.split_ascii_whitespace();
    let token = words.next().unwrap_or_default();
    if token.len() < MIN_TOKEN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "a token is {MIN_TOKEN_BYTES} or more visible ASCII characters"
        ));
    }
    let mut entry = TokenEntry {
        line: number,
        digest: Digest(blake3::hash(token.as_bytes())),
        role: Role::Admin,
        name: format!("line {number}").into(),
        until: None,
    };
    let mut said: Vec<&str> = Vec::new();
    for word in words {
        let key = word.split_once('=').map_or(word, |(key, _)| key);
        if said.contains(&key) && matches!(key, "role" | "name" | "until") {
            return Err(format!("{key}= stands there twice; keep one of them"));
        }
        said.push(key);
        match word.split_once('=') {
            Some(("role", role)) => {
                entry.role = role
                    .parse()
                    .map_err(|()| "role is read, write or admin".to_owned())?;
            }
            Some(("name", name)) if !name.is_empty() => entry.name = name.into(),
            Some(("until", until)) => {
                let until = humantime::parse_rfc3339(until)
                    .map_err(|_| "until is a time such as 2027-01-31T00:00:00Z".to_owned())?;
                entry.until = Some(until);
            }
            _ => return Err("after the token come role=, name= and until= only".to_owned()),
        }
    }
    Ok(entry)
}

fn bearer_header(line: &str) -> Option<MetadataValue<Ascii>> {
    let token = line.split_ascii_whitespace().next()?;
    let mut value = MetadataValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_says_token_role_name_and_end() {
        let tokens = Tokens::parse(
            "# who may call\n\n0123456789abcdef\n\
             fedcba9876543210 role=read name=board until=2027-01-31T00:00:00Z\n",
        )
        .unwrap();
        let bare = tokens.find(b"0123456789abcdef").unwrap();
        assert_eq!((bare.role, &*bare.name), (Role::Admin, "line 3"));
        assert!(!bare.is_expired(SystemTime::now()));
        let board = tokens.find(b"fedcba9876543210").unwrap();
        assert_eq!((board.role, &*board.name), (Role::Read, "board"));
        let until = board.until.unwrap();
        assert!(board.is_expired(until) && !board.is_expired(until - Duration::from_secs(1)));
        for wrong in ["0123456789abcde", "0123456789abcdef ", "", "board"] {
            assert!(tokens.find(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert_eq!(tokens.header(), "Bearer 0123456789abcdef");
    }

    #[test]
    fn every_wrong_line_is_named_and_no_token_shown() {
        let error = Tokens::parse(
            "short\n0123456789abcdef role=king\n0123456789abcdef until=tomorrow\n\
             0123456789abcdef name=\n0123456789abcdef more\n",
        )
        .err()
        .unwrap();
        for line in 1..=5 {
            assert!(error.contains(&format!("line {line}: ")), "{error}");
        }
        assert!(
            !error.contains("short") && !error.contains("0123456789"),
            "{error}"
        );
        let twice =
            Tokens::parse("# ours\n0123456789abcdef role=admin\n\n0123456789abcdef role=read\n");
        let twice = twice.err().unwrap();
        assert!(
            twice.contains("line 4: ") && twice.contains("line 2"),
            "{twice}"
        );
        for (words, key) in [
            ("role=read role=admin", "role="),
            ("role=read role=read", "role="),
            ("name=a role=read name=b", "name="),
            (
                "until=2027-01-31T00:00:00Z until=2037-01-31T00:00:00Z",
                "until=",
            ),
        ] {
            let twice = Tokens::parse(&format!("0123456789abcdef {words}\n"));
            let twice = twice.err().unwrap();
            assert!(twice.contains("line 1: ") && twice.contains(key), "{twice}");
        }
        assert!(
            Tokens::parse("# none\n")
                .err()
                .unwrap()
                .contains("no token")
        );
    }
}
