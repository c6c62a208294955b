//! Export: sessions with all they hold, streamed in small steps so that memory stays bounded.

use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{
    ArchiveHeader, ArchiveRecord, ArchivedCheckpoint, ExportRequest, ExportResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

use super::Api;
use super::fields::Fields;
use crate::domain::hash_chain;
use crate::error::Error;
use crate::store::checkpoints::{self, CheckpointRow};
use crate::store::sessions::{self, StoredSession};
use crate::store::signals;

/// The archive format this service writes and reads.
pub(super) const FORMAT: u32 = 1;
const MAX_SESSIONS: usize = 1_000;
/// Records read at once; at most 1 MiB each.
const BATCH: u32 = 8;

type RecordSender = mpsc::Sender<Result<ExportResponse, Status>>;

pub(super) fn handle(
    api: &Api,
    request: &ExportRequest,
) -> Result<ReceiverStream<Result<ExportResponse, Status>>, Status> {
    let mut fields = Fields::default();
    if request.session_ids.len() > MAX_SESSIONS {
        fields.refuse(
            "session_ids",
            format!(
                "has {} items, at most {MAX_SESSIONS} are allowed",
                request.session_ids.len()
            ),
        );
    }
    let wanted = request.session_ids.iter().take(MAX_SESSIONS).enumerate();
    let ids = wanted
        .map(|(i, id)| fields.uuid(&format!("session_ids[{i}]"), id))
        .collect();
    fields.finish()?;

    let (records, stream) = mpsc::channel(BATCH as usize);
    let api = api.clone();
    // Ends with the export, or when the receiver goes away and sending fails.
    tokio::spawn(async move {
        if let Err(ExportError::Failed(error)) = export(&api, ids, &records).await {
            let _ = records.send(Err(error.into())).await;
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// Why an export ends early.
enum ExportError {
    Failed(Error),
    ReceiverGone,
}

impl From<Error> for ExportError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn export(api: &Api, ids: Vec<Uuid>, records: &RecordSender) -> Result<(), ExportError> {
    let header = ArchiveHeader {
        format: FORMAT,
        created_at: Some(api.store.now().into()),
        service_version: env!("CARGO_PKG_VERSION").into(),
    };
    send(records, Record::Header(header)).await?;
    if !ids.is_empty() {
        for id in ids {
            let stored = api.store.read(move |db| sessions::find(db, id)).await?;
            export_session(api, stored, records).await?;
        }
        return Ok(());
    }
    let mut after = 0;
    loop {
        let sessions = api
            .store
            .read(move |db| sessions::after_row(db, after, BATCH))
            .await?;
        let Some(last) = sessions.last() else {
            return Ok(());
        };
        after = last.row_id;
        for stored in sessions {
            export_session(api, stored, records).await?;
        }
    }
}

async fn export_session(
    api: &Api,
    stored: StoredSession,
    records: &RecordSender,
) -> Result<(), ExportError> {
    let row_id = stored.row_id;
    send(records, Record::Session(stored.session)).await?;
    let mut after = 0;
    loop {
        let rows = api
            .store
            .read(move |db| checkpoints::after_number(db, row_id, after, BATCH))
            .await?;
        let Some(last) = rows.last() else { break };
        after = last.number;
        for row in &rows {
            send(records, Record::Checkpoint(archived(row)?)).await?;
        }
    }
    let mut before = i64::MAX;
    loop {
        let snapshots = api
            .store
            .read(move |db| signals::list(db, row_id, before, BATCH))
            .await?;
        let Some((last, _)) = snapshots.last() else {
            return Ok(());
        };
        before = *last;
        for record in snapshots.into_iter().filter_map(|(_, record)| record) {
            send(records, Record::Signal(record)).await?;
        }
    }
}

/// A damaged checkpoint ends the export with its name: an archive must not look whole when it is not.
fn archived(row: &CheckpointRow) -> Result<ArchivedCheckpoint, Error> {
    let state_hash = hash_chain::hex(&row.state_hash()?);
    let (checkpoint, state) = match row.decode() {
        Err(Error::Thinned(_)) => (row.header()?, None),
        other => other.map(|(checkpoint, state)| (checkpoint, Some(state)))?,
    };
    Ok(ArchivedCheckpoint {
        checkpoint: Some(checkpoint),
        state,
        state_hash,
    })
}

async fn send(records: &RecordSender, record: Record) -> Result<(), ExportError> {
    let response = ExportResponse {
        record: Some(ArchiveRecord {
            record: Some(record),
        }),
    };
    records
        .send(Ok(response))
        .await
        .map_err(|_| ExportError::ReceiverGone)
}
