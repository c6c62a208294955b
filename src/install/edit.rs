//! Taking something out of a JSON file of another program, and putting an item into a list: every other byte stays.
//! Pure: text in, text out.

use std::ops::Range;

use serde_json::json;
use serde_json::value::RawValue;

use super::merge::{ENTRY, SERVERS, indent, insert, members, span};

const PERMISSIONS: &str = "permissions";
const ALLOW: &str = "allow";

const NO_JSON: &str = "this is not valid JSON";
pub(super) const NO_OBJECT: &str = "the top of the file is not an object";

/// The text with `rule` in its list `permissions.allow`.
///
/// # Errors
/// With what is wrong, if the text is not such a JSON.
pub(super) fn allow(text: &str, rule: &str) -> Result<String, String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let root = parse(text)?;
    let top = members(root).ok_or(NO_OBJECT)?;
    let Some(permissions) = top.get(PERMISSIONS) else {
        return insert(text, root, 1, PERMISSIONS, &json!({ ALLOW: [rule] }));
    };
    let listed = members(permissions).ok_or("\"permissions\" is not an object")?;
    let is_no_list = |other: &&str| listed.get(*other).is_some_and(|it| items(it).is_none());
    if let Some(other) = ["deny", "ask"].into_iter().find(is_no_list) {
        return Err(format!("\"permissions.{other}\" is not a list"));
    }
    let Some(rules) = listed.get(ALLOW) else {
        return insert(text, permissions, 2, ALLOW, &json!([rule]));
    };
    let items = items(rules).ok_or("\"permissions.allow\" is not a list")?;
    if items.iter().any(|item| is_text(item, rule)) {
        return Ok(text.to_owned());
    }
    let (list, indent) = (span(text, rules), indent(text));
    let quoted = json!(rule).to_string();
    let mut added = text.to_owned();
    match items.last() {
        // On a line of its own if the one before has one.
        Some(last) => {
            let at = span(text, last);
            let before = text[..at.start].rsplit_once([',', '[']);
            let blanks = before.map_or(" ", |(_, blanks)| blanks);
            let blanks = if blanks.contains('\n') { blanks } else { " " };
            added.insert_str(at.end, &format!(",{blanks}{quoted}"));
        }
        None => added.replace_range(
            list,
            &format!("[\n{}{quoted}\n{}]", indent.repeat(3), indent.repeat(2)),
        ),
    }
    Ok(added)
}

/// Whether the text has `rule` in its list `permissions.allow`.
#[cfg(test)]
fn allows(text: &str, rule: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|file| {
        let rules = file.get(PERMISSIONS).and_then(|it| it.get(ALLOW));
        rules
            .and_then(serde_json::Value::as_array)
            .is_some_and(|rules| rules.iter().any(|item| item == rule))
    })
}

/// The text without `rule` in `permissions.allow`, and without what that leaves empty.
///
/// # Errors
/// With what is wrong, if the text is not the JSON of an object.
pub(super) fn disallow(text: &str, rule: &str) -> Result<String, String> {
    let root = parse(text)?;
    let top = members(root).ok_or(NO_OBJECT)?;
    let Some(permissions) = top.get(PERMISSIONS) else {
        return Ok(text.to_owned());
    };
    let listed = members(permissions).unwrap_or_default();
    let Some(rules) = listed.get(ALLOW) else {
        return Ok(text.to_owned());
    };
    let items = items(rules).unwrap_or_default();
    let Some(ours) = items.iter().find(|item| is_text(item, rule)) else {
        return Ok(text.to_owned());
    };
    if items.len() > 1 {
        return Ok(without(text, span(text, ours)));
    }
    let (key, value) = if listed.len() > 1 {
        (ALLOW, rules)
    } else {
        (PERMISSIONS, permissions)
    };
    member_span(text, key, value).map(|member| without(text, member))
}

/// The text without SHIM's entry in its list of servers.
///
/// # Errors
/// With what is wrong, if the text is not the JSON of an object.
pub(super) fn disconnect(text: &str) -> Result<String, String> {
    let root = parse(text)?;
    let top = members(root).ok_or(NO_OBJECT)?;
    let servers = top.get(SERVERS).and_then(|servers| members(servers));
    match servers.unwrap_or_default().get(ENTRY) {
        Some(ours) => member_span(text, ENTRY, ours).map(|member| without(text, member)),
        None => Ok(text.to_owned()),
    }
}

pub(super) fn parse(text: &str) -> Result<&RawValue, String> {
    serde_json::from_str(text).map_err(|e| format!("{NO_JSON}: {e}"))
}

fn items(list: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(list.get()).ok()
}

fn is_text(item: &RawValue, text: &str) -> bool {
    serde_json::from_str::<String>(item.get()).is_ok_and(|item| item == text)
}

