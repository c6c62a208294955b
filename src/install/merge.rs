//! Putting one entry into a JSON file of another program: every byte that need not change stays as it is.
//! Pure: text in, text out.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The key of the list of servers.
pub(crate) const SERVERS: &str = "mcpServers";
/// The key of SHIM's entry in the list.
pub(crate) const ENTRY: &str = "shim";

/// What only the entry of a server at an address has.
const REMOTE: [&str; 5] = ["url", "serverUrl", "headers", "headersHelper", "oauth"];

const DEFAULT_INDENT: &str = "  ";
/// Unchanged lines shown around a difference.
const CONTEXT: usize = 3;

/// The text with `entry` as its server `shim`.
///
/// # Errors
/// With what is wrong, if the text is not the JSON of an object with an object of servers.
pub(super) fn merge(text: &str, entry: &Map<String, Value>) -> Result<String, String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let root: &RawValue =
        serde_json::from_str(text).map_err(|e| format!("this is not valid JSON: {e}"))?;
    let top = members(root).ok_or("the top of the file is not an object")?;
    let Some(servers) = top.get(SERVERS) else {
        return insert(text, root, 1, SERVERS, &json!({ ENTRY: entry }));
    };
    let listed = members(servers).ok_or_else(|| format!("\"{SERVERS}\" is not an object"))?;
    let Some(ours) = listed.get(ENTRY) else {
        return insert(text, servers, 2, ENTRY, &json!(entry));
    };
    // Additions to the entry by hand (environment, time limits) stay.
    let before: Map<String, Value> = serde_json::from_str(ours.get()).unwrap_or_default();
    let mut after = before.clone();
    after.retain(|key, value| !is_of_remote(key, value));
    after.extend(entry.clone());
    let mut merged = text.to_owned();
    if after != before {
        merged.replace_range(span(text, ours), &pretty(&json!(after), &indent(text), 2)?);
    }
    Ok(merged)
}

/// Whether a member of an entry is about a server that is reached by an address instead of started.
fn is_of_remote(key: &str, value: &Value) -> bool {
    REMOTE.contains(&key) || (key == "type" && value != "stdio")
}

/// The members of an object with their text; `None` if it is none.
pub(super) fn members(value: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// Where a value that was parsed from `text` stands in it.
pub(super) fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + value.get().len()
}

/// Adds a member at the end of `object`, whose members lie `depth` deep.
pub(super) fn insert(
    text: &str,
    object: &RawValue,
    depth: usize,
    key: &str,
    value: &Value,
) -> Result<String, String> {
    let Range { start, end } = span(text, object);
    let indent = indent(text);
    let kept = text[..end - 1].trim_end();
    let comma = if kept.len() == start + 1 { "" } else { "," };
    // The closing brace stays on its line if it has one.
    let blanks = &text[kept.len()..end - 1];
    let closing = if blanks.contains('\n') {
        blanks.to_owned()
    } else {
        format!("\n{}", indent.repeat(depth - 1))
    };
    let value = pretty(value, &indent, depth)?;
    Ok(format!(
        "{kept}{comma}\n{}\"{key}\": {value}{closing}{}",
        indent.repeat(depth),
        &text[end - 1..]
    ))
}

/// A value as it is printed `depth` deep.
fn pretty(value: &Value, indent: &str, depth: usize) -> Result<String, String> {
    let mut printed = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut printed, formatter);
    value
        .serialize(&mut serializer)
        .map_err(|e| e.to_string())?;
    let printed = String::from_utf8(printed).map_err(|e| e.to_string())?;
    Ok(printed.replace('\n', &format!("\n{}", indent.repeat(depth))))
}

/// The blanks in front of the first indented line.
pub(super) fn indent(text: &str) -> String {
    text.lines()
        .map(|line| {
            line.chars()
                .take_while(|c| matches!(c, ' ' | '\t'))
                .collect::<String>()
        })
        .find(|blanks| !blanks.is_empty())
        .unwrap_or_else(|| DEFAULT_INDENT.to_owned())
}

