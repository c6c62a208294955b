//! Whether anything on the disk matches a pattern, so that a misspelt one is noticed when it is given.
//!
//! A look is bounded in time and in entries; what could not be told within the bounds counts as there.

use std::path::Path;
use std::time::{Duration, Instant};

use super::char_class::CharClass;
use super::glob::{self, Budget, Pattern};
use super::glob_parts::{Name, Piece, Readings};

/// Entries of folders that one look sees.
const MAX_ENTRIES: usize = 20_000;
/// How long one look may take.
const MAX_TIME: Duration = Duration::from_millis(300);
/// Holds git's own files, which no pattern means.
const GIT: &str = ".git";

/// The patterns that nothing below `root` matches now. What is no pattern is left out.
#[must_use]
pub fn unmatched(root: &Path, patterns: &[String]) -> Vec<String> {
    let mut look = Look {
        entries_left: MAX_ENTRIES,
        deadline: Instant::now() + MAX_TIME,
        budget: Budget::per_decision(),
    };
    let matches_nothing = |text: &&String| {
        Pattern::parse(text).is_ok_and(|pattern| {
            let mut routes = pattern.routes().iter();
            routes.all(|route| look.finds(root, route) == Some(false))
        })
    };
    patterns.iter().filter(matches_nothing).cloned().collect()
}

struct Look {
    entries_left: usize,
    deadline: Instant,
    budget: Budget,
}

impl Look {
    /// Whether something below `folder`, which is there, fits the names; `None` if the bounds were reached.
    fn finds(&mut self, folder: &Path, names: &[Piece<Readings>]) -> Option<bool> {
        match names {
            [] | [Piece::Run] => Some(true),
            [Piece::One(readings), rest @ ..] => {
                for name in readings {
                    let found = match glob::spelled_out(name) {
                        Some(name) => self.goes_on(&folder.join(name), rest),
                        None => self.finds_any(folder, Some(name), rest),
                    };
                    if found != Some(false) {
                        return found;
                    }
                }
                Some(false)
            }
            [Piece::Run, rest @ ..] => match self.finds(folder, rest) {
                Some(false) => self.finds_any(folder, None, names),
                found => found,
            },
        }
    }

    /// The same in a place that may be absent or a file.
    fn goes_on(&mut self, place: &Path, rest: &[Piece<Readings>]) -> Option<bool> {
        match rest {
            [] | [Piece::Run] => Some(place.symlink_metadata().is_ok()),
            _ if place.is_dir() => self.finds(place, rest),
            _ => Some(false),
        }
    }

    /// The same below any entry of `folder`: below those that `name` fits, or, without a name, below any folder.
    fn finds_any(
        &mut self,
        folder: &Path,
        name: Option<&Name>,
        rest: &[Piece<Readings>],
    ) -> Option<bool> {
        let Ok(entries) = folder.read_dir() else {
            return Some(false);
        };
        for entry in entries.flatten() {
            self.entries_left = self.entries_left.checked_sub(1)?;
            if Instant::now() > self.deadline {
                return None;
            }
            let file_name = entry.file_name();
            let Some(entry_name) = file_name.to_str().filter(|name| *name != GIT) else {
                continue;
            };
            let found = match name {
                Some(name) if self.fits(name, entry_name) => self.goes_on(&entry.path(), rest)?,
                None if entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                    self.finds(&entry.path(), rest)?
                }
                _ => false,
            };
            if found {
                return Some(true);
            }
        }
        Some(false)
    }

    fn fits(&mut self, name: &Name, entry: &str) -> bool {
        let itself = |c| Piece::One(CharClass::One(c));
        let entry: Name = entry.chars().map(itself).collect();
        glob::names_meet(name, &entry, &mut self.budget)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_nothing_matches_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("src/deep/er")).unwrap();
        std::fs::create_dir_all(root.join(".git/objects")).unwrap();
        std::fs::create_dir_all(root.join("empty")).unwrap();
        std::fs::write(root.join("src/deep/er/a.rs"), "").unwrap();
        std::fs::write(root.join("[id].ts"), "").unwrap();
        for there in [
            ".",
            "**",
            "src",
            "src/**",
            "**/*.rs",
            "src/*/er/?.rs",
            "**/a.*",
            "{x,src}/deep",
            r"\[id\].ts",
            "empty/",
            "*.ts",
            "src/**/er/**",
            "[id].ts",
        ] {
            assert_eq!(unmatched(root, &[there.to_owned()]), [""; 0], "{there}");
        }
        for nothing in [
            "srx",
            "src/b.rs",
            "src/*.rs",
            "**/*.py",
            "{x,y}",
            "[di].ts",
            "src/deep/er/a.rs/x",
            "**/objects",
            "empty/*",
        ] {
            assert_eq!(unmatched(root, &[nothing.to_owned()]), [nothing]);
        }
    }

    #[test]
    fn what_cannot_be_told_in_time_counts_as_there() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..10 {
            std::fs::write(folder.path().join(i.to_string()), "").unwrap();
        }
        let mut look = Look {
            entries_left: 5,
            deadline: Instant::now() + MAX_TIME,
            budget: Budget::per_decision(),
        };
        let pattern = Pattern::parse("**/*.rs").unwrap();
        assert_eq!(look.finds(folder.path(), &pattern.routes()[0]), None);
    }
}
