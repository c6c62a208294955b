//! The log of a job, as the service streams it.

use shim_proto::coordination::v1::{WatchTaskRequest, WatchTaskResponse};
use tonic::{Request, Response, Status, Streaming};

use crate::connection::Coordination;

/// Opens the log of a job after a cursor; "" is its beginning.
pub(super) async fn open(
    service: &Coordination,
    task_id: &str,
    after_cursor: String,
) -> Result<Response<Streaming<WatchTaskResponse>>, Status> {
    let asked = WatchTaskRequest {
        task_id: task_id.to_owned(),
        after_cursor,
    };
    service.tasks.clone().watch_task(Request::new(asked)).await
}
