//! What a hook says, in the form that each hook of the client takes.

use serde_json::{Value, json};

/// What a hook says to the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Nothing: the client goes on as if there were no hook.
    #[default]
    Nothing,
    /// Facts for the model.
    Context(String),
    /// The tool does not run; the model is told why.
    Deny(String),
    /// The turn goes on with these words.
    KeepGoing(String),
    /// The tool runs, and the model is told what speaks against it.
    Warn(String),
}

impl Reply {
    /// The JSON for this hook; `None` if there is nothing to print, or the hook cannot say it.
    pub(crate) fn json(&self, hook: &str) -> Option<Value> {
        match (self, hook) {
            (Self::Nothing, _) => None,
            (Self::Deny(why), "PreToolUse") => Some(specific(
                hook,
                &json!({"permissionDecision": "deny", "permissionDecisionReason": why}),
            )),
            (Self::KeepGoing(words), "Stop" | "SubagentStop") => {
                Some(json!({"decision": "block", "reason": words}))
            }
            (
                Self::Context(facts) | Self::Warn(facts),
                "SessionStart" | "UserPromptSubmit" | "PreToolUse" | "PostToolUse",
            ) => Some(specific(hook, &json!({"additionalContext": facts}))),
            _ => None,
        }
    }
}

fn specific(hook: &str, fields: &Value) -> Value {
    let mut output = json!({"hookEventName": hook});
    if let (Some(output), Some(fields)) = (output.as_object_mut(), fields.as_object()) {
        output.extend(fields.clone());
    }
    json!({"hookSpecificOutput": output})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_hook_is_told_in_its_own_form() {
        let deny = Reply::Deny("no".into());
        assert_eq!(
            deny.json("PreToolUse").unwrap().to_string(),
            r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"no"}}"#
        );
        for said in [Reply::Context("facts".into()), Reply::Warn("facts".into())] {
            assert_eq!(
                said.json("SessionStart").unwrap()["hookSpecificOutput"]["additionalContext"],
                "facts"
            );
            assert_eq!(said.json("Stop"), None);
        }
        let on = Reply::KeepGoing("next".into());
        assert_eq!(
            on.json("Stop").unwrap(),
            json!({"decision": "block", "reason": "next"})
        );
        // A hook that cannot say it says nothing: a prompt must not be blocked.
        assert_eq!(on.json("UserPromptSubmit"), None);
        assert_eq!(deny.json("Stop"), None);
        for hook in ["SessionStart", "Stop", "PreToolUse", ""] {
            assert_eq!(Reply::Nothing.json(hook), None);
        }
    }
}
