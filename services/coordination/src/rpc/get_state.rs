//! GetState: one entry of the shared state.

use shim_proto::coordination::v1::{GetStateRequest, GetStateResponse};
use shim_store::Error;
use shim_store::state::StateRef;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

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
    match api.store.state.get(&state_ref).await? {
        Some(entry) => Ok(GetStateResponse { entry: Some(entry) }),
        None => {
            let StateRef { namespace, key } = state_ref;
            Err(Error::StateNotFound { namespace, key }.into())
        }
    }
}
