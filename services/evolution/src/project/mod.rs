//! A JavaScript or TypeScript project: its root, its files, its habits, whether its code may run.

mod content;
mod error;
mod git;
mod language;
mod package;
mod seen_files;
mod source_files;
#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_proto::evolution::v1::Project as ProjectMessage;
use shim_runtime::service::BoxFuture;

pub(crate) use error::ProjectError;
pub(crate) use git::{GitFacts, GitRefusal};
pub(crate) use package::PackageJson;
pub(crate) use source_files::SourceFiles;

use crate::error::EvolutionError;
use source_files::{Search, SourceFile};

/// Source files of one project that were read before.
pub(crate) type SeenFiles = seen_files::SeenFiles<SourceFile>;

/// A folder that takes longer lies on a disk that does not answer.
const OPENS_WITHIN: Duration = Duration::from_secs(180);

/// Who knows whether a project's code may run.
pub(crate) trait TrustStore: Send + Sync {
    /// Whether the code of the project with this canonical root may run.
    fn is_trusted<'a>(&'a self, root: &'a Path) -> BoxFuture<'a, Result<bool, EvolutionError>>;
}

/// A project, as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    root: PathBuf,
    /// What was asked for: the root, or a folder or file below it.
    asked: PathBuf,
    package: PackageJson,
    package_manager: &'static str,
    git: Option<GitFacts>,
    git_refusal: Option<GitRefusal>,
    is_trusted: bool,
}

impl Project {
    /// The project around an absolute path of a folder or file: the nearest folder with a package.json, not above its git
    /// repository; else the folder itself. `roots` are canonical; without any, every folder may be worked on.
    ///
    /// # Errors
    /// If there is no such path, it may not be worked on, or its package.json is broken.
    pub(crate) async fn open(
        path: &Path,
        roots: &[PathBuf],
        trust: &dyn TrustStore,
    ) -> Result<Self, EvolutionError> {
        let (asked, roots) = (path.to_path_buf(), roots.to_vec());
        let finding = blocking(move || Self::find(&asked, &roots));
        // A thread that the kernel does not let go of is left behind; its caller is not.
        let found = tokio::time::timeout(OPENS_WITHIN, finding).await;
        let mut project = found.map_err(|_| ProjectError::NoAnswer {
            path: path.display().to_string(),
            limit: OPENS_WITHIN,
        })??;
        project.is_trusted = trust.is_trusted(&project.root).await?;
        Ok(project)
    }

    fn find(path: &Path, roots: &[PathBuf]) -> Result<Self, ProjectError> {
        let asked = admitted(path, roots)?;
        let folder = if asked.is_dir() {
            asked.clone()
        } else {
            asked.parent().unwrap_or(&asked).to_path_buf()
        };
        let (git, git_refusal) = match GitFacts::read(&folder) {
            Ok(git) => (git, None),
            Err(why) => (None, Some(why)),
        };
        let top = top_of(&folder, git.as_ref(), roots);
        let is_root = |it: &&Path| it.join("package.json").symlink_metadata().is_ok();
        let within_top = || folder.ancestors().take_while(|it| it.starts_with(&top));
        let root = within_top().find(is_root).unwrap_or(&folder).to_path_buf();
        let manifest = PackageJson::read(&root)?;
        let package = manifest.unwrap_or_default();
        Ok(Self {
            package_manager: package::package_manager(&package, &root, &top),
            root,
            asked,
            package,
            git,
            git_refusal,
            is_trusted: false,
        })
    }

    /// The canonical root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What was asked for, relative to the root; empty for the root itself.
    pub(crate) fn asked(&self) -> &Path {
        self.asked.strip_prefix(&self.root).unwrap_or(Path::new(""))
    }

    /// Its git repository, if it lies in one that git lets us use.
    pub(crate) fn git(&self) -> Option<&GitFacts> {
        self.git.as_ref()
    }

    /// Why git does not let us use a repository that is there; `None` also where there is none.
    pub(crate) fn git_refusal(&self) -> Option<&GitRefusal> {
        self.git_refusal.as_ref()
    }

    /// Whether its own code may run.
    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// The project on the wire, without what its files say: [`SourceFiles::describe`] adds that.
    pub(crate) fn to_message(&self) -> ProjectMessage {
        let git = self.git.as_ref();
        ProjectMessage {
            root: self.root.display().to_string(),
            name: self.package.name().to_owned(),
            git_head: git.and_then(|it| it.head.clone()).unwrap_or_default(),
            git_branch: git.and_then(|it| it.branch.clone()).unwrap_or_default(),
            is_dirty: git.is_some_and(GitFacts::is_dirty),
            test_runner: self.package.test_runner().to_owned(),
            package_manager: self.package_manager.to_owned(),
            is_trusted: self.is_trusted,
            ..ProjectMessage::default()
        }
    }

    /// The source files, or those of the files and folders in `include`, which are relative to the folder that was asked for.
    /// Without `include`, a project that was asked for by one of its files or folders has the files of that alone.
    ///
    /// # Errors
    /// If an entry of `include` is not there or leads out of the project, or there are too many files.
    pub(crate) async fn source_files(
        &self,
        include: &[String],
    ) -> Result<SourceFiles, EvolutionError> {
        self.source_files_again(include, &Arc::default()).await
    }

