//! Messages of the contract as canonical proto JSON, through the descriptors that servers also reflect.

use std::io::{self, Write};
use std::sync::LazyLock;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::Struct;
use serde::Serialize;
use serde_json::Value;
use shim_proto::checkpoint::v1 as checkpoint;
use shim_proto::coordination::v1 as coordination;
use shim_proto::evolution::v1 as evolution;
use shim_proto::worker::v1 as worker;
use shim_render::text;
use shim_runtime::{free_form, json_text};

use crate::error::CliError;

/// Decoding the descriptors costs a millisecond, so only `--json`, export and import pay it.
static CONTRACT: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(shim_proto::FILE_DESCRIPTOR_SET).ok());

/// A message that knows its own name in the contract.
pub(crate) trait Named: Message + Default {
    /// The full name, as in the .proto file.
    const NAME: &'static str;
}

macro_rules! named {
    ($package:ident, $prefix:literal: $($message:ident),* $(,)?) => {$(
        impl Named for $package::$message {
            const NAME: &'static str = concat!($prefix, ".", stringify!($message));
        }
    )*};
}

named! {
    checkpoint, "shim.checkpoint.v1":
    ArchiveRecord, DeleteSessionResponse, DiffCheckpointsResponse, DismissRecoveryResponse, EndSessionResponse,
    ForkSessionResponse, GetCheckpointResponse, GetObservationResponse, GetSessionResponse, ImportResponse, ListCheckpointsResponse,
    ListSessionsResponse, PruneResponse, ReportEventsResponse, RestoreCheckpointResponse, SearchCheckpointsResponse, Session,
}

named! {
    coordination, "shim.coordination.v1":
    AckMessagesResponse, AcquireFilesResponse, AggregateResultsResponse, ApproveTaskResponse, CancelTaskResponse, DeleteStateResponse,
    GetLockResponse, GetStateResponse, GetTaskResponse, GetWorkerResponse, ListFilesResponse, ListLocksResponse,
    ListStateResponse, ListTasksResponse, ListWorkersResponse, PatchStateResponse, PauseQueuesResponse, PruneTasksResponse,
    PutStateResponse,
    QueueHealthResponse, ReceiveMessagesResponse, ReleaseFilesResponse, ReleaseLockResponse, ResumeQueuesResponse,
    RetryTaskResponse,
    SendMessageResponse, SubmitTaskRequest, SubmitTaskResponse, WatchStateResponse, WatchTaskResponse,
    WatchWorkersResponse,
}

named! {
    worker, "shim.worker.v1":
    DrainWorkerResponse, GetWorkerHealthResponse, StartWorkerResponse, StopWorkerResponse,
}

named! {
    evolution, "shim.evolution.v1":
    AnalysisReport, AnalyzeWorkflowResponse, ApproveEvolutionResponse, EvolveCodeResponse, Finding, GenerateTestsResponse,
    GetEvolutionResponse, ListEvolutionsResponse, ListPatternsResponse, ListTransformsResponse, RevertEvolutionResponse,
    TestGenerationReport, TrustProjectResponse,
}

impl Named for Struct {
    const NAME: &'static str = "google.protobuf.Struct";
}

/// Writes a message on one line.
///
/// # Errors
/// If the output is closed.
pub(crate) fn write_line<M: Named>(out: &mut dyn Write, message: &M) -> Result<(), CliError> {
    let mut dynamic = DynamicMessage::new(descriptor::<M>()?);
    dynamic.transcode_from(message).map_err(contract_broken)?;
    Ok(write_value(out, &dynamic)?)
}

/// A message as a value, to be part of a document.
///
/// # Errors
/// If this build's contract and messages differ.
pub(crate) fn value<M: Named>(message: &M) -> Result<Value, CliError> {
    let mut dynamic = DynamicMessage::new(descriptor::<M>()?);
    dynamic.transcode_from(message).map_err(contract_broken)?;
    serde_json::to_value(&dynamic).map_err(contract_broken)
}

/// Writes a value on one line.
pub(crate) fn write_value(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    write_document(out, &serde_json::to_string(value)?)
}

/// Writes a value on lines for people.
pub(crate) fn write_pretty(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    write_document(out, &serde_json::to_string_pretty(value)?)
}

/// A terminal acts on characters that JSON lets through, so they are written as escapes.
fn write_document(out: &mut dyn Write, document: &str) -> io::Result<()> {
    out.write_all(text::json(document).as_bytes())?;
    out.write_all(b"\n")
}

