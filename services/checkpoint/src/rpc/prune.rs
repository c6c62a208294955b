//! Prune: dropping what is old on request, session by session, so that saves get their turn between.

use std::time::Duration;

use shim_proto::checkpoint::v1::{PruneRequest, PruneResponse};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::store::PruneRule;

const DEFAULT_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const DEFAULT_KEEP: u32 = 10;
const MAX_KEEP: u32 = 1_000_000;

pub(super) async fn handle(api: &Api, request: PruneRequest) -> Result<PruneResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let only = fields.optional_id("session_id", &request.session_id);
    let age = match request.older_than.map(Duration::try_from) {
        None => DEFAULT_AGE,
        Some(Ok(age)) => age,
        Some(Err(_)) => {
            fields.refuse("older_than", "must not be negative");
            DEFAULT_AGE
        }
    };
    if request.keep_last > MAX_KEEP {
        fields.refuse(
            "keep_last",
            format!("is {}, at most {MAX_KEEP} is allowed", request.keep_last),
        );
    }
    fields.finish()?;

    let keep_last = if request.keep_last == 0 {
        DEFAULT_KEEP
    } else {
        request.keep_last
    };
    let rule = PruneRule {
        before: api.store.now().minus(age),
        keep_last: keep_last as usize,
        delete_ended: request.delete_ended_sessions,
        dry_run: request.dry_run,
    };
    Ok(api.store.prune(only, rule, request).await?)
}
