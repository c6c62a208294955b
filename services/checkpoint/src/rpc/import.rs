//! Import: taking in an archive in group commits; what is there already is skipped, so a cut-off import is repeated.

use prost::Message;
use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{ArchiveHeader, ImportRequest, ImportResponse, Session};
use shim_sqlite::to_unix_micros;
use tonic::{Status, Streaming};

use super::api::Api;
use super::fields::Fields;
use crate::error::Error;
use crate::store::{ARCHIVE_FORMAT, archive_error};

/// Records, and their bytes, committed together.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// An archive from a clock further ahead than this would drag this service's clock along.
const MAX_AHEAD_MICROS: i64 = 24 * 3_600_000_000;

/// Records that wait for their commit.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.records.len() >= BATCH || self.bytes >= BATCH_BYTES
    }
}

pub(super) async fn handle(
    api: &Api,
    mut requests: Streaming<ImportRequest>,
) -> Result<ImportResponse, Status> {
    let (mut total, mut batch, mut opened) = (ImportResponse::default(), Batch::default(), false);
    while let Some(request) = requests.message().await? {
        let Some(record) = request.record.and_then(|record| record.record) else {
            return Err(archive_error("a record is empty".into()).into());
        };
        if !opened {
            check_header(&record)?;
            opened = true;
            continue;
        }
        check_record(api, &record)?;
        batch.bytes += size(&record);
        batch.records.push(record);
        if batch.is_full() {
            commit(api, &mut batch, &mut total).await?;
        }
    }
    if !opened {
        return Err(archive_error("it is empty; an archive begins with a header".into()).into());
    }
    commit(api, &mut batch, &mut total).await?;
    Ok(total)
}

fn check_header(record: &Record) -> Result<(), Error> {
    match record {
        Record::Header(ArchiveHeader {
            format: ARCHIVE_FORMAT,
            ..
        }) => Ok(()),
        Record::Header(header) => Err(archive_error(format!(
            "format {} is unknown here; this SHIM reads format {ARCHIVE_FORMAT}",
            header.format
        ))),
        _ => Err(archive_error("it must begin with a header".into())),
    }
}

/// The same rules as for what clients send: an archive may come from anywhere.
fn check_record(api: &Api, record: &Record) -> Result<(), Status> {
    let mut fields = Fields::default();
    let time = match record {
        Record::Header(_) => return Err(archive_error("it holds a second header".into()).into()),
        Record::Session(session) => {
            check_session(&mut fields, session);
            session.updated_at
        }
        Record::Checkpoint(archived) => {
            if archived.state.is_some() {
                fields.archived_state(archived.state.as_ref());
            }
            archived
                .checkpoint
                .as_ref()
                .and_then(|checkpoint| checkpoint.created_at)
        }
        Record::Signal(signal) => {
            fields.signals(signal.signals.as_ref());
            signal
                .assessment
                .as_ref()
                .and_then(|assessment| assessment.assessed_at)
        }
    };
    if to_unix_micros(time.as_ref())
        .is_some_and(|at| at.0.saturating_sub(api.store.now().0) > MAX_AHEAD_MICROS)
    {
        fields.refuse("record", "holds a time more than a day in the future");
    }
    fields.finish()
}

fn check_session(fields: &mut Fields, session: &Session) {
    fields.uuid("session.id", &session.id);
    fields.required("session.project", &session.project, 4_096);
    fields.text("session.title", &session.title, 500);
    fields.client(session.client.as_ref());
    fields.at_most_epoch("session.epoch", session.epoch);
}

fn size(record: &Record) -> usize {
    match record {
        Record::Header(header) => header.encoded_len(),
        Record::Session(session) => session.encoded_len(),
        Record::Checkpoint(checkpoint) => checkpoint.encoded_len(),
        Record::Signal(signal) => signal.encoded_len(),
    }
}

/// Commits the batch and empties it.
async fn commit(api: &Api, batch: &mut Batch, total: &mut ImportResponse) -> Result<(), Error> {
    let Batch { records, bytes } = std::mem::take(batch);
    let imported = api.store.import(records, bytes).await?;
    total.imported_sessions += imported.imported_sessions;
    total.imported_checkpoints += imported.imported_checkpoints;
    total.imported_signals += imported.imported_signals;
    total.skipped += imported.skipped;
    Ok(())
}