/// Reads a message from JSON text.
///
/// # Errors
/// If the text is not the JSON of such a message; unknown fields are refused.
pub(crate) fn read<M: Named>(text: &str) -> Result<M, CliError> {
    // A text that was cut in the middle of an emoji is read as every other client's.
    let repaired = json_text::repair(text.as_bytes());
    let mut input = serde_json::Deserializer::from_str(repaired.as_deref().unwrap_or(text));
    let dynamic = DynamicMessage::deserialize(descriptor::<M>()?, &mut input)
        .and_then(|message| input.end().map(|()| message))
        .map_err(|e| CliError::new(e.to_string()))?;
    dynamic.transcode_to().map_err(contract_broken)
}

/// Free-form data as JSON, whole numbers without a fraction.
pub(crate) fn free_form(data: &Struct) -> Value {
    Value::Object(free_form::to_json(data))
}

fn descriptor<M: Named>() -> Result<MessageDescriptor, CliError> {
    CONTRACT
        .as_ref()
        .and_then(|contract| contract.get_message_by_name(M::NAME))
        .ok_or_else(|| CliError::new(format!("this build's contract lacks {}", M::NAME)))
}

fn contract_broken(error: impl std::fmt::Display) -> CliError {
    CliError::new(format!(
        "this build's contract and messages differ: {error}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use shim_proto::checkpoint::v1::archive_record::Record;
    use shim_proto::checkpoint::v1::{
        ArchiveRecord, ArchivedCheckpoint, Checkpoint, CheckpointState,
    };

    #[test]
    fn an_archive_record_survives_json_to_the_last_bit() {
        let record = ArchiveRecord {
            record: Some(Record::Checkpoint(ArchivedCheckpoint {
                checkpoint: Some(Checkpoint {
                    id: "c".into(),
                    number: u64::MAX,
                    trigger: 3,
                    ..Checkpoint::default()
                }),
                state: Some(CheckpointState {
                    current_task: "über \u{1F600} \"quotes\"".into(),
                    progress: 0.1 + 0.2,
                    decisions: vec!["a\nb".into()],
                    ..CheckpointState::default()
                }),
                ..ArchivedCheckpoint::default()
            })),
        };
        let mut line = Vec::new();
        write_line(&mut line, &record).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(
            line.contains("\"CHECKPOINT_TRIGGER_MILESTONE\"") && line.contains("\"currentTask\""),
            "{line}"
        );
        assert_eq!(read::<ArchiveRecord>(&line).unwrap(), record);
    }

    #[test]
    fn json_keeps_what_a_terminal_would_act_on_as_escapes() {
        let hostile = "a\u{9b}2J\u{202e}b\u{200b}\u{7f}\u{2028}\u{e0041}ü\n\u{1b}[m";
        let session = checkpoint::Session {
            project: hostile.into(),
            ..checkpoint::Session::default()
        };
        let mut line = Vec::new();
        write_line(&mut line, &session).unwrap();
        let line = String::from_utf8(line).unwrap();
        let body = line.strip_suffix('\n').unwrap();
        assert!(
            !body.chars().any(shim_render::hidden::is_hidden),
            "{body:?}"
        );
        assert!(body.contains("\\u009b") && body.contains('ü'), "{body}");
        assert_eq!(read::<checkpoint::Session>(&line).unwrap(), session);
    }

    #[test]
    fn a_line_that_is_no_record_is_refused() {
        for bad in ["", "{", "{\"nonsense\":1}", "{} {}", "[]"] {
            assert!(read::<ArchiveRecord>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn free_form_data_reads_as_it_was_typed() {
        let typed = r#"{"a":[1,-2.5,null,true,"x"],"b":{"c":1e300}}"#;
        let read = read::<Struct>(typed).unwrap();
        assert_eq!(
            free_form(&read).to_string(),
            r#"{"a":[1,-2.5,null,true,"x"],"b":{"c":1e+300}}"#
        );
        assert!(super::read::<Struct>("[1]").is_err());
    }

    #[test]
    fn every_named_message_is_in_the_contract() {
        assert!(descriptor::<checkpoint::Session>().is_ok());
        assert!(descriptor::<checkpoint::DiffCheckpointsResponse>().is_ok());
        assert!(descriptor::<checkpoint::ForkSessionResponse>().is_ok());
        assert!(descriptor::<coordination::WatchStateResponse>().is_ok());
        assert!(descriptor::<coordination::SubmitTaskRequest>().is_ok());
        assert!(descriptor::<worker::GetWorkerHealthResponse>().is_ok());
        assert!(descriptor::<Struct>().is_ok());
    }
}
