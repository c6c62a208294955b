//! The fields of a subtask in the words of the tool `shim_coordinate_task`, turned into those of the contract. Pure.

use serde_json::{Map, Value, json};

/// The tool's word and the contract's words of a field whose value is the same.
const SAME_VALUE: [(&str, [&str; 2]); 2] = [
    ("id", ["key", "key"]),
    ("after", ["depends_on", "dependsOn"]),
];

/// Renames the tool's fields, and gives their values the contract's form.
///
/// # Errors
/// With what is wrong: a field given in both words, or a value of another form.
pub(super) fn to_contract(part: &mut Map<String, Value>) -> Result<(), String> {
    for (tool, contract) in SAME_VALUE {
        if let Some(value) = take(part, tool, &contract)? {
            part.insert(contract[0].to_owned(), value);
        }
    }
    if let Some(seconds) = take(part, "timeout_seconds", &["timeout"])? {
        let whole = seconds.as_u64();
        let whole = whole.ok_or_else(|| {
            format!("timeout_seconds must be a whole number of seconds, not {seconds}")
        })?;
        part.insert("timeout".to_owned(), json!(format!("{whole}s")));
    }
    if part.get("approval").is_some_and(Value::is_string) {
        let gates = match part["approval"].as_str() {
            Some("start") => json!({ "before_start": true }),
            Some("result") => json!({ "before_result": true }),
            Some("both") => json!({ "before_start": true, "before_result": true }),
            _ => {
                return Err(format!(
                    "approval must be start, result or both, not {}",
                    part["approval"]
                ));
            }
        };
        part.insert("approval".to_owned(), gates);
    }
    requirements(part)
}

/// The tool has the capabilities as a list, and the executor beside it.
fn requirements(part: &mut Map<String, Value>) -> Result<(), String> {
    if part.get("requirements").is_some_and(Value::is_array) {
        let capabilities = part.remove("requirements");
        part.insert(
            "requirements".to_owned(),
            json!({ "capabilities": capabilities }),
        );
    }
    let Some(executor) = part.remove("executor") else {
        return Ok(());
    };
    let required = part.entry("requirements").or_insert_with(|| json!({}));
    let required = required
        .as_object_mut()
        .ok_or("requirements must be a list of capabilities, or an object")?;
    match required.insert("executor".to_owned(), executor) {
        None => Ok(()),
        Some(_) => Err("executor is given twice: beside requirements and in it".to_owned()),
    }
}

/// The value under the tool's word, if it is given; refused if the contract's word is given, too.
fn take(
    part: &mut Map<String, Value>,
    tool: &str,
    contract: &[&str],
) -> Result<Option<Value>, String> {
    let Some(value) = part.remove(tool) else {
        return Ok(None);
    };
    match contract.iter().find(|word| part.contains_key(**word)) {
        Some(word) => Err(format!(
            "{tool} and {word} are the same field: give one of them"
        )),
        None => Ok(Some(value)),
    }
}