/// Where a member stands, from its key to the end of its value. A key may be written with escapes.
pub(super) fn member_span(text: &str, key: &str, value: &RawValue) -> Result<Range<usize>, String> {
    let value = span(text, value);
    let before = text[..value.start]
        .trim_end()
        .trim_end_matches(':')
        .trim_end();
    let start = before
        .rfind(&format!("\"{key}\""))
        .filter(|start| start + key.len() + 2 == before.len())
        .ok_or_else(|| format!("the key \"{key}\" is written in an unusual way"))?;
    Ok(start..value.end)
}

/// The text without an item or a member, and without the comma that parts it from its neighbour.
pub(super) fn without(text: &str, what: Range<usize>) -> String {
    let before = text[..what.start].trim_end();
    let mut left = text.to_owned();
    if before.ends_with(',') {
        left.replace_range(before.len() - 1..what.end, "");
        return left;
    }
    let after = &text[what.end..];
    match after.trim_start().strip_prefix(',') {
        Some(rest) => {
            // The neighbour takes its place.
            let end = text.len() - rest.trim_start().len();
            left.replace_range(what.start..end, "");
        }
        // It was alone: nothing is left between the braces.
        None => left.replace_range(before.len()..text.len() - after.trim_start().len(), ""),
    }
    left
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;

    const RULE: &str = "mcp__shim";

    #[test]
    fn a_rule_is_added_once_and_taken_out_again() {
        for before in [
            "",
            "{}",
            "{\n  \"model\": \"opus\"\n}\n",
            "{\"permissions\": {\"deny\": [\"Read\"]}}",
            "{\"permissions\": {\"allow\": []}, \"x\": 1}",
            "{\n  \"permissions\": {\n    \"allow\": [\n      \"Bash(ls)\"\n    ]\n  }\n}\n",
            "{\"permissions\":{\"allow\":[\"a\", \"b\"],\"deny\":[]}}",
        ] {
            let added = allow(before, RULE).unwrap();
            assert!(allows(&added, RULE) && !allows(before, RULE), "{added}");
            assert_eq!(allow(&added, RULE).unwrap(), added, "twice");
            let removed = disallow(&added, RULE).unwrap();
            assert!(!allows(&removed, RULE), "{removed}");
            let parsed: Value = serde_json::from_str(&removed).unwrap();
            let mut expected: Value = serde_json::from_str(before).unwrap_or_else(|_| json!({}));
            if expected == json!({"permissions": {"allow": []}, "x": 1}) {
                expected = json!({"x": 1});
            }
            assert_eq!(parsed, expected, "{before}");
            assert_eq!(disallow(&removed, RULE).unwrap(), removed, "twice");
        }
        let lines =
            "{\n  \"permissions\": {\n    \"allow\": [\n      \"Bash(ls)\"\n    ]\n  }\n}\n";
        let added = allow(lines, RULE).unwrap();
        assert!(
            added.contains("\"Bash(ls)\",\n      \"mcp__shim\"\n"),
            "{added}"
        );
        assert_eq!(disallow(&added, RULE).unwrap(), lines, "every byte");
    }

    #[test]
    fn an_entry_is_taken_out_wherever_it_stands() {
        for (before, after) in [
            (
                "{\"mcpServers\": {\"shim\": {\"command\": \"s\"}}}",
                "{\"mcpServers\": {}}",
            ),
            (
                "{\"mcpServers\": {\"shim\": {}, \"b\": {}}}",
                "{\"mcpServers\": {\"b\": {}}}",
            ),
            (
                "{\"mcpServers\": {\"a\": {}, \"shim\" : {}}}",
                "{\"mcpServers\": {\"a\": {}}}",
            ),
            (
                "{\"mcpServers\": {\"a\": {},\n \"shim\": {},\n \"b\": {}}}",
                "{\"mcpServers\": {\"a\": {},\n \"b\": {}}}",
            ),
            (
                "{\"mcpServers\": {\"a\": {}}}",
                "{\"mcpServers\": {\"a\": {}}}",
            ),
            ("{\"shim\": 1}", "{\"shim\": 1}"),
        ] {
            assert_eq!(disconnect(before).as_deref(), Ok(after));
        }
    }

    #[test]
    fn broken_files_are_refused() {
        for broken in [
            "{",
            "[]",
            "{\"permissions\": 3}",
            "{\"permissions\": {\"allow\": 3}}",
            "{\"permissions\": {\"deny\": \"mcp__shim\"}}",
            "{\"permissions\": {\"allow\": [], \"ask\": {}}}",
        ] {
            assert!(allow(broken, RULE).is_err(), "{broken}");
        }
        assert!(disconnect("{").is_err() && disallow("[]", RULE).is_err());
    }
}
