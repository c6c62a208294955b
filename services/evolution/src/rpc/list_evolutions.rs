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
    let scope = scope(&request);
    let before = page_token(&mut fields, &request.page_token, &scope);
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
    // One more tells whether there is a next page.
    let mut found = api.store.list_evolutions(filter, limit + 1).await?;
    let is_last = found.len() <= limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| !is_last);
    Ok(ListEvolutionsResponse {
        next_page_token: last
            .map(|(row, _)| format!("{row}.{scope}"))
            .unwrap_or_default(),
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

/// What a list is of: a token goes on with the list that it was given for, and with no other.
fn scope(request: &ListEvolutionsRequest) -> String {
    let mut states = request.states.clone();
    states.sort_unstable();
    states.dedup();
    let list = format!("{states:?} {}", request.path);
    let digits = blake3::hash(list.as_bytes()).to_hex();
    digits.get(..16).unwrap_or_default().to_owned()
}

fn page_token(fields: &mut Fields, token: &str, scope: &str) -> Option<i64> {
    if token.is_empty() {
        return None;
    }
    let row = token.split_once('.').filter(|(_, of)| *of == scope);
    let row = row.and_then(|(row, _)| {
        let number = row.parse::<i64>().ok()?;
        (number > 0 && number.to_string() == row).then_some(number)
    });
    if row.is_none() {
        fields.refuse_page_token();
    }
    row
}
