//! ListEvolutions: the newest first, without diffs, in pages.

use shim_proto::evolution::v1::{EvolutionState, ListEvolutionsRequest, ListEvolutionsResponse};
use shim_proto::limits::{DEFAULT_PAGE_SIZE, MAX_LIST, MAX_PAGE_SIZE};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::store::EvolutionFilter;

pub(super) async fn handle(
    api: &Api,
    request: ListEvolutionsRequest,
) -> Result<ListEvolutionsResponse, Status> {
    let mut fields = Fields::default();
    let path = fields.optional_path("path", &request.path);
    let states = states(&mut fields, &request.states);
    let limit = fields.count(
        "page_size",
        request.page_size,
        DEFAULT_PAGE_SIZE,
        MAX_PAGE_SIZE,
    );
    let before = page_token(&mut fields, &request.page_token);
    fields.finish()?;

    let root = match path {
        Some(path) => Some(api.root_of(&path).await),
        None => None,
    };
    let filter = EvolutionFilter {
        root,
        states,
        before,
    };
    let found = api.store.list_evolutions(filter, limit).await?;
    let is_full = found.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let last = found.last().filter(|_| is_full);
    Ok(ListEvolutionsResponse {
        next_page_token: last.map(|(row, _)| row.to_string()).unwrap_or_default(),
        evolutions: found.into_iter().map(|(_, evolution)| evolution).collect(),
    })
}

fn states(fields: &mut Fields, states: &[i32]) -> Vec<EvolutionState> {
    if !fields.list("states", states.len(), MAX_LIST) {
        return Vec::new();
    }
    let mut known = Vec::with_capacity(states.len());
    for (i, state) in states.iter().enumerate() {
        match EvolutionState::try_from(*state) {
            Ok(state) if state != EvolutionState::Unspecified => {
                if !known.contains(&state) {
                    known.push(state);
                }
            }
            _ => fields.refuse(
                format!("states[{i}]"),
                format!("{state} is no EvolutionState"),
            ),
        }
    }
    known
}

fn page_token(fields: &mut Fields, token: &str) -> Option<i64> {
    if token.is_empty() {
        return None;
    }
    let row = token.parse().ok().filter(|row| *row > 0);
    if row.is_none() {
        fields.refuse_page_token();
    }
    row
}
