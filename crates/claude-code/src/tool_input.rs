//! What the arguments of Claude Code's own tools say: files, a summary, steps of the plan.
//!
//! Names, paths, patterns and the model's own words about what it is about to do are taken; contents of files are not. Of
//! a tool that is not known only the names of its arguments are.

mod call;
mod mcp;
mod paths;
mod plan;

use std::path::Path;

use serde_json::Value;
use shim_proto::checkpoint::v1::FileUse;

use call::Call;

pub use call::ToolInput;
pub use plan::plan_after;

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

#[cfg(test)]
mod tests;
