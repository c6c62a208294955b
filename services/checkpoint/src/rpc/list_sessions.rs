//! ListSessions: most recently changed first, in pages.

use shim_proto::checkpoint::v1::{
    ListSessionsRequest, ListSessionsResponse, MissingCheckpoints, SessionStatus,
};
use shim_sqlite::to_unix_micros;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::store::{MissingNumbers, SessionFilter};

pub(super) async fn handle(
    api: &Api,
    request: ListSessionsRequest,
) -> Result<ListSessionsResponse, Status> {
    let mut fields = Fields::default();
    fields.line("project", &request.project, 4_096);
    if SessionStatus::try_from(request.status).is_err() {
        fields.refuse("status", format!("{} is no SessionStatus", request.status));
    }
    let limit = fields.page_size("page_size", request.page_size, 50, 1_000);
    let after = fields
        .page_token::<2>(&request.page_token)
        .map(|[time, row]| (time, row));
    fields.finish()?;

    let filter = SessionFilter {
        project: (!request.project.is_empty()).then_some(request.project),
        status: (request.status != 0).then_some(request.status),
    };
    let (stored, damaged) = api.store.list_sessions(filter, after, limit).await?;
    let full = stored.len() + damaged as usize == limit as usize;
    let last = stored.last().filter(|_| full).map(|last| {
        let time = to_unix_micros(last.session.updated_at.as_ref()).map_or(0, |m| m.0);
        format!("{time}.{}", last.row_id)
    });
    let missing = if request.check_numbers {
        api.store.missing_numbers(stored.clone()).await?
    } else {
        Vec::new()
    };
    Ok(ListSessionsResponse {
        missing: missing.into_iter().map(told).collect(),
        sessions: stored
            .into_iter()
            .map(|stored| api.with_attached(stored.session))
            .collect(),
        next_page_token: last.unwrap_or_default(),
        damaged,
    })
}

fn told(missing: MissingNumbers) -> MissingCheckpoints {
    MissingCheckpoints {
        session_id: missing.session_id,
        count: missing.count,
        first_numbers: missing.first,
    }
}
