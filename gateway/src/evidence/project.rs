//! Evidence of a session's files and repository, also after the project's folder was moved.
//!
//! A folder that is gone says nothing of its files: they are unchecked, not missing. If the present folder is the same
//! repository, which has the checkpoint's commit, they are looked for there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_proto::checkpoint::v1::{CheckpointState, FilePresence, FileState, GitState};
use shim_proto::limits::checkpoint::MAX_FILE_NOTE_BYTES;

use super::{files, git};

/// A folder on a network file system that is gone can hold up even a look.
const LOOK_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Where the files of a project are looked for.
#[derive(Debug, PartialEq, Eq)]
enum Lookup {
    /// In the project's own folder, or nowhere if it has none.
    Own(Option<PathBuf>),
    /// In the present folder, to which the project's own was moved.
    Moved { from: PathBuf, to: PathBuf },
    /// Nowhere: the folder is gone.
    Gone { from: PathBuf, why: String },
}

/// What the active files of a checkpoint of `project` and its repository look like now. `present` is the folder that the
/// caller works in.
pub async fn inspect_project(
    project: &str,
    present: Option<&Path>,
    state: &CheckpointState,
) -> (Vec<FileState>, Option<GitState>) {
    let paths: Vec<String> = state
        .active_files
        .iter()
        .map(|file| file.path.clone())
        .collect();
    match lookup(project, present, state.git.as_ref()).await {
        Lookup::Own(folder) => tokio::join!(
            files::inspect(folder.clone(), paths),
            git::inspect(folder.as_deref())
        ),
        Lookup::Moved { from, to } => inspect_moved(&from, &to, state, paths).await,
        Lookup::Gone { from, why } => (unchecked(&from, &why, paths).await, None),
    }
}

/// The same in the present folder. If none of the files is there, it is another part of the repository.
async fn inspect_moved(
    from: &Path,
    to: &Path,
    state: &CheckpointState,
    paths: Vec<String>,
) -> (Vec<FileState>, Option<GitState>) {
    let looked = moved_paths(from, &paths);
    let (mut seen, git) = tokio::join!(
        files::inspect(Some(to.to_path_buf()), looked),
        git::inspect(Some(to))
    );
    if is_elsewhere(from, &state.active_files, &seen) {
        let (from_name, to) = (from.display(), to.display());
        let why =
            format!("the project's folder {from_name} is gone, and none of its files is in {to}");
        return (unchecked(from, &why, paths).await, git);
    }
    let note = format!(
        "looked for in {}, since {} is gone",
        to.display(),
        from.display()
    );
    for (file, path) in seen.iter_mut().zip(paths) {
        if inside(from, &path).is_some() {
            file.note = clipped(&note);
        }
        file.path = path;
    }
    (seen, git)
}

/// The paths as they are relative to the folder that the project was moved to.
fn moved_paths(from: &Path, paths: &[String]) -> Vec<String> {
    let moved = |path: &String| match inside(from, path) {
        Some(inside) => inside.display().to_string(),
        None => path.clone(),
    };
    paths.iter().map(moved).collect()
}

/// Whether of the project's files that were there none is where it was looked for.
fn is_elsewhere(from: &Path, then: &[FileState], now: &[FileState]) -> bool {
    let pairs = then.iter().zip(now).filter(|(then, _)| {
        then.presence() == FilePresence::Present && inside(from, &then.path).is_some()
    });
    let missing: Vec<bool> = pairs
        .map(|(_, now)| now.presence() == FilePresence::Missing)
        .collect();
    !missing.is_empty() && !missing.contains(&false)
}

async fn lookup(project: &str, present: Option<&Path>, saved: Option<&GitState>) -> Lookup {
    let own = PathBuf::from(project);
    if !own.is_absolute() {
        return Lookup::Own(present.map(Path::to_path_buf));
    }
    if !is_gone(&own).await {
        return Lookup::Own(Some(own));
    }
    let gone = format!("the project's folder {} is gone", own.display());
    let (present, head) = match (present, saved) {
        (Some(present), Some(saved)) => (present, saved.head.as_str()),
        (Some(present), None) => {
            let why = format!(
                "{gone}, and no commit tells whether {} is the same project",
                present.display()
            );
            return Lookup::Gone { from: own, why };
        }
        (None, _) => {
            return Lookup::Gone {
                from: own,
                why: gone,
            };
        }
    };
    if git::has_commit(present, head).await {
        return Lookup::Moved {
            from: own,
            to: present.to_path_buf(),
        };
    }
    let why = format!("{gone}, and {} is another repository", present.display());
    Lookup::Gone { from: own, why }
}

