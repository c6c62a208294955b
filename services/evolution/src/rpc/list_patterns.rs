//! ListPatterns: what is remembered of transforms.

use shim_proto::evolution::v1::{ListPatternsRequest, ListPatternsResponse};
use shim_proto::limits::evolution::MAX_TRANSFORM_BYTES;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use crate::patterns::PatternEngine;

pub(super) async fn handle(
    api: &Api,
    request: ListPatternsRequest,
) -> Result<ListPatternsResponse, Status> {
    let mut fields = Fields::default();
    let path = fields.optional_path("path", &request.path);
    let transform = (!request.transform.is_empty()).then_some(request.transform);
    if let Some(transform) = &transform {
        fields.name("transform", transform, MAX_TRANSFORM_BYTES);
    }
    fields.finish()?;

    let engine = PatternEngine::load(&api.store, transform).await?;
    let root = match path {
        Some(path) => api.root_of(&path).await,
        None => String::new(),
    };
    Ok(ListPatternsResponse {
        patterns: engine.patterns(&root),
    })
}
