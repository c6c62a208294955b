//! The rules of a task's fields.

use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::{Requirements, TaskState, WorkerKind};
use shim_proto::limits::task::{
    LAST_PRIORITY, MAX_PATTERN_BYTES, MAX_REASON_BYTES, MAX_REQUIRED_CAPABILITIES, MAX_WEIGHT,
};
pub(super) use shim_proto::limits::task::{
    MAX_GOAL_BYTES, MAX_KEY_BYTES, MAX_KIND_BYTES, MAX_PAYLOAD_BYTES, MAX_SUBTASKS as MAX_TASKS,
};
use shim_store::domain::Pattern;

use super::fields::Fields;

impl Fields {
    /// A task's id, in the one form it is stored in.
    pub(super) fn task_id(&mut self, id: &str) -> String {
        self.uuid("task_id", id).to_string()
    }

    /// Why, for people; or nothing.
    pub(super) fn reason(&mut self, reason: &str) {
        self.text("reason", reason, MAX_REASON_BYTES);
    }

    /// A priority; 0 is the one of whoever has none.
    pub(super) fn priority(&mut self, field: &str, priority: u32) {
        self.at_most(field, priority.into(), LAST_PRIORITY.into());
    }

    /// A share in the progress; 0 is the usual one.
    pub(super) fn weight(&mut self, field: String, weight: f64) {
        if !(0.0..=MAX_WEIGHT).contains(&weight) {
            self.refuse(
                field,
                format!("must be more than 0 and at most {MAX_WEIGHT}, or 0 for 1; it is {weight}"),
            );
        }
    }

    /// How long an attempt may take, or nothing.
    pub(super) fn attempt_timeout(&mut self, field: &str, timeout: Option<&ProtoDuration>) {
        let (second, half_day) = (Duration::from_secs(1), Duration::from_secs(12 * 3_600));
        self.duration(field, timeout, second, second..=half_day);
    }

    /// Who may run a task, its capabilities sorted and each once.
    pub(super) fn requirements(&mut self, field: &str, required: &mut Requirements) {
        let list = format!("{field}.capabilities");
        if self.list(
            &list,
            required.capabilities.len(),
            MAX_REQUIRED_CAPABILITIES,
        ) {
            for (i, capability) in required.capabilities.iter().enumerate() {
                self.capability(format!("{list}[{i}]"), capability);
            }
        }
        required.capabilities.sort_unstable();
        required.capabilities.dedup();
        let executors = "CHAT, AGENT, COMMAND, ANALYSIS or left out for any";
        self.one_of::<WorkerKind>(format!("{field}.executor"), required.executor, executors);
    }

    /// A pattern of files that a task has for itself.
    pub(super) fn file(&mut self, field: String, pattern: &str) {
        self.text(&field, pattern, MAX_PATTERN_BYTES);
        self.no_controls(field.as_str(), pattern);
        if pattern.len() <= MAX_PATTERN_BYTES
            && let Err(malformed) = Pattern::parse(pattern)
        {
            self.refuse(field, malformed.to_string());
        }
    }

    /// A value that its enumeration knows; `names` says which there are.
    pub(super) fn one_of<E: TryFrom<i32>>(
        &mut self,
        field: impl Into<String>,
        value: i32,
        names: &str,
    ) {
        if E::try_from(value).is_err() {
            self.refuse(field, format!("must be {names}; it is {value}"));
        }
    }

    /// States to look for.
    pub(super) fn task_states(&mut self, states: &[i32]) -> Vec<TaskState> {
        let mut wanted = Vec::new();
        for (i, state) in states.iter().enumerate() {
            match TaskState::try_from(*state) {
                Ok(TaskState::Unspecified) | Err(_) => {
                    self.refuse(
                        format!("states[{i}]"),
                        format!("is none that a task may be in; it is {state}"),
                    );
                }
                Ok(state) => wanted.push(state),
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}
