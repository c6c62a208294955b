//! The one name of each active file, however links spell it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_runtime::files::real;

/// Even a look can hang, on a network file system that is gone; then the names stay as they were written.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// The paths with what their links lead to, each once; relative ones start from `folder`. A path without links stays as it
/// was written.
pub(crate) async fn own_names(folder: Option<PathBuf>, paths: Vec<String>) -> Vec<String> {
    let Some(folder) = folder.filter(|_| !paths.is_empty()) else {
        return paths;
    };
    let written = paths.clone();
    let look = tokio::task::spawn_blocking(move || {
        let mut names: Vec<String> = Vec::with_capacity(paths.len());
        for path in &paths {
            let name = own_name(&folder, path).unwrap_or_else(|| path.clone());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    });
    match tokio::time::timeout(LOOK_TIMEOUT, look).await {
        Ok(Ok(names)) => names,
        _ => written,
    }
}

/// Within the folder if it is there, else the whole path; `None` if no link is on the way.
fn own_name(folder: &Path, path: &str) -> Option<String> {
    let base = real(folder).ok()?;
    let whole = real(&base.join(path)).ok()?;
    let written: PathBuf = base.join(path).components().collect();
    let has_dots = Path::new(path)
        .components()
        .any(|part| matches!(part, std::path::Component::ParentDir));
    if whole == written || (has_dots && whole == plain(&written)) {
        return None;
    }
    let inside = whole
        .strip_prefix(&base)
        .ok()
        .filter(|inside| !inside.as_os_str().is_empty());
    inside.unwrap_or(&whole).to_str().map(str::to_owned)
}

/// Without "..", as written.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn one_file_has_one_name_whatever_links_lead_to_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().canonicalize().unwrap().join("project");
        std::fs::create_dir_all(folder.join("src")).unwrap();
        std::fs::write(folder.join("src/a.rs"), "").unwrap();
        std::fs::write(home.path().join("other"), "").unwrap();
        symlink("src", folder.join("link")).unwrap();
        symlink("../other", folder.join("out")).unwrap();
        symlink("round", folder.join("round")).unwrap();
        let written = [
            "src/a.rs",
            "link/a.rs",
            "link/new.rs",
            "src/../src/a.rs",
            "./b.rs",
            "out",
            "round",
            "../other",
        ];
        let written = written.map(str::to_owned).to_vec();
        let names = own_names(Some(folder.clone()), written.clone()).await;
        let other = home.path().canonicalize().unwrap().join("other");
        assert_eq!(
            names,
            [
                "src/a.rs",
                "src/new.rs",
                "src/../src/a.rs",
                "./b.rs",
                other.to_str().unwrap(),
                "round",
                "../other",
            ]
        );
        assert_eq!(own_names(None, written.clone()).await, written);
    }
}
