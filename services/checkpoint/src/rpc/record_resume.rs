//! RecordResume: how a restored session went on.

use shim_proto::checkpoint::v1::{RecordResumeRequest, RecordResumeResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

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

    Ok(api.store.record_resume(id, request).await?)
}
