//! SearchCheckpoints: full text, over an index that is caught up first.

use shim_proto::checkpoint::v1::{SearchCheckpointsRequest, SearchCheckpointsResponse, SearchHit};
use tonic::Status;

use super::Api;
use super::fields::Fields;
use crate::domain::snippet::{fts5_query, snippet, terms};
use crate::error::Error;
use crate::store::search::{self, SearchScope};
use crate::store::sessions;

/// Rows indexed in one step on behalf of a search; saves get their turn between steps.
const BATCH: u32 = 256;

pub(super) async fn handle(
    api: &Api,
    request: SearchCheckpointsRequest,
) -> Result<SearchCheckpointsResponse, Status> {
    let mut fields = Fields::default();
    fields.required("query", &request.query, 1_000);
    fields.text("project", &request.project, 4_096);
    let session = fields.optional_uuid("session_id", &request.session_id);
    let limit = fields.page_size("limit", request.limit, 10, 100);
    let terms = terms(&request.query);
    if terms.is_empty() && !request.query.trim().is_empty() {
        fields.refuse("query", "holds no word to search for");
    }
    fields.finish()?;

    while api
        .store
        .write(0, |db, _| search::index_batch(db, BATCH))
        .await?
    {}
    let project = (!request.project.is_empty()).then_some(request.project);
    let hits = api
        .store
        .read(move |db| {
            let session = session
                .map(|id| sessions::find(db, id))
                .transpose()?
                .map(|stored| stored.row_id);
            let rows = search::find(
                db,
                &fts5_query(&terms),
                &SearchScope { project, session },
                limit,
            )?;
            let mut hits = Vec::with_capacity(rows.len());
            for row in rows {
                // A damaged hit was logged where it was found out; the others still help.
                let Ok((checkpoint, state)) = row.decode() else {
                    continue;
                };
                let session = sessions::by_row(db, row.session)?.session;
                hits.push(SearchHit {
                    checkpoint: Some(checkpoint),
                    snippet: snippet(&state, &terms),
                    session_title: session.title,
                    project: session.project,
                });
            }
            Ok::<_, Error>(hits)
        })
        .await?;
    Ok(SearchCheckpointsResponse { hits })
}
