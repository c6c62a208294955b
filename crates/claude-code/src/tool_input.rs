//! What the arguments of Claude Code's own tools say: files, a summary, steps of the plan.
//!
//! Names, paths, patterns and the model's own words about what it is about to do are taken; contents of files are not. Of
//! a tool that is not known only the names of its arguments are.

mod mcp;
mod paths;
mod plan;

use std::path::Path;

use serde_json::Value;
use shim_proto::checkpoint::v1::{FileUse, PlanUpdate, UsedFile};

use crate::texts::{MAX_SUMMARY_BYTES, line_of};

pub use plan::plan_after;

/// Files that one call names.
const MAX_FILES: usize = 50;
/// Names of arguments in the summary of a tool that is not known.
const MAX_ARGUMENT_NAMES: usize = 10;

/// What the arguments of one call say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolInput {
    /// What the tool is about to do, in one line of at most 500 bytes; empty if nothing is told.
    pub summary: String,
    /// The files it names, absolute; at most 50.
    pub files: Vec<UsedFile>,
    /// What it says of the model's own list of steps. The id of a new step is in the result: see [`plan_after`].
    pub plan: Option<PlanUpdate>,
}

/// Reads the arguments of a call. Whatever is missing or of another type is left out.
///
/// Relative paths are those of `cwd`, read as the client reads them: `..` goes up before links are followed.
#[must_use]
pub fn describe(tool_name: &str, input: &Value, cwd: &Path) -> ToolInput {
    let call = Call { input, cwd };
    match tool_name {
        "Edit" | "Write" | "MultiEdit" => call.on_file("file_path", FileUse::Write),
        "NotebookEdit" => call.on_file("notebook_path", FileUse::Write),
        "Read" | "NotebookRead" => call.on_file("file_path", FileUse::Read),
        "Grep" | "Glob" | "LS" => call.search(),
        "Bash" | "PowerShell" | "Monitor" => call.telling(&["description", "command"]),
        "Agent" | "Task" => call.agent(),
        "TodoWrite" | "TaskCreate" | "TaskUpdate" => {
            let plan = plan::of_call(tool_name, input);
            ToolInput {
                summary: plan.as_ref().map(plan::summary).unwrap_or_default(),
                plan,
                ..ToolInput::default()
            }
        }
        "WebFetch" => call.telling(&["url"]),
        "WebSearch" | "ToolSearch" => call.telling(&["query"]),
        "Skill" => call.telling(&["skill", "command"]),
        "AskUserQuestion" => call.question(),
        "ExitPlanMode" | "EnterPlanMode" => ToolInput::default(),
        _ if tool_name.starts_with("mcp__") => mcp::describe(tool_name, &call),
        _ => call.unknown(),
    }
}

/// The arguments of one call.
struct Call<'a> {
    input: &'a Value,
    cwd: &'a Path,
}

impl Call<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let text = self.input.get(name)?.as_str()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// The file in an argument.
    fn file(&self, name: &str, usage: FileUse) -> Option<UsedFile> {
        let path = paths::absolute(self.text(name)?, self.cwd)?;
        let usage = usage.into();
        Some(UsedFile { path, r#use: usage })
    }

    fn on_file(&self, name: &str, usage: FileUse) -> ToolInput {
        let files: Vec<_> = self.file(name, usage).into_iter().collect();
        ToolInput {
            summary: files
                .first()
                .map(|file| paths::shown(&file.path, self.cwd))
                .unwrap_or_default(),
            files,
            plan: None,
        }
    }

    fn search(&self) -> ToolInput {
        let files: Vec<_> = self.file("path", FileUse::Read).into_iter().collect();
        let place = files.first().map(|file| paths::shown(&file.path, self.cwd));
        let pattern = self.text("pattern").unwrap_or_default();
        let summary = match place {
            Some(place) if pattern.is_empty() => place,
            Some(place) => format!("{pattern} in {place}"),
            None => pattern.to_owned(),
        };
        ToolInput {
            summary: line_of(&summary, MAX_SUMMARY_BYTES),
            files,
            plan: None,
        }
    }

    /// The first of these arguments that says something.
    fn telling(&self, names: &[&str]) -> ToolInput {
        let told = names.iter().find_map(|name| self.text(name));
        ToolInput::saying(told.unwrap_or_default())
    }

    fn agent(&self) -> ToolInput {
        let what = self.text("description").unwrap_or_default();
        match self.text("subagent_type") {
            Some(kind) => ToolInput::saying(&format!("{kind}: {what}")),
            None => ToolInput::saying(what),
        }
    }

    fn question(&self) -> ToolInput {
        let first = self.input.get("questions").and_then(|all| all.get(0));
        let text = first.and_then(|question| question.get("question")?.as_str());
        ToolInput::saying(text.unwrap_or_default())
    }

    fn unknown(&self) -> ToolInput {
        ToolInput::saying(&self.argument_names())
    }

    /// The names of the arguments, without their values.
    fn argument_names(&self) -> String {
        let Some(arguments) = self.input.as_object() else {
            return String::new();
        };
        let names = arguments.keys().take(MAX_ARGUMENT_NAMES);
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl ToolInput {
    /// A call of which only a summary is known.
    fn saying(text: &str) -> Self {
        Self {
            summary: line_of(text, MAX_SUMMARY_BYTES),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
