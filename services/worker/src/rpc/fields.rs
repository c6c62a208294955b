//! The rules of this service's messages, on top of the shared rules of single fields.

use std::ops::{Deref, DerefMut};

use shim_proto::coordination::v1::{TaskError, TaskResult, Usage};
pub(super) use shim_proto::limits::task::MAX_REASON_BYTES;
use shim_proto::limits::task::{
    MAX_ARTIFACTS, MAX_COST_USD as MAX_COST, MAX_DENIALS, MAX_ERROR_BYTES, MAX_ERROR_REASON_BYTES,
    MAX_NOTE_BYTES, MAX_REMARK_BYTES, MAX_REMARKS, MAX_RESULT_DATA_BYTES, MAX_RESULT_TEXT_BYTES,
    MAX_TOKENS,
};
use shim_proto::limits::{MAX_PATH_BYTES, MAX_VERSION as MAX_TOKEN};
use shim_proto::reasons::task::EXECUTOR_FAILED;
use shim_runtime::fields::Fields as Shared;
use shim_runtime::ids::{Epoch, LeaseToken};
use tonic::Status;

/// The shared rules and those of this service's messages.
#[derive(Debug, Default)]
pub(super) struct Fields(Shared);

impl Deref for Fields {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut Shared {
        &mut self.0
    }
}

impl Fields {
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub(super) fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    /// The token that proves a claim.
    pub(super) fn lease(&mut self, lease: u64) -> LeaseToken {
        if lease == 0 {
            self.refuse(
                "lease",
                "is missing; use the one from the answer to ClaimTask",
            );
        }
        self.at_most("lease", lease, MAX_TOKEN);
        LeaseToken(lease)
    }

    /// The epoch that fences a worker's calls.
    pub(super) fn epoch(&mut self, epoch: u64) -> Epoch {
        if epoch == 0 {
            self.refuse(
                "epoch",
                "is missing; use the one from the answer to RegisterWorker",
            );
        }
        self.at_most("epoch", epoch, MAX_TOKEN);
        Epoch(epoch)
    }

    /// What a worker does, in a few words.
    pub(super) fn note(&mut self, note: &str) {
        self.text("note", note, MAX_NOTE_BYTES);
    }

    /// What work cost; a missing value counts as nothing.
    pub(super) fn usage(&mut self, usage: Option<&Usage>) -> Usage {
        let usage = usage.copied().unwrap_or_default();
        self.at_most("usage.input_tokens", usage.input_tokens, MAX_TOKENS);
        self.at_most("usage.output_tokens", usage.output_tokens, MAX_TOKENS);
        if !(0.0..=MAX_COST).contains(&usage.cost_usd) {
            self.refuse("usage.cost_usd", format!("must be 0..{MAX_COST}"));
        }
        usage
    }

    /// A task's result.
    pub(super) fn result(&mut self, result: Option<TaskResult>) -> TaskResult {
        let Some(result) = result else {
            self.refuse("result", "is required; it may be empty");
            return TaskResult::default();
        };
        self.text("result.text", &result.text, MAX_RESULT_TEXT_BYTES);
        if let Some(data) = &result.data {
            self.free_form("result.data", data, MAX_RESULT_DATA_BYTES);
        }
        if self.list("result.artifacts", result.artifacts.len(), MAX_ARTIFACTS) {
            for (i, path) in result.artifacts.iter().enumerate() {
                self.required_line(format_args!("result.artifacts[{i}]"), path, MAX_PATH_BYTES);
            }
        }
        let lines = [
            ("result.denials", &result.denials, MAX_DENIALS),
            ("result.remarks", &result.remarks, MAX_REMARKS),
        ];
        for (field, lines, most) in lines {
            if self.list(field, lines.len(), most) {
                for (i, line) in lines.iter().enumerate() {
                    self.required(format_args!("{field}[{i}]"), line, MAX_REMARK_BYTES);
                }
            }
        }
        result
    }

    /// Why a task failed.
    pub(super) fn error(&mut self, error: Option<TaskError>) -> TaskError {
        let Some(mut error) = error else {
            self.refuse(
                "error",
                "is required: what went wrong, for those who read it",
            );
            return TaskError::default();
        };
        self.line("error.reason", &error.reason, MAX_ERROR_REASON_BYTES);
        self.required("error.message", &error.message, MAX_ERROR_BYTES);
        if error.reason.is_empty() {
            error.reason = EXECUTOR_FAILED.to_owned();
        }
        error
    }
}
