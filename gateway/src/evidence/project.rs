//! Evidence of a session's files and repository, also after the project's folder was moved.
//!
//! A folder that is gone, or another one at the same path, says nothing of the project's files: they are unchecked, not
//! missing. If the present folder is the same repository, which has the checkpoint's commit, they are looked for there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_proto::checkpoint::v1::{CheckpointState, FilePresence, FileState, GitState};
use shim_proto::limits::checkpoint::MAX_FILE_NOTE_BYTES;

use super::named_files::paths;
use super::{files, git};

/// A folder on a network file system that is gone can hold up even a look.
const LOOK_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Where the files of a project are looked for.
#[derive(Debug, PartialEq, Eq)]
enum Lookup {
    /// In the project's own folder, or nowhere if it has none.
    Own(Option<PathBuf>),
    /// In the present folder, since the project's own is gone, as `why` says.
    Moved {
        from: PathBuf,
        to: PathBuf,
        why: String,
    },
    /// Nowhere: the folder is gone, or another one.
    Gone { from: PathBuf, why: String },
}

/// What the active and the edited files of a checkpoint of `project` and its repository look like now. `present` is the folder that the
/// caller works in.
pub async fn inspect_project(
    project: &str,
    present: Option<&Path>,
    state: &CheckpointState,
) -> (Vec<FileState>, Option<GitState>) {
    let paths = paths(state);
    match lookup(project, present, state.git.as_ref()).await {
        Lookup::Own(folder) => {
            let seen = files::inspect(folder.clone(), paths);
            let (seen, git) = tokio::join!(seen, git::inspect(folder.as_deref()));
            let folders = folder.as_deref().zip(present);
            match folders.filter(|_| state.git.is_none()) {
                Some((own, present)) => (or_in_present(own, present, state, seen).await, git),
                None => (seen, git),
            }
        }
        Lookup::Moved { from, to, why } => inspect_moved(&from, &to, &why, state, paths).await,
        Lookup::Gone { from, why } => (unchecked(&from, &why, paths).await, None),
    }
}

/// What was seen in a project's own folder, where no commit tells whether it is still the same: if none of its files is
/// there, and some are in the present folder with the content they had, those count.
async fn or_in_present(
    own: &Path,
    present: &Path,
    state: &CheckpointState,
    seen: Vec<FileState>,
) -> Vec<FileState> {
    let then = &state.active_files;
    if own == present || !is_elsewhere(own, then, &seen) {
        return seen;
    }
    let paths = paths(state);
    let looked = moved_paths(own, &paths);
    let mut there = files::inspect(Some(present.to_path_buf()), looked).await;
    let is_same = |(then, now): (&FileState, &FileState)| {
        !then.blake3.is_empty() && then.blake3 == now.blake3 && inside(own, &then.path).is_some()
    };
    if !then.iter().zip(&there).any(is_same) {
        return seen;
    }
    let why = format!("none of the project's files is in {}", own.display());
    tell_where(&mut there, own, present, &why, paths);
    there
}

/// The same in the present folder. If none of the files is there, it is another part of the repository.
async fn inspect_moved(
    from: &Path,
    to: &Path,
    why: &str,
    state: &CheckpointState,
    paths: Vec<String>,
) -> (Vec<FileState>, Option<GitState>) {
    let looked = moved_paths(from, &paths);
    let (mut seen, git) = tokio::join!(
        files::inspect(Some(to.to_path_buf()), looked),
        git::inspect(Some(to))
    );
    if is_elsewhere(from, &state.active_files, &seen) {
        let why = format!("{why}, and none of its files is in {}", to.display());
        return (unchecked(from, &why, paths).await, git);
    }
    tell_where(&mut seen, from, to, why, paths);
    (seen, git)
}

/// Gives the files of the project their names again, and says where they were looked for.
fn tell_where(seen: &mut [FileState], from: &Path, to: &Path, why: &str, paths: Vec<String>) {
    let note = format!("looked for in {}, since {why}", to.display());
    for (file, path) in seen.iter_mut().zip(paths) {
        if inside(from, &path).is_some() {
            file.note = clipped(&note);
        }
        file.path = path;
    }
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
    let why = if is_gone(&own).await {
        format!("the project's folder {} is gone", own.display())
    } else {
        match saved {
            Some(saved) => match other_folder(&own, present, saved).await {
                Some(why) => why,
                None => return Lookup::Own(Some(own)),
            },
            None => return Lookup::Own(Some(own)),
        }
    };
    let Some(present) = present.filter(|present| *present != own) else {
        return Lookup::Gone { from: own, why };
    };
    let shown = present.display();
    let (from, to) = (own, present.to_path_buf());
    let Some(saved) = saved else {
        let why = format!("{why}, and no commit tells whether {shown} is the same project");
        return Lookup::Gone { from, why };
    };
    if git::has_commit(present, &saved.head).await == Some(true) {
        return Lookup::Moved { from, to, why };
    }
    let why = format!("{why}, and {shown} is another repository");
    Lookup::Gone { from, why }
}

