//! GetState: one entry.

use shim_proto::coordination::v1::{GetStateRequest, GetStateResponse};
use shim_store::Error;
use shim_store::state::Place;
use tonic::Status;

use super::Api;
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
    let place = Place { namespace, key };
    match api.store.state.get(&place).await? {
        Some(entry) => Ok(GetStateResponse { entry: Some(entry) }),
        None => {
            let Place { namespace, key } = place;
            Err(Error::StateNotFound { namespace, key }.into())
        }
    }
}
