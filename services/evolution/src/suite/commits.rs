//! What git has of a committed evolution against the diff that was shown before its approval. Nothing here is the evolver's: diffs
//! are read anew, contents come from `git cat-file`.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{Evolution, FileChange};

use super::lab::Lab;

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Lines deleted and added.
    pub(super) lines: usize,
    /// Of them, lines that differ in blanks alone from one that they replace.
    pub(super) indented: usize,
    /// What differs from the diff that was shown, or changed without need; one text each.
    pub(super) beyond: Vec<String>,
}

/// The lines that a diff deletes and adds, by their places from 0.
#[derive(Debug, Default)]
struct Shown<'a> {
    deleted: BTreeMap<usize, &'a [u8]>,
    added: BTreeMap<usize, &'a [u8]>,
}

/// Compares a commit with the proposal that it was made of.
pub(super) fn compared(lab: &Lab, shown: &Evolution, commit: &str) -> Compared {
    let mut found = Compared::default();
    let text = |args: &[&str]| String::from_utf8(lab.git(args)).unwrap();
    let base = text(&["rev-parse", "main"]).trim().to_owned();
    let parents = text(&["rev-list", "--parents", "-n", "1", commit]);
    let parents: Vec<&str> = parents.split_whitespace().skip(1).collect();
    if parents != [base.as_str()] {
        found.beyond.push(format!("its parents are {parents:?}"));
    }
    let changed = changed_files(lab, &base, commit, &mut found);
    let named: BTreeSet<String> = shown.files.iter().map(|file| file.path.clone()).collect();
    for path in named.symmetric_difference(&changed) {
        found
            .beyond
            .push(format!("{path} is not in both the commit and the proposal"));
    }
    for file in shown
        .files
        .iter()
        .filter(|file| changed.contains(&file.path))
    {
        let before = match file.is_new {
            true => Vec::new(),
            false => lab.git(&["cat-file", "blob", &format!("{base}:{}", file.path)]),
        };
        let after = lab.git(&["cat-file", "blob", &format!("{commit}:{}", file.path)]);
        compare(file, &before, &after, &mut found);
    }
    found
}

/// The files that a commit changes; a mode that changed is told.
fn changed_files(lab: &Lab, base: &str, commit: &str, found: &mut Compared) -> BTreeSet<String> {
    let raw = lab.git(&["diff", "--raw", "--no-renames", "--no-abbrev", base, commit]);
    let raw = String::from_utf8(raw).unwrap();
    let mut changed = BTreeSet::new();
    for line in raw.lines() {
        let (modes, path) = line.split_once('\t').unwrap();
        changed.insert(path.to_owned());
        let words: Vec<&str> = modes.split(' ').collect();
        let is_kept = words[0] == format!(":{}", words[1]) || words[4] == "A";
        if !is_kept {
            found.beyond.push(format!("{path}: {modes}"));
        }
    }
    changed
}

fn compare(file: &FileChange, before: &[u8], after: &[u8], found: &mut Compared) {
    let path = &file.path;
    let (old, new) = (lines(before), lines(after));
    let shown = match shown(file.diff.as_bytes()) {
        Ok(shown) => shown,
        Err(why) => return found.beyond.push(format!("{path}: {why}")),
    };
    found.lines += shown.deleted.len() + shown.added.len();
    for (sides, lines) in [(&shown.deleted, &old), (&shown.added, &new)] {
        let wrong = sides
            .iter()
            .filter(|(at, line)| lines.get(**at) != Some(*line));
        let wrong = wrong.map(|(at, _)| format!("{path}:{}: not as it was shown", at + 1));
        found.beyond.extend(wrong);
    }
    let rest = |lines: &[&'_ [u8]], sides: &BTreeMap<usize, &[u8]>| -> Vec<Vec<u8>> {
        let kept = lines
            .iter()
            .enumerate()
            .filter(|(at, _)| !sides.contains_key(at));
        kept.map(|(_, line)| line.to_vec()).collect()
    };
    let (untouched, left) = (rest(&old, &shown.deleted), rest(&new, &shown.added));
    let differ = untouched.iter().zip(&left).filter(|(a, b)| a != b).count();
    let differ = differ + untouched.len().abs_diff(left.len());
    let differ = (0..differ).map(|_| format!("{path}: a line outside of the diff changed"));
    found.beyond.extend(differ);
    found.indented += blanks_alone(&shown, path, &mut found.beyond);
    if !file.is_new {
        found
            .beyond
            .extend(ends(&old, &new).map(|why| format!("{path}: {why}")));
    }
}