/// Why the folder at the project's path is not the one of the checkpoint; `None` if it is, or if nobody can tell.
async fn other_folder(own: &Path, present: Option<&Path>, saved: &GitState) -> Option<String> {
    let is_saved = |found: &str| !saved.repository.is_empty() && saved.repository == found;
    if is_saved(&git::repository(own).await) {
        return None;
    }
    let shown = own.display();
    if git::has_commit(own, &saved.head).await? {
        // A clone or a work tree of the repository took the place of the one that was moved away.
        let present = present.filter(|present| *present != own)?;
        let was_moved = is_saved(&git::repository(present).await);
        return was_moved.then(|| format!("{shown} is another work tree of the repository now"));
    }
    let commit = saved.head.get(..12).unwrap_or(&saved.head);
    Some(format!(
        "{shown} is another folder now, without the checkpoint's commit {commit}"
    ))
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
        the_old_path_is_taken_again(&old, &new, &other, &state).await;
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

    /// A new folder, another repository, a work tree of the same one: none of them is the project that was moved away.
    async fn the_old_path_is_taken_again(
        old: &Path,
        new: &Path,
        other: &Path,
        state: &CheckpointState,
    ) {
        use FilePresence::{Present, Unspecified};
        let project = old.display().to_string();
        let empty = || std::fs::create_dir(old).unwrap();
        let same_name = || {
            std::fs::create_dir(old).unwrap();
            std::fs::write(old.join("a.rs"), "of somebody else").unwrap();
            git(old, &["init", "--quiet"]);
            git(old, &["add", "."]);
            git(old, &["commit", "--quiet", "-m", "other"]);
        };
        let work_tree = || git(new, &["worktree", "add", "--quiet", "--detach", &project]);
        let takes: [(&dyn Fn(), &str); 3] = [
            (&empty, "without the checkpoint's commit"),
            (&same_name, "without the checkpoint's commit"),
            (&work_tree, "another work tree"),
        ];
        for (take, why) in takes {
            take();
            let (seen, git) = inspect_project(&project, Some(new), state).await;
            assert_eq!(
                (presences(&seen), &git),
                (vec![Present; 3], &state.git),
                "{why}"
            );
            assert!(seen[0].note.contains(why), "{seen:?}");
            if !why.contains("work tree") {
                for present in [Some(other), Some(old), None] {
                    let (seen, git) = inspect_project(&project, present, state).await;
                    assert_eq!(presences(&seen), [Unspecified, Unspecified, Present]);
                    assert!(git.is_none() && seen[0].note.contains(why), "{seen:?}");
                }
            }
            std::fs::remove_dir_all(old).unwrap();
        }
        git(new, &["worktree", "prune"]);
        // Made anew from the same repository, at the same path: it is looked at there.
        git(new, &["clone", "--quiet", ".", &project]);
        let (seen, _) = inspect_project(&project, Some(other), state).await;
        assert_eq!(presences(&seen), [Present; 3]);
        assert!(seen[0].note.is_empty(), "{seen:?}");
        std::fs::remove_dir_all(old).unwrap();
    }

    #[tokio::test]
    async fn files_of_a_moved_folder_without_a_repository_are_found_by_their_content() {
        use FilePresence::{Missing, Present};
        let home = tempfile::tempdir().unwrap();
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        std::fs::create_dir(&old).unwrap();
        std::fs::write(old.join("a"), "content").unwrap();
        let state = CheckpointState {
            active_files: files::inspect(Some(old.clone()), vec!["a".into()]).await,
            ..CheckpointState::default()
        };
        std::fs::rename(&old, &new).unwrap();
        std::fs::create_dir(&old).unwrap();
        let project = old.display().to_string();
        let (seen, _) = inspect_project(&project, Some(&new), &state).await;
        assert_eq!(presences(&seen), [Present]);
        assert!(
            seen[0].note.contains("none of the project's files"),
            "{seen:?}"
        );
        std::fs::write(new.join("a"), "of somebody else").unwrap();
        for present in [Some(new.as_path()), Some(old.as_path()), None] {
            let (seen, _) = inspect_project(&project, present, &state).await;
            assert_eq!(presences(&seen), [Missing]);
        }
    }
}
