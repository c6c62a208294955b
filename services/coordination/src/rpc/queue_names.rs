//! The queues that a request is about: those that it names, or all that there are.

use shim_proto::limits::task::{MAX_NAMED_QUEUES, MAX_QUEUE_NAME_BYTES};
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

/// # Errors
/// INVALID_ARGUMENT naming every name that no queue has, or as the store fails.
pub(super) async fn queue_names(
    api: &Api,
    request_id: &str,
    named: &[String],
) -> Result<Vec<String>, Status> {
    let mut fields = Fields::default();
    fields.request_id(request_id);
    if fields.list("queues", named.len(), MAX_NAMED_QUEUES) {
        for (i, name) in named.iter().enumerate() {
            fields.name(format!("queues[{i}]"), name, MAX_QUEUE_NAME_BYTES);
        }
    }
    fields.finish()?;

    let classes = api.store.tasks.classes().await?;
    let known: Vec<String> = classes.into_iter().map(|class| class.name).collect();
    if named.is_empty() {
        return Ok(known);
    }
    let mut fields = Fields::default();
    for (i, name) in named.iter().enumerate() {
        if !known.contains(name) {
            let rule = format!("is no queue; there are {}", listed(&known));
            fields.refuse(format!("queues[{i}]"), rule);
        }
    }
    fields.finish()?;
    let mut queues = named.to_vec();
    queues.sort();
    queues.dedup();
    Ok(queues)
}

/// The first queues, as far as a refusal holds them.
fn listed(known: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = known[..known.len().min(SHOWN)].join(", ");
    if known.len() > SHOWN {
        text.push_str(&format!(" and {} more", known.len() - SHOWN));
    }
    text
}
