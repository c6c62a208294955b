//! Where a task's program works: a folder below one of the configured roots.

use std::path::{Path, PathBuf};

use shim_exec::{FolderError, confine};
use shim_proto::coordination::v1::Task;
use shim_proto::reasons::task::NOT_ALLOWED;
use shim_work::AttemptFailure;

/// The field of a payload that names the folder.
const FIELD: &str = "working_dir";

/// The working folder of a task: its payload's, else the executor's configured one, else the task's workspace if that is a
/// path, else the first root.
pub(super) fn choose(
    roots: &[PathBuf],
    configured: Option<&Path>,
    task: &Task,
) -> Result<PathBuf, AttemptFailure> {
    let first = roots
        .first()
        .ok_or_else(|| AttemptFailure::new(NOT_ALLOWED, "no folder is configured to work in"))?;
    if let Some(named) = named(task)? {
        let base = configured.unwrap_or(first);
        return confined(roots, &base.join(named))
            .map_err(|why| AttemptFailure::not_allowed(&format!("{FIELD}: {named} {why}")));
    }
    let workspace = Path::new(&task.workspace);
    match configured {
        Some(configured) => confined(roots, configured),
        None if workspace.is_absolute() => confined(roots, workspace),
        None => confined(roots, first),
    }
    // Not final: another worker may have the folder.
    .map_err(|why| AttemptFailure::new(NOT_ALLOWED, &format!("the working folder {why}")))
}

fn named(task: &Task) -> Result<Option<&str>, AttemptFailure> {
    use prost_types::value::Kind;
    let field = task
        .payload
        .as_ref()
        .and_then(|data| data.fields.get(FIELD));
    match field.and_then(|field| field.kind.as_ref()) {
        None | Some(Kind::NullValue(_)) => Ok(None),
        Some(Kind::StringValue(name)) => Ok(Some(name)),
        Some(_) => Err(AttemptFailure::not_allowed(&format!(
            "{FIELD}: must be a text"
        ))),
    }
}

fn confined(roots: &[PathBuf], folder: &Path) -> Result<PathBuf, String> {
    confine(roots, folder).map_err(|why| match why {
        FolderError::Outside => "is outside of worker.roots".to_owned(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use prost_types::value::Kind;
    use prost_types::{Struct, Value};

    use super::*;

    fn task(working_dir: &str, workspace: &str) -> Task {
        let value = Value {
            kind: Some(Kind::StringValue(working_dir.to_owned())),
        };
        let fields = (!working_dir.is_empty()).then(|| (FIELD.to_owned(), value));
        Task {
            payload: Some(Struct {
                fields: fields.into_iter().collect(),
            }),
            workspace: workspace.to_owned(),
            ..Task::default()
        }
    }

    #[test]
    fn no_payload_leads_out_of_the_roots() {
        let outside = tempfile::tempdir().unwrap();
        let inside = tempfile::tempdir().unwrap();
        let root = inside.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        symlink(outside.path(), root.join("out")).unwrap();
        symlink(root.join("a"), root.join("in")).unwrap();
        let roots = [root.clone()];
        let go = |wanted: &str| choose(&roots, Some(&root.join("a")), &task(wanted, ""));
        assert_eq!(go("").unwrap(), root.join("a"));
        assert_eq!(go("b").unwrap(), root.join("a/b"));
        assert_eq!(go("../in/b").unwrap(), root.join("a/b"));
        assert_eq!(go(root.to_str().unwrap()).unwrap(), root);
        let elsewhere = outside.path().to_str().unwrap();
        for wrong in ["../..", "../out", "/", elsewhere, "../file", "no-such"] {
            let failure = go(wrong).unwrap_err();
            assert!(
                failure.is_final && failure.error.message.contains(wrong),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn without_a_configured_folder_a_program_works_in_the_workspace() {
        let inside = tempfile::tempdir().unwrap();
        let root = inside.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("repo")).unwrap();
        let roots = [root.clone()];
        let repo = root.join("repo");
        let go = |workspace: &str| choose(&roots, None, &task("", workspace));
        assert_eq!(go(repo.to_str().unwrap()).unwrap(), repo);
        assert_eq!(go("default").unwrap(), root);
        assert!(!go("/usr").unwrap_err().is_final);
        assert!(choose(&[], None, &task("", "")).is_err());
    }
}