/// Whether nothing is there; a folder that does not answer in time counts as there.
async fn is_gone(folder: &Path) -> bool {
    let look = tokio::fs::metadata(folder);
    match tokio::time::timeout(LOOK_TIMEOUT, look).await {
        Ok(Err(error)) => files::is_absence(&error),
        _ => false,
    }
}

/// The path within the project's folder; `None` for one of another place.
fn inside<'a>(from: &Path, path: &'a str) -> Option<&'a Path> {
    let path = Path::new(path);
    if path.is_absolute() {
        path.strip_prefix(from).ok()
    } else {
        Some(path)
    }
}

/// The files of a folder that is gone, unseen, and those of other places as they are.
async fn unchecked(from: &Path, why: &str, paths: Vec<String>) -> Vec<FileState> {
    let elsewhere = paths_elsewhere(from, &paths);
    let mut seen = files::inspect(None, elsewhere).await.into_iter();
    let mut state = |path: String| match inside(from, &path) {
        None => seen.next().unwrap_or_default(),
        Some(_) => FileState {
            path,
            presence: FilePresence::Unspecified.into(),
            note: clipped(why),
            ..FileState::default()
        },
    };
    paths.into_iter().map(&mut state).collect()
}

fn paths_elsewhere(from: &Path, paths: &[String]) -> Vec<String> {
    let elsewhere = paths.iter().filter(|path| inside(from, path).is_none());
    elsewhere.cloned().collect()
}

fn clipped(note: &str) -> String {
    note[..note.floor_char_boundary(MAX_FILE_NOTE_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_runtime::git as git_command;

    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let mut git = git_command::command(folder);
        let named = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        assert!(git.args(named).args(args).status().unwrap().success());
    }

    /// A checkpoint of a repository with one file, named relatively and wholly, and of a file elsewhere.
    async fn checkpoint(folder: &Path, elsewhere: &Path) -> CheckpointState {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("a.rs"), folder.display().to_string()).unwrap();
        git(folder, &["init", "--quiet"]);
        git(folder, &["add", "."]);
        git(folder, &["commit", "--quiet", "-m", "begin"]);
        let whole = folder.join("a.rs").display().to_string();
        let paths = vec!["a.rs".to_owned(), whole, elsewhere.display().to_string()];
        CheckpointState {
            active_files: files::inspect(Some(folder.to_path_buf()), paths).await,
            git: git::inspect(Some(folder)).await,
            ..CheckpointState::default()
        }
    }

    fn presences(seen: &[FileState]) -> Vec<FilePresence> {
        seen.iter().map(FileState::presence).collect()
    }

    #[tokio::test]
    async fn the_files_of_a_moved_project_are_looked_for_where_it_is_now() {
        use FilePresence::{Present, Unspecified};
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::write(path("elsewhere"), "y").unwrap();
        let (old, new, other) = (path("old"), path("new"), path("other"));
        let state = checkpoint(&old, &path("elsewhere")).await;
        checkpoint(&other, &path("elsewhere")).await;
        let project = old.display().to_string();
        let (seen, git) = inspect_project(&project, Some(&other), &state).await;
        assert_eq!((seen, git), (state.active_files.clone(), state.git.clone()));

        std::fs::rename(&old, &new).unwrap();
        let (seen, git) = inspect_project(&project, Some(&new), &state).await;
        assert_eq!(git, state.git);
        assert_eq!(presences(&seen), [Present; 3]);
        for (now, then) in seen.iter().zip(&state.active_files) {
            assert_eq!((&now.path, &now.blake3), (&then.path, &then.blake3));
        }
        assert!(
            seen[0].note.contains("old is gone") && seen[2].note.is_empty(),
            "{seen:?}"
        );

        for (present, why) in [
            (Some(other.as_path()), "another repository"),
            (Some(home.path()), "another repository"),
            (None, "is gone"),
        ] {
            let (seen, git) = inspect_project(&project, present, &state).await;
            assert_eq!(
                (presences(&seen), git),
                (vec![Unspecified, Unspecified, Present], None)
            );
            assert!(
                seen[0].note.contains(why) && seen[1].note.contains(why),
                "{seen:?}"
            );
        }
        std::fs::create_dir(new.join("part")).unwrap();
        let (seen, git) = inspect_project(&project, Some(&new.join("part")), &state).await;
        assert_eq!(
            (presences(&seen), &git),
            (vec![Unspecified, Unspecified, Present], &state.git)
        );
        assert!(seen[0].note.contains("none of its files"), "{seen:?}");
        let bare = CheckpointState { git: None, ..state };
        let (seen, _) = inspect_project(&project, Some(&new), &bare).await;
        assert!(seen[0].note.contains("no commit tells"), "{seen:?}");
    }
}
