//! The same service in several processes: a call that is not answered in time, or by nobody, is made again at the next.

use std::path::PathBuf;
use std::time::Duration;

use shim_runtime::client::{Endpoint, connect};
use tonic::{Code, Response, Status};

use crate::tasks::TaskClients;

const RETRY_BACKOFF: Duration = Duration::from_millis(50);
/// A process that is frozen takes calls and never answers.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// The process that answers.
#[derive(Debug, Clone)]
pub(super) struct FailoverClient {
    all: Vec<TaskClients>,
    next: usize,
}

impl FailoverClient {
    /// The processes that listen at these sockets; `first` is asked first.
    pub(super) fn at(sockets: &[PathBuf], first: usize) -> Result<Self, Status> {
        let clients = sockets.iter().map(|socket| {
            let channel = connect(&Endpoint::Unix(socket.clone()), None)
                .map_err(|e| Status::invalid_argument(e.to_string()))?;
            Ok::<_, Status>(TaskClients::over(&channel))
        });
        Ok(Self {
            all: clients.collect::<Result<_, _>>()?,
            next: first,
        })
    }

    /// Makes a call until it is answered: well, or with a refusal that no outage explains.
    pub(super) async fn call<Request: Clone, T, Fut>(
        &mut self,
        request: &Request,
        call: impl Fn(TaskClients, Request) -> Fut,
    ) -> Result<T, Status>
    where
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        self.call_within(TIMEOUT, request, call).await
    }

    /// The same for a call that may take its time.
    pub(super) async fn call_within<Request: Clone, T, Fut>(
        &mut self,
        timeout: Duration,
        request: &Request,
        call: impl Fn(TaskClients, Request) -> Fut,
    ) -> Result<T, Status>
    where
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        loop {
            let clients = self.all[self.next % self.all.len()].clone();
            match tokio::time::timeout(timeout, call(clients, request.clone())).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(refusal)) if !is_transient(&refusal) => return Err(refusal),
                Ok(Err(_)) | Err(_) => {}
            }
            self.next += 1;
            tokio::time::sleep(RETRY_BACKOFF).await;
        }
    }
}

/// Whether it tells of an outage: a process that went or is going, a Redis that is away, too much at once.
fn is_transient(refusal: &Status) -> bool {
    match refusal.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::ResourceExhausted => true,
        // How a connection that broke in the middle of an answer is told.
        Code::Internal => refusal.message().contains("h2 protocol error"),
        _ => false,
    }
}
