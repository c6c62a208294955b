//! AckMessages: acknowledges messages, which are then never delivered again.

use shim_proto::coordination::v1::{AckMessagesRequest, AckMessagesResponse};
use shim_proto::limits::MAX_LIST;
use shim_store::inbox::MessageId;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

pub(super) async fn handle(
    api: &Api,
    request: AckMessagesRequest,
) -> Result<AckMessagesResponse, Status> {
    let mut fields = Fields::default();
    let inbox = fields.uuid("inbox", &request.inbox).into();
    if request.message_ids.is_empty() {
        fields.refuse("message_ids", "is empty; name at least one");
    }
    let ids = message_ids(&mut fields, "message_ids", &request.message_ids);
    fields.finish()?;

    let acknowledged = api.store.inboxes.acknowledge(inbox, &ids).await?;
    Ok(AckMessagesResponse { acknowledged })
}

/// Ids of messages, as they came with the messages.
pub(super) fn message_ids(fields: &mut Fields, field: &str, ids: &[String]) -> Vec<MessageId> {
    if !fields.list(field, ids.len(), MAX_LIST) {
        return Vec::new();
    }
    let mut read = Vec::with_capacity(ids.len());
    for (i, id) in ids.iter().enumerate() {
        match id.parse() {
            Ok(id) => read.push(id),
            Err(()) => fields.refuse(
                format!("{field}[{i}]"),
                "must be a message_id as it came with its message, such as 1763870000000-0",
            ),
        }
    }
    read
}
