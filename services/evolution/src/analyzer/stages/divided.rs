//! Files by what is known of them.

use std::collections::HashMap;

use crate::analyzer::cache::KeptFile;
use crate::analyzer::keys::file_key;
use crate::analyzer::sources::Source;

/// Files whose answers are still true, and those that a tool is to be asked about.
///
/// Answers about files that are not in `files` stay as well: their keys tell whether they hold.
pub(super) fn divided(
    files: &[Source],
    known: Vec<KeptFile>,
    others: &blake3::Hash,
    world: &blake3::Hash,
) -> Divided {
    let mut known: HashMap<String, KeptFile> = known
        .into_iter()
        .map(|file| (file.path.clone(), file))
        .collect();
    let mut divided = Divided::default();
    for file in files {
        match known.remove(&file.path) {
            Some(kept) if kept.holds(&file_key(file, others), world) => {
                divided.cached += usize::from(file.is_chosen);
                divided.held.push(kept);
            }
            Some(kept) if !file.is_chosen => divided.held.push(kept),
            _ if file.is_chosen => divided.asked.push(file.clone()),
            _ => {}
        }
    }
    divided
}

/// Files by what is known of them.
#[derive(Default)]
pub(in crate::analyzer) struct Divided {
    /// Answers that stay.
    pub(super) held: Vec<KeptFile>,
    /// How many of them are about chosen files, and true.
    pub(in crate::analyzer) cached: usize,
    /// Chosen files that a tool is to be asked about.
    pub(in crate::analyzer) asked: Vec<Source>,
}
