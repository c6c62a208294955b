//! Which transcripts there are in Claude Code's folder: `projects/PROJECT/SESSION.jsonl`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files of a folder that are looked through.
const MAX_ENTRIES: usize = 20_000;
/// The client cuts the name of a longer path and adds a hash.
const MAX_PROJECT_CHARS: usize = 200;

/// A transcript that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// When it was written last.
    pub modified: SystemTime,
    /// Its size.
    pub bytes: u64,
}

/// The transcripts below the client's folder that were written last, the newest first; only those of a project's folder,
/// if one is named.
#[must_use]
pub fn newest(client_folder: &Path, project: Option<&Path>, limit: usize) -> Vec<Found> {
    let projects = client_folder.join("projects");
    let wanted = project.map(names_of);
    let is_wanted = |folder: &Path| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.iter().any(|one| is_name_of(&name, one)))
    };
    let mut found: Vec<Found> = entries(&projects)
        .filter(|folder| is_wanted(folder))
        .flat_map(|folder| entries(&folder))
        .filter_map(transcript)
        .collect();
    found.sort_by(|one, other| (other.modified, &other.path).cmp(&(one.modified, &one.path)));
    found.truncate(limit);
    found
}

/// What the client calls the folder of a project's transcripts: its path, with `-` for all but letters and digits of ASCII.
#[must_use]
pub fn project_folder(project: &Path) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    // The client counts in UTF-16, where some characters are two.
    let units = project.to_string_lossy();
    let units = units
        .encode_utf16()
        .map(|unit| u8::try_from(unit).map_or('-', char::from));
    units.map(plain).collect()
}

/// The project as it was named, and where links lead.
fn names_of(project: &Path) -> Vec<String> {
    let real = project.canonicalize().ok();
    let absolute = std::path::absolute(project).ok();
    let all = real.into_iter().chain(absolute);
    all.map(|path| project_folder(&path)).collect()
}

fn is_name_of(folder: &str, project: &str) -> bool {
    folder == project
        || project
            .get(..MAX_PROJECT_CHARS)
            .is_some_and(|begin| project.len() > MAX_PROJECT_CHARS && folder.starts_with(begin))
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .take(MAX_ENTRIES)
        .flatten()
        .map(|entry| entry.path())
}

fn transcript(path: PathBuf) -> Option<Found> {
    if path.extension()? != "jsonl" {
        return None;
    }
    let meta = std::fs::metadata(&path)
        .ok()
        .filter(std::fs::Metadata::is_file)?;
    Some(Found {
        modified: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        bytes: meta.len(),
        path,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_project_has_the_folder_that_the_client_gives_it() {
        for (project, folder) in [
            ("/home/me/my_project.rs", "-home-me-my-project-rs"),
            ("/tmp/a b", "-tmp-a-b"),
            ("/tmp/é😀", "-tmp----"),
        ] {
            assert_eq!(project_folder(Path::new(project)), folder);
        }
    }

    #[test]
    fn the_newest_come_first_and_a_project_chooses() {
        let folder = tempfile::tempdir().unwrap();
        let write = |project: &str, name: &str, seconds| {
            let path = folder.path().join("projects").join(project).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(at)
                .unwrap();
            path
        };
        let (old, new) = (write("-p-a", "1.jsonl", 10), write("-p-b", "2.jsonl", 20));
        write("-p-a", "notes.txt", 30);
        std::fs::create_dir_all(folder.path().join("projects/-p-a/1/subagents")).unwrap();
        let paths = |project: Option<&str>, limit| -> Vec<PathBuf> {
            let found = newest(folder.path(), project.map(Path::new), limit);
            found.into_iter().map(|found| found.path).collect()
        };
        assert_eq!(paths(None, 9), [new.clone(), old.clone()]);
        assert_eq!(paths(None, 1), [new]);
        assert_eq!(paths(Some("/p/a"), 9), [old]);
        assert!(paths(Some("/p"), 9).is_empty());
        assert!(newest(Path::new("/no/such/folder"), None, 9).is_empty());
    }
}
