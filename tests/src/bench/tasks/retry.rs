//! What clients do about UNAVAILABLE: they send the same request again. A disk that stalls while everything is written
//! through must not end a run of minutes; the time it took counts.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::{SubmitTaskRequest, Task};
use tonic::{Code, Status};

use crate::tasks::TaskClients;

const TIMEOUT: Duration = Duration::from_secs(30);
const RETRY_BACKOFF: Duration = Duration::from_millis(20);

/// Makes a call until its answer is another one than UNAVAILABLE.
pub(super) async fn retry_unavailable<
    Request: Clone,
    T,
    Fut: Future<Output = Result<T, Status>>,
>(
    clients: &TaskClients,
    request: Request,
    call: impl Fn(TaskClients, Request) -> Fut,
) -> Result<T, Status> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match call(clients.clone(), request.clone()).await {
            Err(refusal) if refusal.code() == Code::Unavailable && Instant::now() < deadline => {
                tokio::time::sleep(RETRY_BACKOFF).await;
            }
            answer => return answer,
        }
    }
}

/// Submits a job.
pub(super) async fn submit(clients: &TaskClients, request: SubmitTaskRequest) -> Task {
    let call = |mut clients: TaskClients, request| async move { clients.submit(request).await };
    let taken = retry_unavailable(clients, request, call).await;
    let taken = taken.expect("a job is taken");
    taken.task.expect("a job has a root")
}

/// Waits until a job has ended.
pub(super) async fn wait_for_end(clients: &TaskClients, root: &Task) -> Task {
    let call =
        |mut clients: TaskClients, id: String| async move { clients.wait_for_end(&id).await };
    let ended = retry_unavailable(clients, root.task_id.clone(), call).await;
    ended.expect("a job can be watched")
}
