//! What the files of a repository tell without git: its folder, where it stands, and whether its work tree is as git saw it
//! last.

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use nix::unistd::geteuid;
use shim_proto::checkpoint::v1::WorkTree;
use shim_runtime::git::Configuration;

use super::head::{self, Head};
use super::tree_signature::{self, Ignored, TreeSignature};

/// Work trees that are remembered.
const MAX_KNOWN: usize = 4;
/// More paths that git ignores are not remembered, and then neither is the work tree.
const MAX_IGNORED: usize = 2_000;

static KNOWN: Mutex<VecDeque<KnownTree>> = Mutex::new(VecDeque::new());

/// What git said of a work tree last.
struct KnownTree {
    top: PathBuf,
    ignored: Arc<Ignored>,
    /// The answer, and the signature before it was given.
    answer: Option<(TreeSignature, WorkTree)>,
}

/// What the files tell.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The folder's number and birth, see [`id`]; empty without a repository.
    pub(super) id: String,
    /// Where it stands, if its files tell.
    pub(super) head: Option<Head>,
    /// The work tree, if it is as git saw it last.
    pub(super) work_tree: Option<WorkTree>,
    /// What is needed to remember git's next answer; `None` where it is not to be remembered.
    pub(super) question: Option<Question>,
}

/// A question to git, about a work tree as it was when it was asked.
#[derive(Debug)]
pub(super) struct Question {
    top: PathBuf,
    signature: Option<TreeSignature>,
    ignored: Arc<Ignored>,
}

/// Looks at the files around `folder`. It reads some small files, and the metadata of the work tree.
pub(super) fn look(folder: &Path) -> Seen {
    let mut seen = Seen {
        id: id(folder),
        ..Seen::default()
    };
    let Some(top) = own_top(folder) else {
        return seen;
    };
    let Some(configuration) = Configuration::read(folder) else {
        return seen;
    };
    seen.head = head::read(&top.join(".git"));
    let Some(head) = &seen.head else {
        return seen;
    };
    let (ignored, answer) = recall(&top);
    let signature = tree_signature::take(&top, head, &configuration, &ignored);
    seen.work_tree = answer
        .filter(|(known, _)| Some(*known) == signature)
        .map(|(_, work_tree)| work_tree);
    seen.question = Some(Question {
        top,
        signature,
        ignored,
    });
    seen
}

/// What tells the repository's folder around `folder` from another at the same path: the number and the birth of its
/// `.git`, which a rename leaves as they are. Empty without one.
pub(super) fn id(folder: &Path) -> String {
    let mut above = folder.ancestors();
    let found = above.find_map(|above| above.join(".git").symlink_metadata().ok());
    let Some(found) = found else {
        return String::new();
    };
    let born = found.created().ok();
    let born = born.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |since| since.as_nanos());
    format!("{:x}-{born:x}", found.ino())
}

/// The top of the work tree around a folder, where git would surely find it, too: its `.git` is a folder of this user's on
/// the same file system.
fn own_top(folder: &Path) -> Option<PathBuf> {
    let is_limited = |name| std::env::var_os(name).is_some_and(|it| !it.is_empty());
    if is_limited("GIT_CEILING_DIRECTORIES") {
        return None;
    }
    let folder = std::fs::canonicalize(folder).ok()?;
    let device = folder.metadata().ok()?.dev();
    let top = folder
        .ancestors()
        .find(|above| above.join(".git").exists())?;
    let user = geteuid().as_raw();
    let is_own = |path: &Path| {
        let it = path.symlink_metadata().ok();
        it.is_some_and(|it| it.is_dir() && it.uid() == user && it.dev() == device)
    };
    (is_own(top) && is_own(&top.join(".git"))).then(|| top.to_path_buf())
}

fn recall(top: &Path) -> (Arc<Ignored>, Option<(TreeSignature, WorkTree)>) {
    let known = known();
    let found = known.iter().find(|known| known.top == top);
    found.map_or_else(Default::default, |found| {
        (found.ignored.clone(), found.answer.clone())
    })
}

impl Question {
    /// Remembers what git answered. The signature is older than the answer: whatever changed since is a question anew. One
    /// that was taken over other paths than git ignores now is of no use.
    pub(super) fn remember(self, ignored: Ignored, work_tree: &WorkTree) {
        let mut known = known();
        known.retain(|known| known.top != self.top);
        if ignored.len() > MAX_IGNORED {
            return;
        }
        let signature = self.signature.filter(|_| *self.ignored == ignored);
        known.truncate(MAX_KNOWN - 1);
        known.push_front(KnownTree {
            top: self.top,
            ignored: Arc::new(ignored),
            answer: signature.map(|signature| (signature, work_tree.clone())),
        });
    }
}

