//! Settings told without their values, so that two processes can compare theirs.

use std::collections::BTreeMap;

use super::{Content, Origin, Settings};

/// What stands in the place of a digest where a flag of the command line gave the value.
pub const BY_FLAG: &str = "by flag";

/// Half of a digest is enough to tell two values apart.
const DIGITS: usize = 16;

/// What tells a value apart from another one, and does not tell the value.
#[must_use]
pub fn digest(value: &[u8]) -> String {
    let mut digest = blake3::hash(value).to_hex().to_string();
    digest.truncate(DIGITS);
    digest
}

impl Settings {
    /// A digest of each value by its key; [`BY_FLAG`] for a value that a flag gave. To be asked for after every crate has
    /// read its keys.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, String> {
        let digests = self.values.iter().map(|(key, value)| {
            let text = match (&value.content, value.origin) {
                (_, Origin::Flag) => return (key.clone(), BY_FLAG.to_owned()),
                (Content::One(text), _) => text.trim().to_owned(),
                // As the environment writes a list.
                (Content::Many(items), _) => items.join(","),
            };
            (key.clone(), digest(text.as_bytes()))
        });
        digests.collect()
    }
}
