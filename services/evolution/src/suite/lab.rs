//! One package as a user's project, and the service's own rooms to work on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_proto::evolution::v1::Evolution;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::lifecycle::Shutdown;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::own_tests::{self, Own};
use super::packages::{Package, run};
use crate::config::Config;
use crate::engine::{Decision, Engine};
use crate::error::EvolutionError;
use crate::evolver::Watch;
use crate::peers::Peers;
use crate::store::Store;
use crate::tool_host::ProgressSink;

/// A package's repository, trusted, and a service with a data folder of its own.
pub(super) struct Lab {
    pub(super) package: Package,
    pub(super) engine: Engine,
    pub(super) root: PathBuf,
    pub(super) cancel: CancellationToken,
    source: PathBuf,
    before: BTreeMap<PathBuf, blake3::Hash>,
    folder: TempDir,
    _background: BackgroundTasks,
}

impl Lab {
    pub(super) fn new(package: &Package, source: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        std::fs::create_dir(&root).unwrap();
        run(
            &root,
            "cp",
            &["-a", &format!("{}/.", source.display()), "."],
        )
        .unwrap();
        commit(&root);
        let background = BackgroundTasks::new("suite", &Shutdown::new());
        let engine = engine(&folder.path().join("data"), &root, &background);
        Self {
            package: package.clone(),
            engine,
            cancel: CancellationToken::new(),
            source: source.to_path_buf(),
            before: hashes(&root),
            root,
            folder,
            _background: background,
        }
    }

    /// What git prints.
    pub(super) fn git(&self, args: &[&str]) -> Vec<u8> {
        run(&self.root, "git", args).unwrap()
    }

    /// The files of a commit in a folder of their own, with the package's packages linked.
    pub(super) fn checkout(&self, commit: &str) -> TempDir {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let archive = folder.path().join(".archive.tar");
        let output = format!("--output={}", archive.display());
        self.git(&["archive", "--format=tar", &output, commit]);
        run(folder.path(), "tar", &["xf", ".archive.tar"]).unwrap();
        std::fs::remove_file(archive).unwrap();
        let packages = self.source.join("node_modules");
        if packages.is_dir() {
            std::os::unix::fs::symlink(
                packages.canonicalize().unwrap(),
                folder.path().join("node_modules"),
            )
            .unwrap();
        }
        folder
    }

    /// The package's own tests at a commit, as its authors start them.
    pub(super) fn own_tests(&self, commit: &str) -> Own {
        let folder = self.checkout(commit);
        own_tests::run(folder.path(), &self.package.test)
    }

    /// Approves a proposal.
    pub(super) async fn approve(&self, evolution: &Evolution) -> Result<Evolution, EvolutionError> {
        let decision = Decision {
            evolution_id: evolution.evolution_id.clone(),
            approve: true,
            ..Decision::default()
        };
        let watch = Watch {
            progress: &ProgressSink::none(),
            on_check: &|_| {},
            cancel: &self.cancel,
        };
        self.engine.decide(decision, watch).await
    }

    /// What the steps left where nothing may be left; empty if nothing.
    pub(super) fn left(&self) -> String {
        let mut left = String::new();
        let now = hashes(&self.root);
        let changed = now
            .iter()
            .filter(|(path, hash)| self.before.get(*path) != Some(*hash))
            .map(|(path, _)| path);
        let gone = self.before.keys().filter(|path| !now.contains_key(*path));
        if let Some(path) = changed.chain(gone).next() {
            write!(left, "{} of the user's tree changed; ", path.display()).unwrap();
        }
        let worktrees = String::from_utf8(self.git(&["worktree", "list"])).unwrap();
        if worktrees.lines().count() > 1 {
            write!(left, "worktrees: {worktrees}; ").unwrap();
        }
        for name in ["worktrees", "runs"] {
            let folder = self.folder.path().join("data/evolution").join(name);
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_name() != "tmp") {
                write!(left, "{}; ", entry.path().display()).unwrap();
            }
        }
        left
    }
}

/// Makes a repository of a folder, with all its files committed.
fn commit(root: &Path) {
    let lines: [&[&str]; 4] = [
        &["init", "-q", "-b", "main"],
        &["config", "core.autocrlf", "false"],
        &["add", "-A"],
        &[
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.org",
            "commit",
            "-q",
            "-m",
            "The package as it is published",
        ],
    ];
    for args in lines {
        run(root, "git", args).unwrap();
    }
}

fn engine(data_dir: &Path, root: &Path, background: &BackgroundTasks) -> Engine {
    std::fs::create_dir_all(data_dir).unwrap();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node/evolution");
    std::fs::create_dir_all(&tools).unwrap();
    std::os::unix::fs::symlink(tools.canonicalize().unwrap(), data_dir.join("tools")).unwrap();
    let config = Config {
        roots: Vec::new(),
        trusted: vec![root.to_path_buf()],
        node: None,
        idle: Duration::from_secs(60),
        host_memory_mib: 700,
        timeout: Duration::from_secs(1_800),
        test_timeout: Duration::from_secs(600),
        parallel: 2,
        data_dir: data_dir.to_path_buf(),
        supervisor: None,
    };
    let store = Store::open(data_dir).unwrap();
    Engine::open(Arc::new(config), store, Peers::default(), background).unwrap()
}

/// All files below the project but git's own, packages too.
fn hashes(root: &Path) -> BTreeMap<PathBuf, blake3::Hash> {
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    let files = walk
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    files
        .map(|entry| {
            let text = std::fs::read(entry.path()).unwrap();
            (entry.into_path(), blake3::hash(&text))
        })
        .collect()
}