/// Lines as git counts them: each with its line feed.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Reads a unified diff of one file by the counts of its hunks.
fn shown(diff: &[u8]) -> Result<Shown<'_>, String> {
    let mut shown = Shown::default();
    let all = lines(diff);
    let mut rest = all.get(2..).ok_or("the diff has no names")?;
    while let Some((header, body)) = rest.split_first() {
        let header = String::from_utf8_lossy(header);
        let words: Vec<&str> = header.split_whitespace().collect();
        let ["@@", from, to, "@@", ..] = words.as_slice() else {
            return Err(format!("{header:?} is no hunk"));
        };
        let ((mut old, mut old_left), (mut new, mut new_left)) = (side(from)?, side(to)?);
        rest = body;
        while old_left > 0 || new_left > 0 {
            let (line, after) = rest.split_first().ok_or("a hunk is cut off")?;
            let has_end = !after.first().is_some_and(|next| next.starts_with(b"\\"));
            let end = if has_end { line.len() } else { line.len() - 1 };
            let (sign, content) = (line[0], &line[1..end]);
            if sign != b'+' {
                old_left = old_left.checked_sub(1).ok_or("a hunk is too long")?;
                if sign == b'-' {
                    shown.deleted.insert(old, content);
                }
                old += 1;
            }
            if sign != b'-' {
                new_left = new_left.checked_sub(1).ok_or("a hunk is too long")?;
                if sign == b'+' {
                    shown.added.insert(new, content);
                }
                new += 1;
            }
            rest = if has_end { after } else { &after[1..] };
        }
    }
    Ok(shown)
}

/// The first line of one side of a hunk, from 0, and how many it has.
fn side(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("{text} is no side of a hunk");
    let (first, count) = text[1..].split_once(',').unwrap_or((&text[1..], "1"));
    let first: usize = first.parse().map_err(|_| wrong())?;
    let count = count.parse().map_err(|_| wrong())?;
    Ok((if count == 0 { first } else { first - 1 }, count))
}

/// Lines that only blanks changed in; those that did not change at all are told as beyond.
fn blanks_alone(shown: &Shown<'_>, path: &str, beyond: &mut Vec<String>) -> usize {
    let stripped = |line: &[u8]| -> Vec<u8> {
        let kept = line.iter().filter(|byte| !byte.is_ascii_whitespace());
        kept.copied().collect()
    };
    let mut deleted: BTreeMap<Vec<u8>, Vec<&[u8]>> = BTreeMap::new();
    for line in shown.deleted.values() {
        deleted.entry(stripped(line)).or_default().push(line);
    }
    let mut count = 0;
    for (at, line) in &shown.added {
        let text = stripped(line);
        // A brace alone is like any other.
        if text.len() < 4 {
            continue;
        }
        let Some(old) = deleted.get_mut(&text).and_then(Vec::pop) else {
            continue;
        };
        count += 1;
        if old.ends_with(b"\r\n") != line.ends_with(b"\r\n")
            || old.trim_ascii_end() == line.trim_ascii_end() && old != *line
        {
            beyond.push(format!("{path}:{}: only its end changed", at + 1));
        }
    }
    count
}

/// What became of line ends, the byte order mark and the last line's end.
fn ends(old: &[&[u8]], new: &[&[u8]]) -> Option<String> {
    let kinds = |lines: &[&[u8]]| -> BTreeSet<bool> {
        let ended = lines.iter().filter(|line| line.ends_with(b"\n"));
        ended.map(|line| line.ends_with(b"\r\n")).collect()
    };
    let mark = |lines: &[&[u8]]| {
        lines
            .first()
            .is_some_and(|line| line.starts_with(b"\xef\xbb\xbf"))
    };
    let last = |lines: &[&[u8]]| lines.last().is_some_and(|line| line.ends_with(b"\n"));
    if !kinds(new).is_subset(&kinds(old)) {
        return Some("it has line ends that it had not".to_owned());
    }
    if mark(old) != mark(new) {
        return Some("its byte order mark changed".to_owned());
    }
    (last(old) != last(new)).then(|| "the end of its last line changed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beyond(before: &str, after: &str, diff: &str) -> (usize, usize) {
        let file = FileChange {
            path: "a.js".to_owned(),
            diff: format!("--- a/a.js\n+++ b/a.js\n{diff}"),
            ..FileChange::default()
        };
        let mut found = Compared::default();
        compare(&file, before.as_bytes(), after.as_bytes(), &mut found);
        (found.beyond.len(), found.indented)
    }

    #[test]
    fn what_was_not_shown_is_counted() {
        let diff = "@@ -1,3 +1,3 @@\n-var a\n+let a\n b\n c\n";
        assert_eq!(beyond("var a\nb\nc\n", "let a\nb\nc\n", diff), (0, 0));
        assert_eq!(beyond("var a\nb\nc\n", "let a\nb\nC\n", diff), (1, 0));
        assert_eq!(beyond("var a\nb\nc\n", "let  a\nb\nc\n", diff), (1, 0));
        assert_eq!(beyond("var a\nb\nc\n", "let a\nb\nc\nd\n", diff), (1, 0));
        assert_eq!(beyond("var a\nb\nc\n", "let a\r\nb\nc\n", diff), (2, 0));
        assert_eq!(beyond("var a\nb\nc\n", "nothing", "nonsense\n").0, 1);
    }

    #[test]
    fn lines_that_only_moved_aside_are_told_apart() {
        let diff = "@@ -1,1 +1,1 @@\n-  call(a);\n+call(a);\n";
        assert_eq!(beyond("  call(a);\n", "call(a);\n", diff), (0, 1));
        let end = "@@ -1,1 +1,1 @@\n-call(a);\r\n+call(a);\n";
        assert!(beyond("call(a);\r\n", "call(a);\n", end).0 > 0);
        let cut = "@@ -1,1 +1,1 @@\n-call(a);\n+call(a);\n\\ No newline at end of file\n";
        assert!(beyond("call(a);\n", "call(a);", cut).0 > 0);
    }
}
