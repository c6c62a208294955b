//! A secret that was found.

use std::ops::Range;

/// Where a secret is.
#[derive(Debug)]
pub(super) struct SecretMatch {
    /// With what shows that it is one.
    pub(super) whole: Range<usize>,
    pub(super) secret: Range<usize>,
    /// What its mark says.
    pub(super) rule: &'static str,
}
