//! GetState: one entry of the shared state. An older version kept it under the namespace as it was spelled.

use shim_proto::coordination::v1::{GetStateRequest, GetStateResponse};
use shim_store::Error;
use shim_store::state::StateRef;
use tonic::Status;

use super::api::Api;
use super::fields::{Fields, is_other_spelling};

pub(super) async fn handle(
    api: &Api,
    request: GetStateRequest,
) -> Result<GetStateResponse, Status> {
    let mut fields = Fields::default();
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("key", &request.key);
    fields.finish()?;

    let key = request.key;
    let state_ref = StateRef { namespace, key };
    let states = &api.store.state;
    let mut found = states.get(&state_ref).await?;
    if found.is_none() && is_other_spelling(&request.namespace, &state_ref.namespace) {
        let older = StateRef {
            namespace: request.namespace,
            key: state_ref.key.clone(),
        };
        found = states.get(&older).await?;
    }
    match found {
        Some(entry) => Ok(GetStateResponse { entry: Some(entry) }),
        None => {
            let StateRef { namespace, key } = state_ref;
            Err(Error::StateNotFound { namespace, key }.into())
        }
    }
}
