//! What keeps an installation from being used as it is meant.

/// Something that keeps an entry from being used, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hindrance {
    pub(crate) said: String,
    pub(crate) remedy: String,
    /// Nothing of SHIM can be used, and nobody wanted that; else it was switched off or denied, or another entry is used.
    pub(crate) is_fatal: bool,
}
