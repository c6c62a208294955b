//! RecordResume: how a restored session went on.

use shim_proto::checkpoint::v1::{RecordResumeRequest, RecordResumeResponse};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::metrics;
use crate::store::idempotency::IdempotencyKey;
use crate::store::{after_commit, restores, sessions};

pub(super) async fn handle(
    api: &Api,
    request: RecordResumeRequest,
) -> Result<RecordResumeResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let id = fields.uuid("restore_id", &request.restore_id);
    fields.fraction("fidelity", request.fidelity);
    fields.text("notes", &request.notes, 8_192);
    fields.finish()?;

    let key = IdempotencyKey::new("RecordResume", &request.request_id, &request);
    let recorded = api
        .store
        .mutate(key, 0, move |db, _| {
            let row = restores::record_outcome(db, id, request.fidelity, &request.notes)?;
            after_commit(move || metrics::record_fidelity(request.fidelity));
            Ok(RecordResumeResponse {
                session_id: sessions::by_row(db, row)?.session.id,
            })
        })
        .await?;
    Ok(recorded)
}
