//! Where names lead: one file has one path, whatever links and spellings lead to it.
//!
//! What is not there yet has the path that it would be made at: that of the deepest folder that is there, and the rest as
//! written.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links on the way to one file; the kernel gives up after as many.
const MAX_LINKS: usize = 40;
/// Entries of one folder that are looked through for the spelling of a name.
const MAX_ENTRIES: usize = 20_000;

/// Why a name has no place in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It leads out of it.
    #[error("leads through a link to {target:?}, which is outside of {root:?}")]
    Outside {
        /// What was named.
        target: PathBuf,
        /// The workspace's root.
        root: PathBuf,
    },
    /// It leads nowhere.
    #[error("holds the link {0:?}, which leads in a circle")]
    Circle(PathBuf),
}

/// The whole path as the kernel would go it, without links, "." and "..". Where nothing is there, the rest stays as written.
///
/// # Errors
/// [`LinkError::Circle`].
pub fn real(path: &Path) -> Result<PathBuf, LinkError> {
    let mut rest: VecDeque<Step> = steps(path).collect();
    let (mut place, mut links) = (PathBuf::from("/"), 0);
    while let Some(step) = rest.pop_front() {
        let name = match step {
            Step::Root => {
                place = PathBuf::from("/");
                continue;
            }
            Step::Up => {
                place.pop();
                continue;
            }
            Step::Down(name) => name,
        };
        let next = place.join(&name);
        let Ok(entry) = next.symlink_metadata() else {
            place = next;
            continue;
        };
        if !entry.is_symlink() {
            place.push(spelling(&place, &name, &entry));
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(LinkError::Circle(path.to_path_buf()));
        }
        let Ok(target) = next.read_link() else {
            place = next;
            continue;
        };
        let ahead: Vec<Step> = steps(&target).collect();
        ahead
            .into_iter()
            .rev()
            .for_each(|step| rest.push_front(step));
    }
    Ok(place)
}

/// Where the entry `name` of `folder`, which has no links itself, really is: `None` if it is there under this name, or not
/// at all.
///
/// # Errors
/// [`LinkError::Circle`].
pub(super) fn moved(folder: &Path, name: &str) -> Result<Option<PathBuf>, LinkError> {
    let found = folder.join(name);
    let Ok(entry) = found.symlink_metadata() else {
        return Ok(None);
    };
    if entry.is_symlink() {
        return real(&found).map(Some);
    }
    let spelling = spelling(folder, name.as_ref(), &entry);
    Ok((spelling != name).then(|| folder.join(spelling)))
}

/// One step of a path.
enum Step {
    Root,
    Up,
    Down(OsString),
}

fn steps(path: &Path) -> impl Iterator<Item = Step> {
    path.components().filter_map(|part| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

/// The name as its folder lists it: some file systems find it by another case, too.
fn spelling(folder: &Path, name: &OsStr, entry: &Metadata) -> OsString {
    let is_same = |other: &Metadata| (other.dev(), other.ino()) == (entry.dev(), entry.ino());
    let other_case = name.to_str().map(in_other_case);
    let ignores_case = other_case.is_some_and(|other| {
        *other != *name
            && folder
                .join(other)
                .symlink_metadata()
                .is_ok_and(|other| is_same(&other))
    });
    if !ignores_case {
        return name.to_owned();
    }
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names: Vec<OsString> = entries
        .take(MAX_ENTRIES)
        .map(|entry| entry.file_name())
        .collect();
    listed_as(name, &names)
}

fn in_other_case(name: &str) -> String {
    let turned = |c: char| {
        if c.is_ascii_lowercase() {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        }
    };
    name.chars().map(turned).collect()
}

/// The entry itself, if it is listed, else the one that differs in case only.
fn listed_as(name: &OsStr, names: &[OsString]) -> OsString {
    if names.iter().any(|listed| listed == name) {
        return name.to_owned();
    }
    let lower = |name: &OsStr| name.to_string_lossy().to_lowercase();
    let wanted = lower(name);
    let listed = names.iter().find(|listed| lower(listed) == wanted);
    listed.map_or_else(|| name.to_owned(), Clone::clone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_leads_where_the_kernel_would_go() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("src/deep")).unwrap();
        std::fs::write(home.join("src/a.rs"), "").unwrap();
        symlink("src", home.join("link")).unwrap();
        symlink(home.join("link/deep"), home.join("far")).unwrap();
        symlink("../src/a.rs", home.join("src/again.rs")).unwrap();
        symlink("new/file.rs", home.join("dangling")).unwrap();
        for (written, expected) in [
            ("src/a.rs", "src/a.rs"),
            ("link/a.rs", "src/a.rs"),
            ("link/new.rs", "src/new.rs"),
            ("link/*/x", "src/*/x"),
            ("far/../a.rs", "src/a.rs"),
            ("gone/../link/a.rs", "src/a.rs"),
            ("src/again.rs", "src/a.rs"),
            ("dangling", "new/file.rs"),
            ("dangling/below", "new/file.rs/below"),
            ("./link/.", "src"),
        ] {
            assert_eq!(
                real(&home.join(written)),
                Ok(home.join(expected)),
                "{written}"
            );
        }
        assert_eq!(moved(&home, "src"), Ok(None));
        assert_eq!(moved(&home, "gone"), Ok(None));
        assert_eq!(moved(&home, "far"), Ok(Some(home.join("src/deep"))));
    }

    #[test]
    fn a_circle_of_links_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        symlink("b", home.join("a")).unwrap();
        symlink("a", home.join("b")).unwrap();
        symlink("self/below", home.join("self")).unwrap();
        for name in ["a", "b/x", "self"] {
            let refused = real(&home.join(name)).unwrap_err();
            assert!(refused.to_string().contains("circle"), "{refused}");
        }
    }

    #[test]
    fn where_case_is_ignored_the_listed_name_counts() {
        let names = ["Src", "README.md", "größe"].map(OsString::from);
        for (typed, expected) in [
            ("src", "Src"),
            ("Src", "Src"),
            ("readme.MD", "README.md"),
            ("GRÖSSE", "GRÖSSE"),
            ("GRÖßE", "größe"),
        ] {
            assert_eq!(listed_as(typed.as_ref(), &names), expected);
        }
        // Two names of one file, where case counts.
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        std::fs::hard_link(folder.path().join("a"), folder.path().join("A")).unwrap();
        assert_eq!(moved(folder.path(), "a"), Ok(None));
        assert_eq!(moved(folder.path(), "A"), Ok(None));
    }
}
