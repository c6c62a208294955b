//! The database of the evolution service, and what its work may have left behind.

use std::path::Path;

use shim_evolution::{Integrity, database_path, inspect, set_aside, worktrees};
use shim_render::figures::{bytes, count};

use super::check::Check;
use crate::sessions::set_aside_line;

const NAME: &str = "evolutions";

/// `is_served`: a stack works on the folder.
pub(super) fn check(folder: &Path, is_served: bool) -> Vec<Check> {
    if !folder.exists() {
        return Vec::new();
    }
    let mut checks = vec![database(folder)];
    checks.extend(set_aside(folder).iter().map(|file| {
        Check::warn(
            NAME,
            set_aside_line(file),
            "`shim evolve list` shows what is there; remove the file once you need nothing of it",
        )
    }));
    let left = worktrees(folder) as u64;
    if left > 0 && !is_served {
        checks.push(Check::warn(
            NAME,
            format!(
                "{} left by a process that was killed",
                count(left, "worktree")
            ),
            "`shim up` removes them when it starts",
        ));
    }
    checks
}

fn database(folder: &Path) -> Check {
    let path = database_path(folder);
    match inspect(folder) {
        Integrity::Absent => Check::ok(NAME, "no database yet; the first start makes it"),
        Integrity::Intact => {
            let size = std::fs::metadata(&path).map_or(0, |meta| meta.len());
            Check::ok(NAME, format!("the database is intact, {}", bytes(size)))
        }
        Integrity::Damaged(what) => Check::fail(
            NAME,
            format!("the database is damaged: {what}"),
            "restart the stack: it sets the file aside and carries over what can be read",
        ),
        Integrity::Refused(why) => Check::fail(
            NAME,
            format!("the stack refuses {}: {why}", path.display()),
            "mend that, update SHIM if a newer one wrote it, or go back with `shim sessions restore-backup FILE`",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::doctor::check::Verdict;

    #[test]
    fn a_damaged_database_and_worktrees_that_were_left_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let verdicts = |is_served| {
            let checks = check(folder.path(), is_served);
            checks.iter().map(|check| check.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(false), [Verdict::Ok]);
        let worktree = folder.path().join("evolution/worktrees/one");
        std::fs::create_dir_all(worktree).unwrap();
        assert_eq!(verdicts(false), [Verdict::Ok, Verdict::Warn]);
        assert_eq!(verdicts(true), [Verdict::Ok]);
        std::fs::write(database_path(folder.path()), [b'x'; 5_000]).unwrap();
        assert_eq!(verdicts(true), [Verdict::Fail]);
        assert_eq!(check(&folder.path().join("none"), true).len(), 0);
    }
}
