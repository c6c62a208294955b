//! The rules of this service's messages, on top of the shared rules of single fields.

use std::ops::{Deref, DerefMut};

use prost::Message;
use shim_proto::checkpoint::v1::{
    CheckpointState, ClientInfo, FilePresence, FileState, GitState, MemoryState, ProcessIdentity,
    Signals, WorkTree,
};
use shim_proto::limits::checkpoint::{
    MAX_BOOT_ID_BYTES, MAX_BRANCH_BYTES, MAX_CHANGED_PATHS, MAX_CLIENT_BYTES, MAX_COMMIT_BYTES,
    MAX_COUNT, MAX_FILE_NOTE_BYTES, MAX_FINGERPRINT_BYTES, MAX_HOSTNAME_BYTES, MAX_ITEM_BYTES,
    MAX_KEPT_STATE_BYTES, MAX_LATENCY_MS, MAX_REPOSITORY_BYTES, MAX_STATE_BYTES, MAX_SUMMARY_BYTES,
    MAX_TASK_KEY_BYTES,
};
use shim_proto::limits::{MAX_LIST, MAX_PATH_BYTES};
use shim_render::session_tasks::OBSERVED_TASK;
use shim_render::wording::name;
use shim_runtime::fields::Fields as BaseFields;
use tonic::Status;

/// The shared rules and those of this service's messages.
#[derive(Debug, Default)]
pub(super) struct Fields(BaseFields);

impl Deref for Fields {
    type Target = BaseFields;

    fn deref(&self) -> &BaseFields {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut BaseFields {
        &mut self.0
    }
}

impl Fields {
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub(super) fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    pub(super) fn epoch(&mut self, epoch: u64) {
        if epoch == 0 {
            self.refuse(
                "epoch",
                "is missing; use the epoch of the session you opened or restored",
            );
        }
        self.at_most_epoch("epoch", epoch);
    }

    /// SQLite's integers are signed.
    pub(super) fn at_most_epoch(&mut self, field: &str, epoch: u64) {
        self.at_most(field, epoch, i64::MAX.unsigned_abs());
    }

    pub(super) fn texts(&mut self, field: &str, items: &[String], max_bytes: usize) {
        if !self.list(field, items.len(), MAX_LIST) {
            return;
        }
        for (i, item) in items.iter().enumerate() {
            if item.trim().is_empty() {
                self.refuse(format!("{field}[{i}]"), "is empty");
            } else {
                self.text(format_args!("{field}[{i}]"), item, max_bytes);
            }
        }
    }

    /// The numbers of a page token, which clients pass back as they got it.
    pub(super) fn page_token<const N: usize>(&mut self, token: &str) -> Option<[i64; N]> {
        if token.is_empty() {
            return None;
        }
        let numbers: Option<Vec<i64>> = token.split('.').map(|part| part.parse().ok()).collect();
        let numbers = numbers.and_then(|numbers| <[i64; N]>::try_from(numbers).ok());
        if numbers.is_none() {
            self.refuse_page_token();
        }
        numbers
    }

    pub(super) fn client(&mut self, client: Option<&ClientInfo>) {
        let Some(client) = client else { return };
        self.line("client.name", &client.name, MAX_CLIENT_BYTES);
        self.line("client.version", &client.version, MAX_CLIENT_BYTES);
        self.line("client.hostname", &client.hostname, MAX_HOSTNAME_BYTES);
        self.line("client.boot_id", &client.boot_id, MAX_BOOT_ID_BYTES);
        self.line(
            "client.conversation",
            &client.conversation,
            MAX_CLIENT_BYTES,
        );
        let pid = |process: Option<&ProcessIdentity>| process.map_or(0, |p| u64::from(p.pid));
        self.at_most(
            "client.client_process.pid",
            pid(client.client_process.as_ref()),
            1 << 22,
        );
        self.at_most(
            "client.gateway_process.pid",
            pid(client.gateway_process.as_ref()),
            1 << 22,
        );
    }