/// The lines that differ, `-` before and `+` after, with a few unchanged ones around. One stretch covers all
/// differences, which is exact for one entry.
pub(super) fn difference(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let alike = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let left = old.len().min(new.len()) - alike;
    let alike_at_end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(left)
        .take_while(|(a, b)| a == b)
        .count();
    let mut shown = String::new();
    let mut add = |mark: char, lines: &[&str]| {
        for line in lines {
            shown += &format!("  {mark} {line}\n");
        }
    };
    add(' ', &old[alike.saturating_sub(CONTEXT)..alike]);
    add('-', &old[alike..old.len() - alike_at_end]);
    add('+', &new[alike..new.len() - alike_at_end]);
    let end = &new[new.len() - alike_at_end..];
    add(' ', &end[..end.len().min(CONTEXT)]);
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry() -> Map<String, Value> {
        let entry = json!({ "command": "/opt/shim", "args": ["gateway"] });
        entry.as_object().cloned().unwrap()
    }

    #[test]
    fn an_empty_file_gets_the_entry() {
        let merged = merge("", &entry()).unwrap();
        assert!(merged.ends_with("}\n"));
        assert_eq!(
            serde_json::from_str::<Value>(&merged).unwrap(),
            json!({ "mcpServers": { "shim": entry() } })
        );
    }

    #[test]
    fn every_other_byte_stays() {
        let before = "{\n    \"zeta\": 1.50e1,\n    \"mcpServers\": {\n        \"other\": {\"command\":  \"x\"}\n    },\n    \"alpha\": [ ]\n}";
        let added = ",\n        \"shim\": {\n            \"command\": \"/opt/shim\",\n            \"args\": [\n                \"gateway\"\n            ]\n        }";
        let (head, tail) = before.split_at(before.find("\n    },").unwrap());
        assert_eq!(
            merge(before, &entry()).unwrap(),
            format!("{head}{added}{tail}")
        );
    }

    #[test]
    fn crowded_and_empty_objects_take_the_entry() {
        for before in [
            "{}",
            "{ }",
            "{\n}",
            "{\"a\":{}}",
            "{\"mcpServers\":{}}",
            " {\"mcpServers\":{\"x\":1}, \"b\":2}\n",
        ] {
            let merged = merge(before, &entry()).unwrap();
            let parsed: Value = serde_json::from_str(&merged).unwrap();
            assert_eq!(parsed["mcpServers"]["shim"], json!(entry()), "{merged}");
            assert_eq!(merge(&merged, &entry()).unwrap(), merged, "twice");
        }
    }

    #[test]
    fn merging_twice_changes_nothing() {
        let once = merge("{\"a\": 1}", &entry()).unwrap();
        assert_eq!(merge(&once, &entry()).unwrap(), once);
    }

    #[test]
    fn what_a_person_added_to_the_entry_stays() {
        let before = r#"{"mcpServers":{"shim":{"command":"/old","args":[],"env":{"SHIM_LOG_FILTER":"debug"}}}}"#;
        let merged: Value = serde_json::from_str(&merge(before, &entry()).unwrap()).unwrap();
        assert_eq!(
            merged["mcpServers"]["shim"]["env"]["SHIM_LOG_FILTER"],
            "debug"
        );
        assert_eq!(merged["mcpServers"]["shim"]["command"], "/opt/shim");
    }

    #[test]
    fn an_entry_of_another_kind_becomes_one_that_is_started() {
        for (kind, left) in [("http", None), ("sse", None), ("stdio", Some("stdio"))] {
            let before = json!({"mcpServers": {"shim": {
                "type": kind, "url": "http://x/mcp", "headers": {"A": "b"}, "env": {"C": "d"},
            }}});
            let merged = merge(&before.to_string(), &entry()).unwrap();
            let merged: Value = serde_json::from_str(&merged).unwrap();
            let mut expected = entry();
            expected.insert("env".to_owned(), json!({"C": "d"}));
            expected.extend(left.map(|kind| ("type".to_owned(), json!(kind))));
            assert_eq!(merged["mcpServers"]["shim"], json!(expected), "{kind}");
        }
    }

    #[test]
    fn broken_files_are_refused() {
        for broken in ["{", "[]", "{\"mcpServers\": 3}", "{ // comment\n}"] {
            assert!(merge(broken, &entry()).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_difference_shows_only_what_changed() {
        assert_eq!(
            difference("a\nb\nc\n", "a\nX\nc\n"),
            "    a\n  - b\n  + X\n    c\n"
        );
        assert_eq!(difference("", "a\n"), "  + a\n");
        assert_eq!(difference("a\na\n", "a\na\na\n"), "    a\n    a\n  + a\n");
    }
}
