//! Records of an archive that wait until all of them were checked: on the disk, since an archive may be larger than memory.
//!
//! The file has no name from the start, so nothing of it stays, however the import ends.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use prost::Message;
use shim_proto::checkpoint::v1::{Checkpoint, ItemCounts, Session, SignalRecord};
use shim_sqlite::SqliteError;
use uuid::Uuid;

use super::codec::PackedState;
use super::packed_record::{PackedCheckpoint, PackedRecord};
use crate::domain::hash_chain::Hash;
use crate::error::Error;

/// A record as it lies in the file, behind its size in four bytes.
#[derive(Clone, PartialEq, Message)]
struct SpooledRecord {
    #[prost(message, optional, tag = "1")]
    session: Option<Session>,
    #[prost(message, optional, tag = "2")]
    checkpoint: Option<SpooledCheckpoint>,
    #[prost(message, optional, tag = "3")]
    signal: Option<SignalRecord>,
}

/// A checkpoint whose state is packed.
#[derive(Clone, PartialEq, Message)]
struct SpooledCheckpoint {
    #[prost(message, optional, tag = "1")]
    header: Option<Checkpoint>,
    #[prost(string, tag = "2")]
    state_hash: String,
    #[prost(message, optional, tag = "3")]
    state: Option<SpooledState>,
}

/// A [`PackedState`].
#[derive(Clone, PartialEq, Message)]
struct SpooledState {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
    #[prost(uint64, tag = "2")]
    state_bytes: u64,
    #[prost(bytes = "vec", tag = "3")]
    hash: Vec<u8>,
    #[prost(string, tag = "4")]
    current_task: String,
    #[prost(string, tag = "5")]
    summary: String,
    #[prost(double, tag = "6")]
    progress: f64,
    #[prost(message, optional, tag = "7")]
    counts: Option<ItemCounts>,
    #[prost(string, tag = "8")]
    task_key: String,
    #[prost(string, tag = "9")]
    task_hash: String,
}

/// The file, while it is written.
pub(crate) struct ImportSpool(BufWriter<File>);

impl ImportSpool {
    /// An empty one in the data folder.
    pub(super) fn create(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(format!("import-{}.partial", Uuid::now_v7()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        std::fs::remove_file(&path).map_err(|error| failed(&error))?;
        Ok(Self(BufWriter::new(file)))
    }

    pub(super) fn add(&mut self, record: PackedRecord) -> Result<(), Error> {
        let bytes = to_spooled(record).encode_to_vec();
        let size = u32::try_from(bytes.len())
            .map_err(|_| Error::ArchiveRefused("a record is larger than 4 GiB".into()))?;
        let write = |file: &mut BufWriter<File>| -> std::io::Result<()> {
            file.write_all(&size.to_le_bytes())?;
            file.write_all(&bytes)
        };
        write(&mut self.0).map_err(|error| failed(&error))
    }

    /// The records in their order.
    pub(super) fn into_records(self) -> Result<SpooledRecords, Error> {
        let file = self.0.into_inner();
        let mut file = file.map_err(|error| failed(error.error()))?;
        file.rewind().map_err(|error| failed(&error))?;
        Ok(SpooledRecords(BufReader::new(file)))
    }
}

/// The file, while it is read.
pub(super) struct SpooledRecords(BufReader<File>);

impl Iterator for SpooledRecords {
    type Item = Result<PackedRecord, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut size = [0; 4];
        match self.0.read_exact(&mut size) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
            Err(error) => return Some(Err(failed(&error))),
            Ok(()) => {}
        }
        let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(size)).unwrap_or(0)];
        let read = self.0.read_exact(&mut bytes);
        Some(read.map_err(|error| failed(&error)).and_then(|()| {
            let record = SpooledRecord::decode(bytes.as_slice()).ok();
            record.and_then(to_packed).ok_or_else(unreadable)
        }))
    }
}

fn to_spooled(record: PackedRecord) -> SpooledRecord {
    let mut spooled = SpooledRecord::default();
    match record {
        PackedRecord::Session(session) => spooled.session = Some(session),
        PackedRecord::Signal(signal) => spooled.signal = Some(signal),
        PackedRecord::Checkpoint(PackedCheckpoint {
            header,
            state_hash,
            state,
        }) => {
            let state = state.map(|state| SpooledState {
                bytes: state.bytes,
                state_bytes: state.state_bytes,
                hash: state.hash.to_vec(),
                current_task: state.current_task,
                summary: state.summary,
                progress: state.progress,
                counts: Some(state.counts),
                task_key: state.task_key,
                task_hash: state.task_hash,
            });
            let header = Some(header);
            spooled.checkpoint = Some(SpooledCheckpoint {
                header,
                state_hash,
                state,
            });
        }
    }
    spooled
}

fn to_packed(record: SpooledRecord) -> Option<PackedRecord> {
    if let Some(session) = record.session {
        return Some(PackedRecord::Session(session));
    }
    if let Some(signal) = record.signal {
        return Some(PackedRecord::Signal(signal));
    }
    let SpooledCheckpoint {
        header,
        state_hash,
        state,
    } = record.checkpoint?;
    let state = match state {
        None => None,
        Some(state) => Some(PackedState {
            bytes: state.bytes,
            shared: None,
            state_bytes: state.state_bytes,
            hash: Hash::try_from(state.hash.as_slice()).ok()?,
            current_task: state.current_task,
            summary: state.summary,
            progress: state.progress,
            counts: state.counts.unwrap_or_default(),
            task_key: state.task_key,
            task_hash: state.task_hash,
        }),
    };
    Some(PackedRecord::Checkpoint(PackedCheckpoint {
        header: header?,
        state_hash,
        state,
    }))
}

fn unreadable() -> Error {
    SqliteError::Unavailable("the records of an import cannot be read again".into()).into()
}

fn failed(error: &std::io::Error) -> Error {
    let full = [
        std::io::ErrorKind::StorageFull,
        std::io::ErrorKind::QuotaExceeded,
    ];
    if full.contains(&error.kind()) {
        return SqliteError::DiskFull.into();
    }
    SqliteError::Unavailable(format!("the records of an import cannot be kept: {error}")).into()
}
