//! The rules of a task's fields. A rule returns the typed value.

use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use shim_proto::coordination::v1::{Requirements, TaskState, WorkerKind};
use shim_proto::limits::task::{
    LAST_PRIORITY, MAX_COST_USD, MAX_PATTERN_BYTES, MAX_REASON_BYTES, MAX_REQUIRED_CAPABILITIES,
    MAX_TIMEOUT, MAX_WEIGHT,
};
use shim_runtime::ids::TaskId;
use shim_store::domain::Pattern;

use super::fields::Fields;

impl Fields {
    /// A task's id; required.
    pub(super) fn task_id(&mut self, id: &str) -> TaskId {
        self.id("task_id", id)
    }

    /// The reason of a decision, for people; may be empty.
    pub(super) fn reason(&mut self, reason: &str) {
        self.text("reason", reason, MAX_REASON_BYTES);
    }

    /// A priority; 0 means the default.
    pub(super) fn priority(&mut self, field: &str, priority: u32) {
        self.at_most(field, priority.into(), LAST_PRIORITY.into());
    }

    /// A subtask's share in the job's progress; 0 means 1.
    pub(super) fn weight(&mut self, field: String, weight: f64) {
        if !(0.0..=MAX_WEIGHT).contains(&weight) {
            self.refuse(
                field,
                format!("must be more than 0 and at most {MAX_WEIGHT}, or 0 for 1; it is {weight}"),
            );
        }
    }

    /// How long an attempt may take; may be absent.
    pub(super) fn attempt_timeout(&mut self, field: &str, timeout: Option<&ProtoDuration>) {
        let second = Duration::from_secs(1);
        self.duration(field, timeout, second, second..=MAX_TIMEOUT);
    }

    /// What the attempts of a task may cost, in US dollars; may be absent.
    pub(super) fn budget(&mut self, field: &str, budget: Option<f64>) {
        let Some(budget) = budget else { return };
        // Not a number is neither.
        if !(budget > 0.0 && budget <= MAX_COST_USD) {
            self.refuse(
                field,
                format!(
                    "must be US dollars, more than 0 and at most {MAX_COST_USD}, or left out for no bound; it is {budget}"
                ),
            );
        }
    }

    /// What a task requires of its worker; sorts the capabilities and drops repetitions.
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

    /// A pattern of the files that a task leases.
    pub(super) fn file(&mut self, field: String, pattern: &str) {
        self.text(&field, pattern, MAX_PATTERN_BYTES);
        self.no_controls(field.as_str(), pattern);
        if pattern.len() <= MAX_PATTERN_BYTES
            && let Err(malformed) = Pattern::parse(pattern)
        {
            self.refuse(field, malformed.to_string());
        }
    }

    /// A value of an enumeration; the refusal lists its `names`.
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

    /// The states of a filter, sorted and without repetitions.
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
