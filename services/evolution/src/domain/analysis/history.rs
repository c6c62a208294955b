//! What `git log --numstat -z` tells of each file: how often it changes, how much, and by whom.

use std::collections::BTreeMap;

/// How `git log` is asked to write: each commit begins with a record of this form, which no path can be.
pub(crate) const FORMAT: &str = "--format=tformat:%x01%at%x02%aE%x02";

/// The changes of one file within the window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileHistory {
    /// Commits that touched it.
    pub(crate) commits: u32,
    /// Lines added and deleted.
    pub(crate) churned_lines: u64,
    /// Commits of each author, by address.
    pub(crate) authors: BTreeMap<String, u32>,
}

impl FileHistory {
    /// Adds a commit with its counts of lines; a binary file has `-` for both.
    fn add(&mut self, added: &str, deleted: &str, author: &str) {
        self.commits += 1;
        self.churned_lines +=
            added.parse::<u64>().unwrap_or(0) + deleted.parse::<u64>().unwrap_or(0);
        *self.authors.entry(author.to_owned()).or_default() += 1;
    }

    /// The main author's share of the commits, 0..1.
    pub(crate) fn main_author_share(&self) -> f64 {
        let main = self.authors.values().max().copied().unwrap_or(0);
        f64::from(main) / f64::from(self.commits.max(1))
    }
}

/// The changes of a project within the window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// By the path that a file has today.
    pub(crate) files: BTreeMap<String, FileHistory>,
    /// Commits read.
    pub(crate) commits: u32,
}

/// Reads the log, newest commit first. Changes under an older name count for the name of today. What is cut off at the end is
/// left out.
pub(crate) fn read(log: &[u8]) -> History {
    let mut history = History::default();
    let mut renames = Renames::default();
    let mut author = String::new();
    let mut records = log.split(|byte| *byte == 0);
    while let Some(record) = records.next() {
        let record = String::from_utf8_lossy(record);
        let record = record.trim_start_matches('\n');
        if let Some(head) = record.strip_prefix('\u{1}') {
            author = author_of(head);
            history.commits += 1;
            continue;
        }
        let mut parts = record.splitn(3, '\t');
        let (Some(added), Some(deleted), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let path = if path.is_empty() {
            let (Some(old), Some(new)) = (records.next(), records.next()) else {
                break;
            };
            renames.add(old, new)
        } else {
            renames.today(path)
        };
        history
            .files
            .entry(path)
            .or_default()
            .add(added, deleted, &author);
    }
    history
}

/// The address in the record that begins a commit.
fn author_of(head: &str) -> String {
    let address = head.split('\u{2}').nth(1).unwrap_or_default();
    address.to_lowercase()
}

/// The names that files have today, by their older ones.
#[derive(Default)]
struct Renames(BTreeMap<String, String>);

impl Renames {
    /// Adds a rename; gives the name of today.
    fn add(&mut self, old: &[u8], new: &[u8]) -> String {
        let today = self.today(&String::from_utf8_lossy(new));
        self.0
            .insert(String::from_utf8_lossy(old).into_owned(), today.clone());
        today
    }

    fn today(&self, path: &str) -> String {
        let today = self.0.get(path).cloned();
        today.unwrap_or_else(|| path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_keeps_its_history() {
        let log = b"\x01200\x02B@x\x02\0\n1\t0\t\0a.js\0b.js\0\x01100\x02a@x\x02\0\n3\t2\ta.js\0-\t-\tlogo.png\0";
        let history = read(log);
        assert_eq!(history.commits, 2);
        let file = &history.files["b.js"];
        assert_eq!((file.commits, file.churned_lines), (2, 6));
        assert_eq!(file.authors.len(), 2);
        assert!((file.main_author_share() - 0.5).abs() < 1e-9);
        assert_eq!(history.files["logo.png"].churned_lines, 0);
        assert!(!history.files.contains_key("a.js"));
    }

    #[test]
    fn names_with_tabs_and_a_cut_end_are_read() {
        let history = read(b"\x01200\x02a@x\x02\0\n1\t0\tod\td.js\x002\t1\t\0gone.js");
        assert_eq!(history.files.len(), 1);
        assert_eq!(history.files["od\td.js"].churned_lines, 1);
    }
}