    /// As [`Self::source_files`]; files that were seen before and that nobody touched are not read.
    ///
    /// # Errors
    /// As [`Self::source_files`].
    pub(crate) async fn source_files_again(
        &self,
        include: &[String],
        seen: &Arc<SeenFiles>,
    ) -> Result<SourceFiles, EvolutionError> {
        let (project, include, seen) = (self.clone(), include.to_vec(), Arc::clone(seen));
        blocking(move || project.search(&include, &seen)).await
    }

    /// All source files of the project, whatever part of it was asked for.
    ///
    /// # Errors
    /// If there are too many files.
    pub(crate) async fn every_source_file(
        &self,
        seen: &Arc<SeenFiles>,
    ) -> Result<SourceFiles, EvolutionError> {
        let mut project = self.clone();
        project.asked.clone_from(&project.root);
        project.source_files_again(&[], seen).await
    }

    fn search(&self, include: &[String], seen: &SeenFiles) -> Result<SourceFiles, ProjectError> {
        let within = if include.is_empty() {
            vec![self.asked.clone()]
        } else {
            let included = include.iter().map(|entry| self.included(entry));
            included.collect::<Result<Vec<_>, _>>()?
        };
        let search = Search {
            root: &self.root,
            within: &within,
            has_git: self.git.is_some(),
            package: &self.package,
            seen,
        };
        search.run()
    }

    /// An entry of `include`, as the kernel names it.
    fn included(&self, entry: &str) -> Result<PathBuf, ProjectError> {
        let refused = |why: &str| ProjectError::Include {
            path: entry.to_owned(),
            why: why.to_owned(),
        };
        let folder = if self.asked.is_dir() {
            self.asked.as_path()
        } else {
            &self.root
        };
        let path = Path::new(entry);
        if entry.is_empty() || path.is_absolute() || entry.contains('\0') {
            return Err(refused("is not a path relative to the project"));
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(refused("leads out of the project"));
        }
        let whole = folder.join(path).canonicalize();
        let whole = whole.map_err(|why| refused(&format!("cannot be read: {why}")))?;
        if !whole.starts_with(&self.root) {
            return Err(refused("leads out of the project"));
        }
        Ok(whole)
    }
}

/// The path as the kernel names it, if it may be worked on: below one of `roots`, which are canonical, wherever links lead.
///
/// # Errors
/// If it is not, or is neither a folder nor a regular file.
pub(crate) fn admitted(path: &Path, roots: &[PathBuf]) -> Result<PathBuf, ProjectError> {
    let shown = path.display().to_string();
    let not_found = |why: &str| ProjectError::NotFound {
        path: shown.clone(),
        why: why.to_owned(),
    };
    if !path.is_absolute() {
        return Err(not_found("is not an absolute path"));
    }
    let is_admitted =
        |path: &Path| roots.is_empty() || roots.iter().any(|root| path.starts_with(root));
    let whole = match path.canonicalize() {
        Ok(whole) if is_admitted(&whole) => whole,
        Err(why) if is_admitted(path) => return Err(not_found(&format!("cannot be used: {why}"))),
        // Outside of the roots nothing is said about what is there.
        _ => {
            return Err(ProjectError::OutsideRoots {
                path: shown.clone(),
            });
        }
    };
    if !whole.is_dir() && !whole.is_file() {
        return Err(not_found("is neither a folder nor a regular file"));
    }
    Ok(whole)
}

/// The highest folder that may be the project's root: the top of its working tree; without git, the highest folder above that
/// lies below a configured root, if there is one, and is no place where projects stand side by side.
fn top_of(folder: &Path, git: Option<&GitFacts>, roots: &[PathBuf]) -> PathBuf {
    let root = roots
        .iter()
        .filter(|root| folder.starts_with(root))
        .min_by_key(|root| root.as_os_str().len());
    let is_within = |it: &Path| root.is_none_or(|root| it.starts_with(root));
    let above = folder.ancestors().skip(1);
    let above = above.take_while(|it| match git {
        Some(git) => is_within(it) && it.starts_with(&git.work_tree),
        None => is_within(it) && !is_shared_place(it, root),
    });
    above.last().unwrap_or(folder).to_path_buf()
}

/// Whether a folder is one of many projects: a stray package.json there makes no project of them.
fn is_shared_place(folder: &Path, root: Option<&PathBuf>) -> bool {
    const WRITABLE_BY_ALL: u32 = 0o002;
    let is_home = std::env::var_os("HOME").is_some_and(|home| folder == Path::new(&home));
    let is_open = || {
        folder
            .metadata()
            .is_ok_and(|it| it.mode() & WRITABLE_BY_ALL != 0)
    };
    is_home || root.is_some_and(|root| folder == root) || folder.parent().is_none() || is_open()
}

/// Runs work that waits for the disk, off the threads of the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProjectError> + Send + 'static,
) -> Result<T, EvolutionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => Err(crate::tool_host::HostError::Stopping.into()),
    }
}