    pub(super) fn files(&mut self, field: &str, files: &[FileState]) {
        if !self.list(field, files.len(), MAX_LIST) {
            return;
        }
        for (i, file) in files.iter().enumerate() {
            self.path(&format!("{field}[{i}].path"), &file.path);
            self.text(
                format_args!("{field}[{i}].note"),
                &file.note,
                MAX_FILE_NOTE_BYTES,
            );
            if FilePresence::try_from(file.presence).is_err() {
                self.refuse(
                    format!("{field}[{i}].presence"),
                    format!("{} is no FilePresence", file.presence),
                );
            }
            let is_hash = file.blake3.len() == 64
                && file
                    .blake3
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !file.blake3.is_empty() && !is_hash {
                self.refuse(
                    format!("{field}[{i}].blake3"),
                    "must be 64 lower-case hex digits, or empty",
                );
            }
            self.timestamp(
                &format!("{field}[{i}].modified_at"),
                file.modified_at.as_ref(),
            );
        }
    }

    fn path(&mut self, field: &str, path: &str) {
        if path.trim().is_empty() {
            self.refuse(field, "is required");
        } else if path.split(['/', '\\']).any(|part| part == "..") {
            self.refuse(field, "must not contain \"..\"; give the path itself");
        } else {
            self.text(field, path, MAX_PATH_BYTES);
        }
    }

    pub(super) fn timestamp(&mut self, field: &str, time: Option<&prost_types::Timestamp>) {
        // RFC 3339 years 0001..9999, as google.protobuf.Timestamp asks.
        let valid = time.is_none_or(|t| {
            (-62_135_596_800..=253_402_300_799).contains(&t.seconds)
                && (0..1_000_000_000).contains(&t.nanos)
        });
        if !valid {
            self.refuse(field, "is not a time between the years 1 and 9999");
        }
    }

    pub(super) fn git(&mut self, field: &str, git: Option<&GitState>) {
        let Some(git) = git else { return };
        self.text(format_args!("{field}.head"), &git.head, MAX_COMMIT_BYTES);
        self.text(
            format_args!("{field}.branch"),
            &git.branch,
            MAX_BRANCH_BYTES,
        );
        let repository = format!("{field}.repository");
        self.text(repository, &git.repository, MAX_REPOSITORY_BYTES);
        if let Some(tree) = &git.work_tree {
            self.work_tree(&format!("{field}.work_tree"), tree);
        }
    }

    fn work_tree(&mut self, field: &str, tree: &WorkTree) {
        let fingerprint = &tree.fingerprint;
        self.text(
            format_args!("{field}.fingerprint"),
            fingerprint,
            MAX_FINGERPRINT_BYTES,
        );
        if self.list(
            &format!("{field}.paths"),
            tree.paths.len(),
            MAX_CHANGED_PATHS,
        ) {
            for (i, path) in tree.paths.iter().enumerate() {
                self.text(format_args!("{field}.paths[{i}]"), path, MAX_PATH_BYTES);
            }
        }
    }

    pub(super) fn memory(&mut self, field: &str, memory: Option<&MemoryState>) {
        let Some(memory) = memory else { return };
        self.fraction(&format!("{field}.pressure"), memory.pressure);
    }

    pub(super) fn state(&mut self, state: Option<&CheckpointState>) {
        self.archived_state(state);
        let Some(state) = state else { return };
        self.told_alone(state);
        if let Some(custom) = &state.custom {
            self.exact_numbers("state.custom", custom);
        }
        self.no_breaks("state.task_key", &state.task_key);
        // What git names is evidence, and shown as such; these are names that the caller chose.
        for (i, file) in state.active_files.iter().enumerate().take(MAX_LIST) {
            self.no_breaks(format_args!("state.active_files[{i}].path"), &file.path);
        }
    }

