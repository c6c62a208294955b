//! The files of a submitted job: where they belong, and which of them are not there.

use shim_proto::coordination::v1::FileHint;
use shim_render::text::name;
use shim_runtime::files::unmatched;
use tonic::Status;

use crate::evidence;
use crate::tool_error::ToolError;
use crate::tools::action_arguments::incomplete;
use crate::tools::call::{ToolCall, ToolOutput};
use crate::workspaces::ProjectWorkspace;

/// Patterns without a file that an answer names in its text.
const MAX_UNMATCHED: usize = 10;

/// The files of a job and of its parts, as the services know them.
#[derive(Default)]
pub(super) struct Files {
    pub(super) workspace: String,
    pub(super) of_job: Vec<FileHint>,
    pub(super) of_subtasks: Vec<Vec<String>>,
    /// Patterns that nothing matches now.
    pub(super) unmatched: Vec<String>,
}

impl Files {
    /// Finds every file's path in the workspace; all files outside of it are named at once.
    pub(super) async fn locate(call: &ToolCall, project: &str) -> Result<Self, ToolError> {
        let typed = call.arguments.texts("files");
        let parts = call.arguments.records("subtasks");
        let of_parts: Vec<_> = parts.iter().map(|part| part.texts("files")).collect();
        let all = typed.iter().chain(of_parts.iter().flatten());
        let all: Vec<_> = all.map(String::as_str).collect();
        if all.is_empty() {
            let of_subtasks = of_parts;
            return Ok(Self {
                of_subtasks,
                ..Self::default()
            });
        }
        let Some(base) = ProjectWorkspace::of_files(&call.gateway, project, &all).await else {
            let rule =
                "has no place: this client has no project folder, so files need absolute paths"
                    .to_owned();
            return Err(incomplete("submit", vec![("files".to_owned(), rule)]));
        };
        let (folder, workspace) = (base.folder().to_path_buf(), base.workspace.name.clone());
        let job = typed.clone();
        let located = tokio::task::spawn_blocking(move || locate_all(&base, &job, &of_parts));
        let located = located
            .await
            .map_err(|error| Status::internal(format!("the files were not looked at: {error}")))?;
        let (paths, of_subtasks, unmatched) = located?;
        let sizes = evidence::sizes_of_files(folder, typed).await;
        let hint = |(path, size_bytes)| FileHint { path, size_bytes };
        Ok(Self {
            workspace,
            of_job: paths.into_iter().zip(sizes).map(hint).collect(),
            of_subtasks,
            unmatched,
        })
    }
}

/// The paths of a job and of its parts within the workspace, and those that nothing matches.
type Located = (Vec<String>, Vec<Vec<String>>, Vec<String>);

fn locate_all(
    base: &ProjectWorkspace,
    of_job: &[String],
    of_parts: &[Vec<String>],
) -> Result<Located, ToolError> {
    let (paths, of_subtasks) = relative_paths(base, of_job, of_parts)?;
    let all: Vec<String> = paths
        .iter()
        .chain(of_subtasks.iter().flatten())
        .cloned()
        .collect();
    let unmatched = unmatched(&base.workspace.root, &all);
    Ok((paths, of_subtasks, unmatched))
}

/// The paths of a job and of its parts within the workspace, or every path that has no place in it.
fn relative_paths(
    base: &ProjectWorkspace,
    of_job: &[String],
    of_parts: &[Vec<String>],
) -> Result<(Vec<String>, Vec<Vec<String>>), ToolError> {
    let mut rejected = Vec::new();
    let mut located = |typed: &[String], field: &str| -> Vec<String> {
        let relative = typed.iter().enumerate().map(|(index, path)| {
            base.locate(path).unwrap_or_else(|rule| {
                rejected.push((format!("{field}[{index}]"), rule));
                String::new()
            })
        });
        relative.collect()
    };
    let paths = located(of_job, "files");
    let of_subtasks = of_parts
        .iter()
        .enumerate()
        .map(|(part, files)| located(files, &format!("subtasks[{part}].files")))
        .collect();
    if rejected.is_empty() {
        Ok((paths, of_subtasks))
    } else {
        Err(incomplete("submit", rejected))
    }
}

/// Names the files that are not there: they may be misspelt, or still to be made.
pub(super) fn tell_unmatched(answer: &mut ToolOutput, unmatched: Vec<String>) {
    if unmatched.is_empty() {
        return;
    }
    let some: Vec<_> = unmatched
        .iter()
        .take(MAX_UNMATCHED)
        .map(|text| name(text, 200))
        .collect();
    let more = match unmatched.len().saturating_sub(MAX_UNMATCHED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    answer.text.line(format!(
        "No file there is matches {}{more}: leased all the same, for files still to be made; if a name was misspelt, \
         cancel the job and submit it anew.",
        some.join(", ")
    ));
    let unmatched = unmatched.into();
    answer
        .structured
        .insert("unmatched_files".to_owned(), unmatched);
}
