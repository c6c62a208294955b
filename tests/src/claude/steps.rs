//! What the model is to say, one value for each turn of it.

use std::path::Path;

use serde_json::{Value, json};

/// Words, which end the turn.
#[must_use]
pub fn text(said: &str) -> Value {
    json!({ "text": said })
}

/// A call of one tool.
#[must_use]
pub fn tool(name: &str, input: &Value) -> Value {
    tools(&[(name, input.clone())])
}

/// Calls of several tools at once.
#[must_use]
pub fn tools(calls: &[(&str, Value)]) -> Value {
    let calls = calls
        .iter()
        .map(|(name, input)| json!({"name": name, "input": input}));
    json!({ "tools": calls.collect::<Vec<_>>() })
}

/// A new file, or a file anew.
#[must_use]
pub fn write(file: &Path, content: &str) -> Value {
    tool("Write", &json!({"file_path": file, "content": content}))
}

/// A change of a file, which must have been read before.
#[must_use]
pub fn edit(file: &Path, old: &str, new: &str) -> Value {
    let input = json!({"file_path": file, "old_string": old, "new_string": new});
    tool("Edit", &input)
}

/// A command of the shell.
#[must_use]
pub fn shell(command: &str) -> Value {
    let input = json!({"command": command, "description": "a command of the test"});
    tool("Bash", &input)
}

/// An answer that is held back until [`super::ClaudeLab::release`].
#[must_use]
pub fn held(mut step: Value) -> Value {
    step["hold"] = true.into();
    step
}

/// With what it cost in tokens.
#[must_use]
pub fn with_usage(mut step: Value, input: u64, output: u64) -> Value {
    step["usage"] = json!({"input_tokens": input, "output_tokens": output});
    step
}

/// A refusal of the API, again and again.
#[must_use]
pub fn fault(status: u16, error: &str, message: &str) -> Value {
    json!({"status": status, "error": error, "message": message, "last": true})
}
