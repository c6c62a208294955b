//! Messages of the contract as canonical proto JSON, through the descriptors that servers also reflect.

use std::io::Write;
use std::sync::LazyLock;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::value::Kind;
use prost_types::{Struct, Value as ProtoValue};
use serde_json::{Number, Value};
use shim_proto::checkpoint::v1 as checkpoint;
use shim_proto::coordination::v1 as coordination;

use crate::failure::Failure;

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
    ForkSessionResponse, GetCheckpointResponse, GetSessionResponse, ImportResponse, ListCheckpointsResponse,
    ListSessionsResponse, PruneResponse, RestoreCheckpointResponse, SearchCheckpointsResponse, Session,
}

named! {
    coordination, "shim.coordination.v1":
    AcquireFilesResponse, DeleteStateResponse, GetLockResponse, GetStateResponse, GetWorkerResponse,
    ListFilesResponse, ListLocksResponse, ListStateResponse, ListWorkersResponse, PatchStateResponse,
    PutStateResponse, ReceiveMessagesResponse, ReleaseFilesResponse, ReleaseLockResponse, SendMessageResponse,
    WatchStateResponse, WatchWorkersResponse,
}

impl Named for Struct {
    const NAME: &'static str = "google.protobuf.Struct";
}

/// Writes a message on one line.
///
/// # Errors
/// If the output is closed.
pub(crate) fn write_line<M: Named>(out: &mut dyn Write, message: &M) -> Result<(), Failure> {
    let mut dynamic = DynamicMessage::new(descriptor::<M>()?);
    dynamic.transcode_from(message).map_err(contract_broken)?;
    serde_json::to_writer(&mut *out, &dynamic).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Reads a message from JSON text.
///
/// # Errors
/// If the text is not the JSON of such a message; unknown fields are refused.
pub(crate) fn read<M: Named>(text: &str) -> Result<M, Failure> {
    let mut input = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(descriptor::<M>()?, &mut input)
        .and_then(|message| input.end().map(|()| message))
        .map_err(|e| Failure::new(e.to_string()))?;
    dynamic.transcode_to().map_err(contract_broken)
}

/// Free-form data as JSON for people: whole numbers without a fraction.
pub(crate) fn free_form(data: &Struct) -> Value {
    let fields = data.fields.iter();
    Value::Object(
        fields
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
    )
}

fn plain(value: &ProtoValue) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(*truth),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::NumberValue(number)) => number_of(*number).map_or(Value::Null, Value::Number),
        Some(Kind::ListValue(list)) => Value::Array(list.values.iter().map(plain).collect()),
        Some(Kind::StructValue(data)) => free_form(data),
    }
}

/// Beyond 2^53 not every whole number is a double, so there the fraction stays as a sign of it.
fn number_of(number: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

fn descriptor<M: Named>() -> Result<MessageDescriptor, Failure> {
    CONTRACT
        .as_ref()
        .and_then(|contract| contract.get_message_by_name(M::NAME))
        .ok_or_else(|| Failure::new(format!("this build's contract lacks {}", M::NAME)))
}

fn contract_broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!(
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
        assert!(descriptor::<Struct>().is_ok());
    }
}
