//! Export: sessions with all they hold, streamed in small steps so that memory stays bounded.

use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{ArchiveHeader, ArchiveRecord, ExportRequest, ExportResponse};
use shim_runtime::ids::SessionId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::domain::archive::{ARCHIVE_FORMAT, ArchiveSum};
use crate::error::Error;
use crate::store::{Store, StoredSession};

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
    let mut ids: Vec<SessionId> = Vec::new();
    for (i, id) in wanted {
        let id = fields.id(&format!("session_ids[{i}]"), id);
        // Each session once, however often it is asked for.
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    fields.finish()?;

    let (records, stream) = mpsc::channel(BATCH as usize);
    let (store, stream_end) = (api.store.clone(), records.clone());
    let mut archive = ArchiveSender {
        records: records.clone(),
        sum: ArchiveSum::default(),
    };
    // Ends with the export, or when the receiver is gone and sending fails.
    api.tasks.spawn_stream("export", stream_end, async move {
        if let Err(ExportError::Failed(error)) = export(&store, ids, &mut archive).await {
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

/// Sends the records, and sums up what went out.
struct ArchiveSender {
    records: RecordSender,
    sum: ArchiveSum,
}

impl ArchiveSender {
    async fn send(&mut self, record: Record) -> Result<(), ExportError> {
        let record = ArchiveRecord {
            record: Some(record),
        };
        self.sum.add(&record);
        let response = ExportResponse {
            record: Some(record),
        };
        let sent = self.records.send(Ok(response)).await;
        sent.map_err(|_| ExportError::ReceiverGone)
    }
}

async fn export(
    store: &Store,
    ids: Vec<SessionId>,
    archive: &mut ArchiveSender,
) -> Result<(), ExportError> {
    export_sessions(store, ids, archive).await?;
    let trailer = archive.sum.trailer();
    archive.send(Record::Trailer(trailer)).await
}

async fn export_sessions(
    store: &Store,
    ids: Vec<SessionId>,
    archive: &mut ArchiveSender,
) -> Result<(), ExportError> {
    let header = ArchiveHeader {
        format: ARCHIVE_FORMAT,
        created_at: Some(store.now().into()),
        service_version: env!("CARGO_PKG_VERSION").into(),
    };
    archive.send(Record::Header(header)).await?;
    if !ids.is_empty() {
        for id in ids {
            export_session(store, store.stored_session(id).await?, archive).await?;
        }
        return Ok(());
    }
    let mut after = 0;
    loop {
        let sessions = store.intact_sessions_after(after, BATCH).await?;
        let Some(last) = sessions.last() else {
            return Ok(());
        };
        after = last.row_id;
        for stored in sessions {
            export_session(store, stored, archive).await?;
        }
    }
}

async fn export_session(
    store: &Store,
    stored: StoredSession,
    archive: &mut ArchiveSender,
) -> Result<(), ExportError> {
    let row_id = stored.row_id;
    archive.send(Record::Session(stored.session)).await?;
    let mut after = 0;
    loop {
        let page = store.archived_checkpoints(row_id, after, BATCH).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, archived) in page {
            archive.send(Record::Checkpoint(archived?)).await?;
        }
    }
    let mut after = 0;
    loop {
        let snapshots = store.archived_signals(row_id, after, BATCH).await?;
        let Some((last, _)) = snapshots.last() else {
            return Ok(());
        };
        after = *last;
        for (row_id, record) in snapshots {
            let damaged = || Error::damaged(format!("the signal snapshot in row {row_id}"));
            archive
                .send(Record::Signal(record.ok_or_else(damaged)?))
                .await?;
        }
    }
}
