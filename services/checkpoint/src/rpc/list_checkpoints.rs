//! ListCheckpoints: a session's headers, newest first, in pages.

use shim_proto::checkpoint::v1::{ListCheckpointsRequest, ListCheckpointsResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ListCheckpointsRequest,
) -> Result<ListCheckpointsResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.id("session_id", &request.session_id);
    let limit = fields.page_size("page_size", request.page_size, 50, 1_000);
    let before = fields
        .page_token::<1>(&request.page_token)
        .map_or(i64::MAX, |[number]| number);
    fields.finish()?;

    let store = &api.store;
    let page = store
        .list_checkpoints(id, before.unsigned_abs(), limit)
        .await?;
    let seen = page
        .headers
        .iter()
        .map(|c| c.number)
        .chain(page.damaged.iter().copied());
    let lowest = seen
        .min()
        .filter(|lowest| *lowest > 1 && page.headers.len() + page.damaged.len() == limit as usize);
    Ok(ListCheckpointsResponse {
        next_page_token: lowest.map(|number| number.to_string()).unwrap_or_default(),
        checkpoints: page.headers,
        damaged_numbers: page.damaged,
        missing_numbers: page.missing,
    })
}
