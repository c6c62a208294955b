//! Messages of the contract as canonical proto JSON, through the descriptors that servers also reflect.

use std::io::Write;
use std::sync::LazyLock;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use shim_proto::checkpoint::v1 as checkpoint;

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
    ($($message:ident),* $(,)?) => {$(
        impl Named for checkpoint::$message {
            const NAME: &'static str = concat!("shim.checkpoint.v1.", stringify!($message));
        }
    )*};
}

named! {
    ArchiveRecord, DeleteSessionResponse, DiffCheckpointsResponse, DismissRecoveryResponse, EndSessionResponse,
    ForkSessionResponse, GetCheckpointResponse, GetSessionResponse, ImportResponse, ListCheckpointsResponse,
    ListSessionsResponse, PruneResponse, RestoreCheckpointResponse, SearchCheckpointsResponse, Session,
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
    fn every_named_message_is_in_the_contract() {
        assert!(descriptor::<checkpoint::Session>().is_ok());
        assert!(descriptor::<checkpoint::DiffCheckpointsResponse>().is_ok());
        assert!(descriptor::<checkpoint::ForkSessionResponse>().is_ok());
    }
}
