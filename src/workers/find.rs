//! Finding the worker that an argument names.

use shim_proto::coordination::v1::{GetWorkerRequest, Worker};
use uuid::Uuid;

use super::pages::{WorkerFilter, list_all};
use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::id_prefix::{part_of_id, pick};

/// The worker with this id, or with an id that begins or ends so. Workers that are gone are found, too.
///
/// # Errors
/// If no worker or more than one has such an id.
pub(crate) async fn find(service: &mut Coordination, typed: &str) -> Result<Worker, CliError> {
    if let Ok(id) = Uuid::try_parse(typed) {
        let asked = GetWorkerRequest {
            worker_id: id.to_string(),
        };
        let found = call(service.registry.get_worker(request(asked))).await?;
        return found
            .worker
            .ok_or_else(|| CliError::new("the service answered without a worker"));
    }
    let digits = part_of_id::<Worker>(typed)?;
    let filter = WorkerFilter {
        gone: true,
        ..WorkerFilter::default()
    };
    pick(list_all(service, &filter, usize::MAX).await?, &digits)
}
