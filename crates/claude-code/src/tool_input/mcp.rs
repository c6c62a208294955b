//! Tools of MCP servers: the server, the tool, the names of the arguments, and files where an argument is one.
//!
//! Servers that work on files of this machine are told from those that work elsewhere (a repository on a forge has paths,
//! too) by what is passed: a path that is absolute is one of this machine.

use std::path::Path;

use shim_proto::checkpoint::v1::{FileUse, UsedFile};

use super::call::{Call, MAX_FILES, ToolInput};
use super::paths;

/// Arguments that hold a path.
const PATHS: [&str; 8] = [
    "path",
    "file_path",
    "filePath",
    "filepath",
    "notebook_path",
    "source",
    "destination",
    "uri",
];
/// Arguments that hold several.
const LISTS: [&str; 2] = ["paths", "files"];
/// What the name of a tool begins with, or has after a `_`, if it changes files.
const WRITES: [&str; 12] = [
    "write", "edit", "create", "update", "replace", "insert", "append", "delete", "remove", "move",
    "rename", "patch",
];

/// `mcp__SERVER__TOOL`. A server's name may hold single underscores.
pub(super) fn describe(tool_name: &str, call: &Call<'_>) -> ToolInput {
    let full = tool_name.strip_prefix("mcp__").unwrap_or(tool_name);
    let (server, tool) = full.split_once("__").unwrap_or((full, ""));
    let usage = if changes_files(tool) {
        FileUse::Write
    } else {
        FileUse::Read
    };
    let arguments = call.argument_names();
    let summary = match arguments.as_str() {
        "" => format!("{server} {tool}"),
        some => format!("{server} {tool} ({some})"),
    };
    ToolInput {
        files: files(call, usage),
        ..ToolInput::saying(summary.trim())
    }
}

fn changes_files(tool: &str) -> bool {
    let words = tool.split(['_', '-', '.']);
    words
        .map(str::to_ascii_lowercase)
        .any(|word| WRITES.iter().any(|verb| word.starts_with(verb)))
}

fn files(call: &Call<'_>, usage: FileUse) -> Vec<UsedFile> {
    let single = PATHS.iter().filter_map(|name| call.text(name));
    let lists = LISTS
        .iter()
        .filter_map(|name| call.input.get(name)?.as_array());
    let listed = lists.flatten().filter_map(|item| item.as_str());
    let paths = single.chain(listed).map(of_uri);
    let here = paths.filter(|path| Path::new(path).is_absolute());
    here.filter_map(|path| paths::absolute(path, call.cwd))
        .take(MAX_FILES)
        .map(|path| UsedFile {
            path,
            r#use: usage.into(),
        })
        .collect()
}

fn of_uri(text: &str) -> &str {
    text.strip_prefix("file://").unwrap_or(text)
}