    /// A client tells what its model said. What it observes it reports as events, and the service keeps the two apart.
    fn told_alone(&mut self, state: &CheckpointState) {
        for (field, is_set) in [
            ("state.observed", state.observed.is_some()),
            ("state.is_task_observed", state.is_task_observed),
        ] {
            if is_set {
                self.refuse(field, "is set by the service alone; leave it out");
            }
        }
        if name(&state.task_key) == OBSERVED_TASK {
            let rule = format!(
                "\"{OBSERVED_TASK}\" names the task that was only observed; choose another key"
            );
            self.refuse("state.task_key", rule);
        }
        let size = state.encoded_len();
        if size > MAX_STATE_BYTES && self.is_clean() {
            self.refuse("state", format!("is {size} bytes encoded, at most {MAX_STATE_BYTES} are allowed; shorten the summary or the lists"));
        }
    }

    /// A state that was taken once; earlier versions took numbers that a client may have rounded, and names with line breaks.
    pub(super) fn archived_state(&mut self, state: Option<&CheckpointState>) {
        let Some(state) = state else {
            return self.refuse("state", "is required");
        };
        self.required("state.current_task", &state.current_task, MAX_ITEM_BYTES);
        self.fraction("state.progress", state.progress);
        self.texts("state.decisions", &state.decisions, MAX_ITEM_BYTES);
        self.files("state.active_files", &state.active_files);
        self.texts("state.next_steps", &state.next_steps, MAX_ITEM_BYTES);
        self.texts(
            "state.completed_steps",
            &state.completed_steps,
            MAX_ITEM_BYTES,
        );
        self.texts("state.blockers", &state.blockers, MAX_ITEM_BYTES);
        self.text("state.summary", &state.summary, MAX_SUMMARY_BYTES);
        self.git("state.git", state.git.as_ref());
        self.memory("state.memory", state.memory.as_ref());
        self.text("state.task_key", &state.task_key, MAX_TASK_KEY_BYTES);
        self.texts("state.dropped_steps", &state.dropped_steps, MAX_ITEM_BYTES);
        let retracted = &state.retracted_decisions;
        self.texts("state.retracted_decisions", retracted, MAX_ITEM_BYTES);
        let left_open = &state.left_open_steps;
        self.texts("state.left_open_steps", left_open, MAX_ITEM_BYTES);
        if let Some(custom) = &state.custom {
            self.kept_free_form("state.custom", custom, MAX_STATE_BYTES);
        }
        let size = state.encoded_len();
        if size > MAX_KEPT_STATE_BYTES && self.is_clean() {
            self.refuse("state", format!("is {size} bytes encoded, at most {MAX_KEPT_STATE_BYTES} are kept of what clients told and was observed"));
        }
    }

    pub(super) fn signals(&mut self, signals: Option<&Signals>) {
        let Some(signals) = signals else { return };
        let counts = [
            ("signals.estimated_tokens", signals.estimated_tokens),
            ("signals.context_window", signals.context_window),
            ("signals.message_count", signals.message_count),
            ("signals.tool_calls", signals.tool_calls),
            ("signals.tool_failures", signals.tool_failures),
        ];
        for (field, count) in counts {
            self.at_most(field, count.unwrap_or(0), MAX_COUNT);
        }
        if signals.context_window == Some(0) {
            self.refuse("signals.context_window", "must be at least 1");
        }
        if let (Some(failures), Some(calls)) = (signals.tool_failures, signals.tool_calls)
            && failures > calls
        {
            self.refuse(
                "signals.tool_failures",
                format!("is {failures}, more than tool_calls ({calls})"),
            );
        }
        let latency = signals.response_latency_ms.unwrap_or(0.0);
        if !(0.0..=MAX_LATENCY_MS).contains(&latency) {
            self.refuse(
                "signals.response_latency_ms",
                format!("must be 0..{MAX_LATENCY_MS}; it is {latency}"),
            );
        }
        self.memory("signals.memory", signals.memory.as_ref());
    }
}
