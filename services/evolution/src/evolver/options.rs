//! What is asked of the proposals: files, transforms, and how many.

use std::path::PathBuf;

use serde_json::Value;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct EvolveOptions {
    /// Files and folders; all if empty.
    pub(crate) include: Vec<String>,
    /// Names of transforms; all if empty, but none if there is a custom one.
    pub(crate) transforms: Vec<String>,
    /// The user's own transform.
    pub(crate) custom: Option<CustomTransform>,
    /// The most proposals.
    pub(crate) limit: usize,
    /// Whether places that somebody was asked about before are left out.
    pub(crate) only_new: bool,
}

/// A user's own transform for jscodeshift.
#[derive(Debug, Clone)]
pub(crate) struct CustomTransform {
    /// Its file, absolute.
    pub(crate) path: PathBuf,
    /// Its options.
    pub(crate) options: Value,
}
