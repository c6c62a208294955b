//! The rules of file patterns and paths in requests.

use std::path::PathBuf;

use shim_proto::limits::coordination::{MAX_PATTERN_BYTES, MAX_PATTERNS};
use shim_proto::limits::{MAX_LIST, MAX_PATH_BYTES};
use shim_runtime::files::as_sent_pattern;
use shim_runtime::workspace::identity;
use shim_store::domain::Pattern;

use super::fields::Fields;

/// Lets names that are there mean themselves, where the workspace is a folder that this process sees: a client that knows
/// no patterns sends the name of a file. Elsewhere the texts stay what they are.
pub(super) async fn keep_names<'a>(workspace: &str, texts: impl Iterator<Item = &'a mut String>) {
    let texts: Vec<_> = texts.filter(|text| may_differ(text)).collect();
    if texts.is_empty() || !workspace.starts_with('/') {
        return;
    }
    let (root, sent) = (
        workspace.to_owned(),
        texts.iter().map(|text| (*text).clone()),
    );
    let sent: Vec<String> = sent.collect();
    let read = tokio::task::spawn_blocking(move || {
        let root = PathBuf::from(identity(&root));
        sent.iter()
            .map(|text| as_sent_pattern(&root, text))
            .collect::<Vec<_>>()
    });
    match read.await {
        Ok(read) => texts
            .into_iter()
            .zip(read)
            .for_each(|(text, read)| *text = read),
        Err(error) => tracing::error!(%error, "looking for the names of files failed"),
    }
}

/// Whether a name may be written otherwise as a pattern.
fn may_differ(text: &str) -> bool {
    text.contains(|c| r"*?[]{}\|`$(".contains(c)) || text.starts_with(['!', '~', '^', ':', '%'])
}

/// The patterns of a lease: at least one.
pub(super) fn patterns(fields: &mut Fields, texts: &[String]) -> Vec<Pattern> {
    if texts.is_empty() {
        fields.refuse("patterns", "is empty; name at least one path or glob");
    }
    if !fields.list("patterns", texts.len(), MAX_PATTERNS) {
        return Vec::new();
    }
    for (i, text) in texts.iter().enumerate() {
        fields.no_controls(format!("patterns[{i}]"), text);
    }
    read(fields, "patterns", texts, MAX_PATTERN_BYTES)
}

/// The paths or globs of a query; none means all. Control characters are allowed: an existing file may have any name.
pub(super) fn paths(fields: &mut Fields, texts: &[String]) -> Vec<Pattern> {
    if !fields.list("paths", texts.len(), MAX_LIST) {
        return Vec::new();
    }
    read(fields, "paths", texts, MAX_PATH_BYTES)
}

fn read(fields: &mut Fields, name: &str, texts: &[String], max: usize) -> Vec<Pattern> {
    let mut patterns = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        fields.text(format_args!("{name}[{i}]"), text, max);
        if text.len() > max {
            continue;
        }
        match Pattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(malformed) => fields.refuse(format!("{name}[{i}]"), malformed.to_string()),
        }
    }
    patterns
}
