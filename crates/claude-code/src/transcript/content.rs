//! The content of a message: a text, or blocks of several kinds.

use serde_json::Value;

/// A block of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Block<'a> {
    /// Words.
    Text(&'a str),
    /// The model calls a tool.
    Call {
        id: &'a str,
        tool: &'a str,
        input: &'a Value,
    },
    /// A tool's result, in full or as an error.
    Result {
        id: &'a str,
        content: &'a Value,
        is_error: bool,
    },
    /// A picture or a document.
    Attached,
}

/// The blocks of a content. What is of another form is left out.
pub(super) fn blocks(content: &Value) -> Vec<Block<'_>> {
    match content {
        Value::String(text) => vec![Block::Text(text)],
        Value::Array(blocks) => blocks.iter().filter_map(block).collect(),
        _ => Vec::new(),
    }
}

fn block(block: &Value) -> Option<Block<'_>> {
    let text = |name: &str| block.get(name)?.as_str();
    Some(match text("type")? {
        "text" => Block::Text(text("text")?),
        "tool_use" => Block::Call {
            id: text("id")?,
            tool: text("name")?,
            input: block.get("input").unwrap_or(&Value::Null),
        },
        "tool_result" => Block::Result {
            id: text("tool_use_id")?,
            content: block.get("content").unwrap_or(&Value::Null),
            is_error: block.get("is_error") == Some(&Value::Bool(true)),
        },
        "image" | "document" => Block::Attached,
        _ => return None,
    })
}

/// The words of a tool's result.
pub(super) fn words(content: &Value) -> String {
    let texts = blocks(content).into_iter().filter_map(|block| match block {
        Block::Text(text) => Some(text),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
