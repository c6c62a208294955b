//! ListSignalHistory: the snapshots kept, newest first, in pages.

use shim_proto::checkpoint::v1::{ListSignalHistoryRequest, ListSignalHistoryResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: ListSignalHistoryRequest,
) -> Result<ListSignalHistoryResponse, Status> {
    let mut fields = Fields::default();
    let id = fields.id("session_id", &request.session_id);
    let limit = fields.page_size("page_size", request.page_size, 50, 1_000);
    let before = fields
        .page_token::<1>(&request.page_token)
        .map_or(i64::MAX, |[row]| row);
    fields.finish()?;

    let rows = api.store.list_signals(id, before, limit).await?;
    let last = rows
        .last()
        .filter(|_| rows.len() == limit as usize)
        .map(|(row, _)| row.to_string());
    Ok(ListSignalHistoryResponse {
        next_page_token: last.unwrap_or_default(),
        records: rows.into_iter().filter_map(|(_, record)| record).collect(),
    })
}
