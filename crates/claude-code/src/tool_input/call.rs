//! One call's arguments, and what is read of them.

use std::path::Path;

use serde_json::Value;
use shim_proto::checkpoint::v1::{FileUse, PlanUpdate, UsedFile};

use super::paths;
use crate::texts::{MAX_SUMMARY_BYTES, line_of};

/// Files that one call names.
pub(super) const MAX_FILES: usize = 50;
/// Names of arguments in the summary of a tool that is not known.
const MAX_ARGUMENT_NAMES: usize = 10;

/// What the arguments of one call say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolInput {
    /// What the tool is about to do, in one line of at most 500 bytes; empty if nothing is told.
    pub summary: String,
    /// The files it names, absolute; at most 50.
    pub files: Vec<UsedFile>,
    /// What it says of the model's own list of steps. The id of a new step is in the result: see `plan_after`.
    pub plan: Option<PlanUpdate>,
}

/// The arguments of one call.
pub(super) struct Call<'a> {
    pub(super) input: &'a Value,
    pub(super) cwd: &'a Path,
}

impl Call<'_> {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let text = self.input.get(name)?.as_str()?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// The file in an argument.
    pub(super) fn file(&self, name: &str, usage: FileUse) -> Option<UsedFile> {
        let path = paths::absolute(self.text(name)?, self.cwd)?;
        let usage = usage.into();
        Some(UsedFile { path, r#use: usage })
    }

    pub(super) fn on_file(&self, name: &str, usage: FileUse) -> ToolInput {
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

    pub(super) fn search(&self) -> ToolInput {
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
    pub(super) fn telling(&self, names: &[&str]) -> ToolInput {
        let told = names.iter().find_map(|name| self.text(name));
        ToolInput::saying(told.unwrap_or_default())
    }

    pub(super) fn agent(&self) -> ToolInput {
        let what = self.text("description").unwrap_or_default();
        match self.text("subagent_type") {
            Some(kind) => ToolInput::saying(&format!("{kind}: {what}")),
            None => ToolInput::saying(what),
        }
    }

    pub(super) fn question(&self) -> ToolInput {
        let first = self.input.get("questions").and_then(|all| all.get(0));
        let text = first.and_then(|question| question.get("question")?.as_str());
        ToolInput::saying(text.unwrap_or_default())
    }

    pub(super) fn unknown(&self) -> ToolInput {
        ToolInput::saying(&self.argument_names())
    }

    /// The names of the arguments, without their values.
    pub(super) fn argument_names(&self) -> String {
        let Some(arguments) = self.input.as_object() else {
            return String::new();
        };
        let names = arguments.keys().take(MAX_ARGUMENT_NAMES);
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl ToolInput {
    /// A call of which only a summary is known.
    pub(super) fn saying(text: &str) -> Self {
        Self {
            summary: line_of(text, MAX_SUMMARY_BYTES),
            ..Self::default()
        }
    }
}
