//! Unified diffs that keep every byte of a line, and their exact application.
//!
//! A line ends with a line feed and with nothing else: what stands before it, a carriage return too, belongs to the line.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

/// Lines around a change.
const CONTEXT: usize = 3;
const NO_LINE_END: &str = "\\ No newline at end of file";

/// A diff of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnifiedDiff {
    /// The diff with its two lines of names.
    pub(crate) text: String,
    /// Lines deleted.
    pub(crate) deleted: u32,
    /// Lines added.
    pub(crate) added: u32,
}

/// A diff that does not fit the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the diff does not fit: {why}")]
pub(crate) struct PatchError {
    /// The line of the diff, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) why: &'static str,
}

/// The diff between two texts of a file. `before` of `None` is a new file.
pub(crate) fn unified(path: &str, before: Option<&str>, after: &str) -> UnifiedDiff {
    let old: Vec<&str> = before.unwrap_or_default().split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    let from = before.map_or_else(|| "/dev/null".to_owned(), |_| format!("a/{path}"));
    let mut diff = UnifiedDiff {
        text: format!("--- {from}\n+++ b/{path}\n"),
        deleted: 0,
        added: 0,
    };
    for group in group_diff_ops(ops, CONTEXT) {
        add_hunk(&mut diff, &group, &old, &new);
    }
    diff
}

fn add_hunk(diff: &mut UnifiedDiff, group: &[DiffOp], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return;
    };
    let (old_range, new_range) = (
        first.old_range().start..last.old_range().end,
        first.new_range().start..last.new_range().end,
    );
    let header = format!("@@ -{} +{} @@\n", place(&old_range), place(&new_range));
    diff.text.push_str(&header);
    for op in group {
        if op.tag() == DiffTag::Equal {
            old[op.old_range()]
                .iter()
                .for_each(|line| add_line(diff, ' ', line));
            continue;
        }
        for line in &old[op.old_range()] {
            add_line(diff, '-', line);
            diff.deleted += 1;
        }
        for line in &new[op.new_range()] {
            add_line(diff, '+', line);
            diff.added += 1;
        }
    }
}

/// A range of lines as a hunk names it; of an empty one, the line before it.
fn place(range: &std::ops::Range<usize>) -> String {
    let first = if range.is_empty() {
        range.start
    } else {
        range.start + 1
    };
    format!("{first},{}", range.len())
}

fn add_line(diff: &mut UnifiedDiff, sign: char, line: &str) {
    diff.text.push(sign);
    diff.text.push_str(line);
    if !line.ends_with('\n') {
        diff.text.push('\n');
        diff.text.push_str(NO_LINE_END);
        diff.text.push('\n');
    }
}

/// The text that a diff makes of `before`. Nothing is searched for: each line must stand where the diff says.
///
/// # Errors
/// If the diff is none, or was made from another text.
pub(crate) fn patched(before: &str, diff: &str) -> Result<String, PatchError> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let lines: Vec<&str> = diff.split_inclusive('\n').collect();
    let mut made = String::with_capacity(before.len());
    let mut at = 0;
    for (index, line) in lines.iter().enumerate() {
        let wrong = |why| PatchError {
            line: index + 1,
            why,
        };
        let content = without_end(line, lines.get(index + 1).copied());
        match line.as_bytes().first() {
            _ if index < 2 || line.starts_with(NO_LINE_END) => {}
            Some(b'@') => {
                let start = start_of(line).ok_or(wrong("it names no lines"))?;
                let kept = old
                    .get(at..start)
                    .ok_or(wrong("its lines are not in the file"))?;
                kept.iter().for_each(|line| made.push_str(line));
                at = start;
            }
            Some(b'+') => made.push_str(content),
            Some(sign @ (b' ' | b'-')) => {
                if old.get(at) != Some(&content) {
                    return Err(wrong("the file has another line there"));
                }
                if *sign == b' ' {
                    made.push_str(content);
                }
                at += 1;
            }
            _ => return Err(wrong("it is no line of a diff")),
        }
    }
    old[at.min(old.len())..]
        .iter()
        .for_each(|line| made.push_str(line));
    Ok(made)
}

/// The line without its sign, and without its end if the next line says that it has none.
fn without_end<'a>(line: &'a str, next: Option<&str>) -> &'a str {
    let content = line.get(1..).unwrap_or_default();
    let has_end = !next.is_some_and(|next| next.starts_with(NO_LINE_END));
    if has_end {
        content
    } else {
        content.strip_suffix('\n').unwrap_or(content)
    }
}

/// The index of the first old line of a hunk.
fn start_of(header: &str) -> Option<usize> {
    let old = header.strip_prefix("@@ -")?.split(' ').next()?;
    let (first, count) = old.split_once(',')?;
    let (first, count): (usize, usize) = (first.parse().ok()?, count.parse().ok()?);
    if count == 0 {
        Some(first)
    } else {
        first.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_diff_keeps_the_line_ends_of_the_file() {
        let diff = unified("a.js", Some("var a;\r\nf();\r\n"), "let a;\r\nf();\r\n");
        assert_eq!(
            diff.text,
            "--- a/a.js\n+++ b/a.js\n@@ -1,2 +1,2 @@\n-var a;\r\n+let a;\r\n f();\r\n"
        );
        assert_eq!((diff.deleted, diff.added), (1, 1));
    }

    #[test]
    fn a_missing_last_line_end_is_told() {
        let diff = unified("a.js", Some("a\nb"), "a\nc");
        assert!(
            diff.text
                .ends_with("-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n")
        );
        assert_eq!(patched("a\nb", &diff.text).unwrap(), "a\nc");
    }

    #[test]
    fn a_diff_of_another_text_is_refused() {
        let diff = unified("a.js", Some("a\nb\n"), "a\nc\n");
        assert!(patched("a\nx\n", &diff.text).is_err());
        assert!(patched("", &diff.text).is_err());
        assert!(patched("a\nb\n", "--- a\n+++ b\n@@ -9,1 +9,1 @@\n-b\n+c\n").is_err());
        assert!(patched("a\n", "--- a\n+++ b\nnonsense\n").is_err());
    }

    fn text() -> impl Strategy<Value = String> {
        let line = prop::sample::select(vec![
            "a",
            "b",
            "+x",
            "-y",
            "\u{feff}z",
            "",
            "@@ -1,1 +1,1 @@",
            "\\ No",
            "w\r",
        ]);
        let end = prop::sample::select(vec!["\n", "\n", "\r\n"]);
        let lines = prop::collection::vec((line, end), 0..30);
        (lines, any::<bool>()).prop_map(|(lines, has_end)| {
            let text: String = lines
                .iter()
                .map(|(line, end)| format!("{line}{end}"))
                .collect();
            if has_end {
                text
            } else {
                text.trim_end_matches('\n').to_owned()
            }
        })
    }

    proptest! {
        #[test]
        fn a_diff_applied_gives_the_other_text(before in text(), after in text()) {
            let diff = unified("a.js", Some(&before), &after);
            prop_assert_eq!(patched(&before, &diff.text).unwrap(), after);
        }
    }
}
