//! The commit and the branch that a repository stands on, read from its files where these alone tell them.
//!
//! Wherever git might answer otherwise there is no answer, and git is asked: a `HEAD` that is a link or names no branch, refs
//! that are kept in another form, a branch whose short name another ref has, too. See gitrepository-layout(5) and
//! gitrevisions(7).

use std::io::ErrorKind;
use std::path::Path;

/// A larger file of packed refs is left to git.
const MAX_PACKED_BYTES: u64 = 1 << 20;

/// Where a repository stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The commit, in hexadecimal.
    pub(super) commit: String,
    /// Its short name; empty for a detached `HEAD`.
    pub(super) branch: String,
}

/// What the files in `.git` tell; `None` where git is to be asked.
pub(super) fn read(git_dir: &Path) -> Option<Head> {
    let file = git_dir.join("HEAD");
    if !file.symlink_metadata().ok()?.is_file() || git_dir.join("reftable").exists() {
        return None;
    }
    let head = std::fs::read_to_string(file).ok()?;
    let head = head.strip_suffix('\n')?;
    let Some(name) = head.strip_prefix("ref: ") else {
        return is_commit(head).then(|| Head {
            commit: head.to_owned(),
            branch: String::new(),
        });
    };
    let branch = name.strip_prefix("refs/heads/")?;
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    if !branch.split('/').all(is_plain) {
        return None;
    }
    let packed = packed_refs(git_dir)?;
    if is_ambiguous(git_dir, branch, &packed) {
        return None;
    }
    let commit = match std::fs::read_to_string(git_dir.join(name)) {
        Ok(loose) => loose.strip_suffix('\n')?.to_owned(),
        Err(why) if why.kind() == ErrorKind::NotFound => packed_commit(&packed, name)?.to_owned(),
        Err(_) => return None,
    };
    is_commit(&commit).then(|| Head {
        commit,
        branch: branch.to_owned(),
    })
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The file of packed refs; empty if there is none.
fn packed_refs(git_dir: &Path) -> Option<String> {
    let file = git_dir.join("packed-refs");
    match file.metadata() {
        Ok(metadata) if metadata.len() > MAX_PACKED_BYTES => None,
        Ok(_) => std::fs::read_to_string(file).ok(),
        Err(why) if why.kind() == ErrorKind::NotFound => Some(String::new()),
        Err(_) => None,
    }
}

fn packed_commit<'a>(packed: &'a str, name: &str) -> Option<&'a str> {
    let mut refs = packed.lines().filter_map(|line| line.split_once(' '));
    refs.find_map(|(commit, packed_name)| (packed_name == name).then_some(commit))
}

/// Whether the short name may stand for another ref as well, which git would tell by a longer name.
fn is_ambiguous(git_dir: &Path, branch: &str, packed: &str) -> bool {
    let others = [
        branch.to_owned(),
        format!("refs/{branch}"),
        format!("refs/tags/{branch}"),
        format!("refs/remotes/{branch}"),
        format!("refs/remotes/{branch}/HEAD"),
    ];
    others.iter().any(|other| {
        git_dir.join(other).symlink_metadata().is_ok() || packed_commit(packed, other).is_some()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(folder).args(["-c", "user.name=t"]);
        command.args(["-c", "user.email=t@example.com"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What git tells, as the evidence of a checkpoint has it.
    fn told(folder: &Path) -> Head {
        let answer = git(folder, &["rev-parse", "HEAD", "--abbrev-ref", "HEAD"]);
        let (commit, branch) = answer.trim_end().split_once('\n').unwrap();
        Head {
            commit: commit.to_owned(),
            branch: branch.replace("HEAD", ""),
        }
    }

    #[test]
    fn the_files_tell_what_git_tells_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let git_dir = path.join(".git");
        git(path, &["init", "-q", "-b", "main"]);
        assert_eq!(read(&git_dir), None, "nothing is committed");
        git(path, &["commit", "-q", "--allow-empty", "-m", "1"]);
        assert_eq!(read(&git_dir), Some(told(path)));
        git(path, &["checkout", "-q", "-b", "deep/er"]);
        git(path, &["commit", "-q", "--allow-empty", "-m", "2"]);
        assert_eq!(read(&git_dir), Some(told(path)));
        git(path, &["pack-refs", "--all"]);
        assert_eq!(read(&git_dir), Some(told(path)), "packed");
        git(path, &["commit", "-q", "--allow-empty", "-m", "3"]);
        assert_eq!(
            read(&git_dir),
            Some(told(path)),
            "a loose ref hides a packed one"
        );
        git(path, &["checkout", "-q", "--detach"]);
        assert_eq!(read(&git_dir), Some(told(path)), "detached");
        git(path, &["checkout", "-q", "main"]);
        git(path, &["tag", "main"]);
        assert_eq!(read(&git_dir), None, "a tag has the branch's name");
        git(path, &["pack-refs", "--all"]);
        assert_eq!(read(&git_dir), None, "and packed");
        std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/../../x\n").unwrap();
        assert_eq!(read(&git_dir), None);
    }
}