fn known() -> MutexGuard<'static, VecDeque<KnownTree>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;
    use std::time::{Duration, Instant};

    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    use super::super::work_tree;
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(folder).args(["-c", "user.name=t"]);
        command.args(["-c", "user.email=t@example.com"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        git(path, &["init", "-q"]);
        std::fs::create_dir_all(path.join("src/deep")).unwrap();
        for file in ["src/a", "src/deep/b", "c"] {
            std::fs::write(path.join(file), file).unwrap();
        }
        std::fs::write(path.join(".gitignore"), "out/\n*.log\n").unwrap();
        git(path, &["add", "."]);
        git(path, &["commit", "-q", "-m", "begin"]);
        folder
    }

    /// What the gateway takes for the state of the tree, and whether git was asked.
    async fn seen(folder: &Path) -> (WorkTree, bool) {
        let seen = look(folder);
        match seen.work_tree {
            Some(work_tree) => (work_tree, false),
            None => {
                let asked = work_tree::inspect(folder, seen.question).await;
                (asked.unwrap(), true)
            }
        }
    }

    /// Asks until git need not be asked any more.
    async fn settle(folder: &Path) {
        let begun = Instant::now();
        while seen(folder).await.1 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "never remembered"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_tree_that_did_not_change_is_not_asked_for_again() {
        let folder = repository();
        let path = folder.path();
        std::fs::create_dir(path.join("out")).unwrap();
        std::fs::write(path.join("out/first"), "built").unwrap();
        std::fs::write(path.join("c"), "changed").unwrap();
        settle(path).await;
        assert_eq!(seen(path).await.0.paths, ["c"]);
        std::fs::write(path.join("out/object"), "built").unwrap();
        assert!(!seen(path).await.1, "git ignores the folder");
        std::fs::write(path.join("c"), "c").unwrap();
        assert_eq!(seen(path).await, (WorkTree::default(), true));
        std::fs::write(path.join(".git/info/exclude"), "new\n").unwrap();
        std::fs::write(path.join("new"), "").unwrap();
        assert_eq!(seen(path).await, (WorkTree::default(), true));
    }

    #[tokio::test]
    async fn what_git_may_see_otherwise_is_left_to_git() {
        let folder = repository();
        let path = folder.path();
        git(path, &["config", "core.excludesFile", "/nowhere"]);
        assert!(look(path).question.unwrap().signature.is_none());
        git(path, &["config", "--unset", "core.excludesFile"]);
        git(path, &["init", "-q", "below"]);
        assert!(look(path).question.unwrap().signature.is_none());
        let linked = tempfile::tempdir().unwrap();
        let to = linked.path().join("w");
        git(path, &["worktree", "add", "-q", to.to_str().unwrap()]);
        assert!(look(&to).head.is_none() && look(&to).question.is_none());
        assert!(look(linked.path()).question.is_none(), "no repository");
    }

    /// Random changes of all kinds, some within the same tick of the file system's clock: what is remembered is what git says.
    #[tokio::test]
    async fn no_change_is_overlooked() {
        let seed = rand::random::<u64>();
        eprintln!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let folder = repository();
        let path = folder.path();
        let names = [
            "src/a",
            "src/deep/b",
            "c",
            "new",
            "src/new",
            "out/x",
            "a.log",
        ];
        let mut remembered = 0;
        for _ in 0..60 {
            let name = path.join(names.choose(&mut rng).unwrap());
            let _ = std::fs::create_dir_all(name.parent().unwrap());
            match rng.random_range(0..8) {
                0 => drop(std::fs::remove_file(&name)),
                1 => drop(std::fs::rename(&name, path.join("src/moved"))),
                2 => git(path, &["add", "-A"]),
                3 => git(path, &["commit", "-q", "--allow-empty", "-m", "x"]),
                4 => git(path, &["reset", "-q", "--hard"]),
                5 => tokio::time::sleep(Duration::from_millis(150)).await,
                // The same size each time.
                _ => std::fs::write(&name, format!("{}", rng.random_range(0..10))).unwrap(),
            }
            for _ in 0..rng.random_range(1..4) {
                let (tree, was_asked) = seen(path).await;
                remembered += usize::from(!was_asked);
                assert_eq!(
                    Some(tree),
                    work_tree::inspect(path, None).await,
                    "seed {seed}"
                );
            }
        }
        eprintln!("git was not asked {remembered} times");
    }
}
