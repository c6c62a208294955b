//! Paths as the client reads them.

use std::path::{Component, Path, PathBuf};

use crate::texts::{MAX_SUMMARY_BYTES, line_of};

const MAX_PATH_BYTES: usize = shim_proto::limits::MAX_PATH_BYTES;

/// The path made absolute: below `cwd` if it is relative, below the home folder if it begins with `~/`, without `.` and
/// `..`. `None` if no file can have it, or if it is too long to keep.
pub(super) fn absolute(text: &str, cwd: &Path) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    let path = match text.strip_prefix("~/") {
        Some(rest) => PathBuf::from(std::env::var_os("HOME")?).join(rest),
        None if is_of_windows(text) => PathBuf::from(text),
        None => cwd.join(text),
    };
    let path = without_dots(&path).into_os_string().into_string().ok()?;
    (path.len() <= MAX_PATH_BYTES).then_some(path)
}

/// `C:\` or `C:/`, which is absolute on the machine that wrote it.
fn is_of_windows(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|drive| drive.is_ascii_alphabetic())
        && letters.next() == Some(':')
        && letters
            .next()
            .is_some_and(|next| next == '\\' || next == '/')
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The path as a summary shows it: relative to the folder if it lies in it.
pub(super) fn shown(path: &str, cwd: &Path) -> String {
    let inside = Path::new(path).strip_prefix(cwd).ok();
    let inside = inside.and_then(Path::to_str).filter(|it| !it.is_empty());
    line_of(inside.unwrap_or(path), MAX_SUMMARY_BYTES)
}
