//! The rules of file patterns and paths in requests.

use shim_proto::limits::coordination::{MAX_PATTERN_BYTES, MAX_PATTERNS};
use shim_proto::limits::{MAX_LIST, MAX_PATH_BYTES};
use shim_store::domain::Pattern;

use super::fields::Fields;

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
