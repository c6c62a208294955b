//! Arguments that only some actions of a tool need, which its schema cannot say.

use shim_proto::reasons::BAD_REQUEST;

use crate::arguments::Arguments;
use crate::tool_error::ToolError;

/// Names every argument the action needs and did not get.
pub(super) fn check_required(
    arguments: &Arguments,
    action: &str,
    required_arguments: &[&str],
) -> Result<(), ToolError> {
    let missing = missing_fields(arguments, action, required_arguments);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(incomplete(action, missing))
    }
}

/// The arguments the action needs and did not get, each with the rule it breaks.
pub(super) fn missing_fields(
    arguments: &Arguments,
    action: &str,
    required_arguments: &[&str],
) -> Vec<(String, String)> {
    let missing = required_arguments
        .iter()
        .filter(|name| !arguments.has(name));
    let rule = format!("is required for action={action}");
    missing
        .map(|name| ((*name).to_owned(), rule.clone()))
        .collect()
}

/// The refusal of an action whose arguments are wrong in these fields.
pub(super) fn incomplete(action: &str, fields: Vec<(String, String)>) -> ToolError {
    let message = format!(
        "the arguments of action={action} are wrong in {} place(s)",
        fields.len()
    );
    ToolError::new(BAD_REQUEST, message)
        .with_fields(fields)
        .next_step("correct the arguments named and call the tool again; nothing was done")
}
