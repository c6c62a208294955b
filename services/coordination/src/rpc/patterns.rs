//! The rules of file patterns and paths in requests.

use std::path::{Path, PathBuf};

use shim_proto::limits::MAX_PATH_BYTES;
use shim_proto::limits::coordination::{MAX_PATTERN_BYTES, MAX_PATTERNS};
use shim_runtime::files::{LinkError, as_sent_name, as_sent_pattern};
use shim_runtime::workspace::identity;
use shim_store::domain::Pattern;
use tonic::Status;

use super::fields::Fields;

/// Lets names that are there mean themselves, and links what they lead to, where the workspace is a folder that this process
/// sees: a client that knows no patterns sends the name of a file. Elsewhere the texts stay what they are.
///
/// # Errors
/// INVALID_ARGUMENT naming each field whose links lead out of the workspace, or in a circle.
pub(super) async fn keep_names(
    workspace: &str,
    texts: Vec<(String, &mut String)>,
) -> Result<(), Status> {
    let (names, texts): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
    let sent = texts.iter().map(|text| (*text).clone()).collect();
    let mut fields = Fields::default();
    let read = read_names(workspace, sent, as_sent_pattern).await;
    for ((name, text), read) in names.into_iter().zip(texts).zip(read) {
        match read {
            Ok(read) => *text = read,
            Err(why) => fields.refuse(name, format!("{why}; name the file by its own path")),
        }
    }
    fields.finish()
}

/// The paths of a query, in which names that are there mean themselves, with those that links in them lead to.
pub(super) async fn with_linked(workspace: &str, sent: Vec<String>) -> Vec<String> {
    let names = read_names(workspace, sent.clone(), |root, text| {
        Ok(as_sent_name(root, text))
    });
    let mut paths: Vec<String> = names.await.into_iter().flatten().collect();
    let linked = read_names(workspace, sent, as_sent_pattern).await;
    for path in linked.into_iter().flatten() {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// A way to read a text below a root.
type ReadName = fn(&Path, &str) -> Result<String, LinkError>;

/// The texts as patterns; as they are where this process does not see the workspace.
async fn read_names(
    workspace: &str,
    sent: Vec<String>,
    read: ReadName,
) -> Vec<Result<String, LinkError>> {
    if sent.is_empty() || !workspace.starts_with('/') {
        return sent.into_iter().map(Ok).collect();
    }
    let (root, unread) = (workspace.to_owned(), sent.clone());
    let read = tokio::task::spawn_blocking(move || {
        let root = PathBuf::from(identity(&root));
        let read = sent.iter().map(|text| read(&root, text));
        read.collect::<Vec<_>>()
    });
    read.await.unwrap_or_else(|error| {
        tracing::error!(%error, "looking for the names of files failed");
        unread.into_iter().map(Ok).collect()
    })
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

/// The paths or globs of a query, whose number was checked; none means all. Control characters are allowed: an existing file may have any name.
pub(super) fn paths(fields: &mut Fields, texts: &[String]) -> Vec<Pattern> {
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
