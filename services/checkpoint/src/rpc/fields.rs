//! The rules of single fields, checked before anything else is done. All wrong fields of a request are told at once.

use std::fmt::Display;

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_proto::checkpoint::v1::{
    CheckpointState, ClientInfo, FilePresence, FileState, GitState, MemoryState, ProcessIdentity,
    Signals,
};
use shim_runtime::fault::Violations;
use tonic::Status;
use uuid::Uuid;

const MAX_LIST: usize = 1_000;
const MAX_ITEM_BYTES: usize = 8_192;
const MAX_PATH_BYTES: usize = 4_096;
const MAX_SUMMARY_BYTES: usize = 262_144;
const MAX_STATE_BYTES: usize = 1_048_576;
const MAX_REQUEST_ID_BYTES: usize = 128;
const MAX_COUNT: u64 = 1_000_000_000;
const MAX_LATENCY_MS: f64 = 86_400_000.0;
/// prost decodes 100 nested messages, and each level of a Struct costs three.
const MAX_DEPTH: usize = 32;

/// Gathers what is wrong with a request.
#[derive(Debug, Default)]
pub(super) struct Fields(Violations);

impl Fields {
    /// # Errors
    /// INVALID_ARGUMENT naming every wrong field.
    pub(super) fn finish(self) -> Result<(), Status> {
        self.0.finish()
    }

    pub(super) fn refuse(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.add(field, rule);
    }

    pub(super) fn request_id(&mut self, id: &str) {
        if id.is_empty()
            || id.len() > MAX_REQUEST_ID_BYTES
            || !id.bytes().all(|b| b.is_ascii_graphic())
        {
            self.refuse("request_id", format!("must be 1..{MAX_REQUEST_ID_BYTES} visible ASCII characters, new for every request"));
        }
    }

    /// A required UUID; the nil one stands in for a wrong one until [`Fields::finish`] refuses.
    pub(super) fn uuid(&mut self, field: &str, text: &str) -> Uuid {
        Uuid::try_parse(text).unwrap_or_else(|_| {
            let seen = if text.is_empty() {
                "it is missing".to_owned()
            } else {
                format!("{:?} is not", shown(text))
            };
            self.refuse(
                field,
                format!("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057; {seen}"),
            );
            Uuid::nil()
        })
    }

    pub(super) fn optional_uuid(&mut self, field: &str, text: &str) -> Option<Uuid> {
        (!text.is_empty()).then(|| self.uuid(field, text))
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

    pub(super) fn text(&mut self, field: impl Display, text: &str, max: usize) {
        if text.len() > max {
            self.refuse(
                field.to_string(),
                format!("is {} bytes long, at most {max} are allowed", text.len()),
            );
        } else if text.contains('\0') {
            self.refuse(
                field.to_string(),
                "holds a NUL character, which is not allowed",
            );
        }
    }

    pub(super) fn required(&mut self, field: &str, text: &str, max: usize) {
        if text.trim().is_empty() {
            self.refuse(field, "is required");
        } else {
            self.text(field, text, max);
        }
    }

    pub(super) fn fraction(&mut self, field: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.refuse(
                field,
                format!("must be a number from 0 to 1; it is {value}"),
            );
        }
    }

    fn at_most(&mut self, field: &str, value: u64, max: u64) {
        if value > max {
            self.refuse(field, format!("is {value}, at most {max} is allowed"));
        }
    }

    fn list_length(&mut self, field: &str, length: usize) -> bool {
        if length > MAX_LIST {
            self.refuse(
                field,
                format!("has {length} items, at most {MAX_LIST} are allowed"),
            );
        }
        length <= MAX_LIST
    }

    fn texts(&mut self, field: &str, items: &[String]) {
        if !self.list_length(field, items.len()) {
            return;
        }
        for (i, item) in items.iter().enumerate() {
            if item.trim().is_empty() {
                self.refuse(format!("{field}[{i}]"), "is empty");
            } else {
                self.text(format_args!("{field}[{i}]"), item, MAX_ITEM_BYTES);
            }
        }
    }

    /// A page's size: 0 means `default`.
    pub(super) fn page_size(&mut self, field: &str, size: i32, default: u32, max: u32) -> u32 {
        match u32::try_from(size) {
            Ok(0) => default,
            Ok(size) if size <= max => size,
            _ => {
                self.refuse(
                    field,
                    format!("must be 1..{max}, or 0 for {default}; it is {size}"),
                );
                default
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
            self.refuse(
                "page_token",
                "must be the next_page_token of the answer before, unchanged",
            );
        }
        numbers
    }

    pub(super) fn client(&mut self, client: Option<&ClientInfo>) {
        let Some(client) = client else { return };
        self.text("client.name", &client.name, 200);
        self.text("client.version", &client.version, 200);
        self.text("client.hostname", &client.hostname, 255);
        self.text("client.boot_id", &client.boot_id, 64);
        self.text("client.conversation", &client.conversation, 200);
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
        if !self.list_length(field, files.len()) {
            return;
        }
        for (i, file) in files.iter().enumerate() {
            self.path(&format!("{field}[{i}].path"), &file.path);
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

    fn timestamp(&mut self, field: &str, time: Option<&prost_types::Timestamp>) {
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
        self.text(format_args!("{field}.head"), &git.head, 64);
        self.text(format_args!("{field}.branch"), &git.branch, 500);
    }

    pub(super) fn memory(&mut self, field: &str, memory: Option<&MemoryState>) {
        let Some(memory) = memory else { return };
        self.fraction(&format!("{field}.pressure"), memory.pressure);
    }

    pub(super) fn state(&mut self, state: Option<&CheckpointState>) {
        let Some(state) = state else {
            return self.refuse("state", "is required");
        };
        self.required("state.current_task", &state.current_task, MAX_ITEM_BYTES);
        self.fraction("state.progress", state.progress);
        self.texts("state.decisions", &state.decisions);
        self.files("state.active_files", &state.active_files);
        self.texts("state.next_steps", &state.next_steps);
        self.texts("state.completed_steps", &state.completed_steps);
        self.texts("state.blockers", &state.blockers);
        self.text("state.summary", &state.summary, MAX_SUMMARY_BYTES);
        self.git("state.git", state.git.as_ref());
        self.memory("state.memory", state.memory.as_ref());
        if let Some(custom) = &state.custom {
            self.custom(custom, 0);
        }
        let size = state.encoded_len();
        if size > MAX_STATE_BYTES && self.0.is_empty() {
            self.refuse("state", format!("is {size} bytes encoded, at most {MAX_STATE_BYTES} are allowed; shorten the summary or the lists"));
        }
    }

    fn custom(&mut self, custom: &Struct, depth: usize) {
        for value in custom.fields.values() {
            self.custom_value(value, depth + 1);
        }
    }

    fn custom_value(&mut self, value: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            return self.refuse(
                "state.custom",
                format!("is nested deeper than {MAX_DEPTH} levels"),
            );
        }
        match &value.kind {
            Some(Kind::NumberValue(number)) if !number.is_finite() => {
                self.refuse(
                    "state.custom",
                    "holds NaN or infinity, which JSON does not know",
                );
            }
            Some(Kind::StructValue(inner)) => self.custom(inner, depth),
            Some(Kind::ListValue(list)) => list
                .values
                .iter()
                .for_each(|item| self.custom_value(item, depth + 1)),
            _ => {}
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

/// The start of a text, for messages.
fn shown(text: &str) -> &str {
    let end = (0..=40.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    &text[..end]
}
