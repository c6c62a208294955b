//! Import: taking in an archive whole, or nothing of it. All records are checked before the first is written; what is there
//! already is skipped.

use prost::Message;
use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{ImportRequest, ImportResponse, Session};
use shim_runtime::service_error;
use shim_sqlite::to_unix_micros;
use tonic::{Status, Streaming};

use super::api::Api;
use super::fields::Fields;
use crate::domain::archive::ArchiveReader;
use crate::error::Error;
use crate::store::{ImportSpool, archive_error, at_line};

/// Records, and their bytes, packed together.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// An archive from a clock further ahead than this would drag this service's clock along.
const MAX_AHEAD_MICROS: i64 = 24 * 3_600_000_000;

/// Records that wait to be packed.
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
    let (mut reader, mut batch) = (ArchiveReader::default(), Batch::default());
    let (mut spool, mut line) = (api.store.begin_import().await?, 0);
    while let Some(request) = requests.message().await? {
        line += 1;
        let record = request.record.unwrap_or_default();
        let accepted = reader.accept(&record).map_err(archive_error);
        accepted.map_err(|error| at_line(line, error))?;
        let Some(record) = record.record else {
            continue;
        };
        check_record(api, &record).map_err(|refused| at_line(line, in_words(&refused)))?;
        batch.bytes += size(&record);
        batch.records.push(record);
        if batch.is_full() {
            spool = put_away(api, spool, &mut batch).await?;
        }
    }
    let notices = reader.finish().map_err(archive_error)?;
    spool = put_away(api, spool, &mut batch).await?;
    let imported = api.store.import(spool).await?;
    Ok(ImportResponse {
        notices,
        ..imported
    })
}

/// A refusal of fields as one of the archive.
fn in_words(refused: &Status) -> Error {
    archive_error(service_error::decode(refused).message)
}

/// The same rules as for what clients send: an archive may come from anywhere.
fn check_record(api: &Api, record: &Record) -> Result<(), Status> {
    let mut fields = Fields::default();
    let time = match record {
        Record::Header(_) | Record::Trailer(_) => return Ok(()),
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
        Record::Trailer(trailer) => trailer.encoded_len(),
        Record::Session(session) => session.encoded_len(),
        Record::Checkpoint(checkpoint) => checkpoint.encoded_len(),
        Record::Signal(signal) => signal.encoded_len(),
    }
}

/// Packs the batch and empties it.
async fn put_away(api: &Api, spool: ImportSpool, batch: &mut Batch) -> Result<ImportSpool, Error> {
    let Batch { records, .. } = std::mem::take(batch);
    api.store.spool(spool, records).await
}
