//! A worker outside of the services, as a Claude window is: it registers, beats and claims over gRPC.

use std::time::Duration;

use shim_proto::coordination::v1::*;
use shim_proto::worker::v1::*;
use tokio::task::JoinHandle;
use tonic::Status;

use super::test_stack::{TestStack, id, span};

/// A registered worker. Dropped, it beats no more.
pub(crate) struct ChatWorker {
    pub(crate) worker: Worker,
    clients: Clients,
    beating: JoinHandle<()>,
}

#[derive(Clone)]
struct Clients {
    workers: worker_service_client::WorkerServiceClient<shim_runtime::client::Channel>,
    registry: registry_service_client::RegistryServiceClient<shim_runtime::client::Channel>,
}

impl Drop for ChatWorker {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// What a chat is registered as.
pub(crate) fn registration(capabilities: &[&str], capacity: u32) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        request_id: id(),
        worker_id: id(),
        kind: WorkerKind::Chat.into(),
        capabilities: capabilities.iter().map(|c| (*c).to_owned()).collect(),
        capacity,
        ..Default::default()
    }
}

impl ChatWorker {
    /// One that takes one task at a time and can do nothing special.
    pub(crate) async fn at(stack: &TestStack) -> Self {
        Self::with(stack, registration(&[], 1)).await
    }

    pub(crate) async fn with(stack: &TestStack, registration: RegisterWorkerRequest) -> Self {
        let clients = Clients {
            workers: stack.workers.clone(),
            registry: stack.registry.clone(),
        };
        let answer = stack.registry.clone().register_worker(registration).await;
        let worker = answer.unwrap().into_inner().worker.unwrap();
        let beating = tokio::spawn(send_heartbeats(clients.clone(), worker.clone()));
        Self {
            worker,
            clients,
            beating,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.worker.worker_id
    }

    /// Falls silent.
    pub(crate) fn freeze(&self) {
        self.beating.abort();
    }

    pub(crate) fn claim_request(&self, wait_ms: u64) -> ClaimTaskRequest {
        ClaimTaskRequest {
            request_id: id(),
            worker_id: self.worker.worker_id.clone(),
            epoch: self.worker.epoch,
            wait: span(wait_ms),
        }
    }

    /// Waits for a task at most so long.
    pub(crate) async fn claim(&self, wait_ms: u64) -> Result<Option<ChatClaim>, Status> {
        self.claim_as(self.claim_request(wait_ms)).await
    }

    pub(crate) async fn claim_as(
        &self,
        request: ClaimTaskRequest,
    ) -> Result<Option<ChatClaim>, Status> {
        let answer = self.clients.workers.clone().claim_task(request).await?;
        let answer = answer.into_inner();
        Ok(answer.task.map(|task| ChatClaim {
            task,
            lease: answer.lease,
        }))
    }

    /// A task, which comes.
    pub(crate) async fn take(&self) -> ChatClaim {
        let claimed = self.claim(15_000).await.unwrap();
        claimed.expect("a task comes")
    }

    pub(crate) async fn report(&self, claim: &ChatClaim, progress: f64) -> Result<Task, Status> {
        let request = ReportProgressRequest {
            task_id: claim.task.task_id.clone(),
            lease: claim.lease,
            progress,
            note: "half way".to_owned(),
            ..Default::default()
        };
        let answer = self
            .clients
            .workers
            .clone()
            .report_progress(request)
            .await?;
        Ok(answer.into_inner().task.unwrap())
    }

    pub(crate) async fn complete(&self, claim: &ChatClaim, text: &str) -> Result<Task, Status> {
        let request = CompleteTaskRequest {
            request_id: id(),
            task_id: claim.task.task_id.clone(),
            lease: claim.lease,
            result: Some(TaskResult {
                text: text.to_owned(),
                ..TaskResult::default()
            }),
            usage: None,
        };
        let answer = self.clients.workers.clone().complete_task(request).await?;
        Ok(answer.into_inner().task.unwrap())
    }

    pub(crate) async fn fail(&self, claim: &ChatClaim, is_final: bool) -> Result<Task, Status> {
        let request = FailTaskRequest {
            request_id: id(),
            task_id: claim.task.task_id.clone(),
            lease: claim.lease,
            error: Some(TaskError {
                reason: String::new(),
                message: "it would not".to_owned(),
            }),
            r#final: is_final,
            usage: None,
        };
        let answer = self.clients.workers.clone().fail_task(request).await?;
        Ok(answer.into_inner().task.unwrap())
    }

    pub(crate) async fn release(&self, claim: &ChatClaim) -> Result<Task, Status> {
        let request = ReleaseTaskRequest {
            request_id: id(),
            task_id: claim.task.task_id.clone(),
            lease: claim.lease,
            reason: "lunch".to_owned(),
        };
        let answer = self.clients.workers.clone().release_task(request).await?;
        Ok(answer.into_inner().task.unwrap())
    }

    pub(crate) async fn deregister(&self) {
        self.freeze();
        let request = DeregisterWorkerRequest {
            request_id: id(),
            worker_id: self.worker.worker_id.clone(),
            epoch: self.worker.epoch,
            reason: "it closed its window".to_owned(),
        };
        let mut registry = self.clients.registry.clone();
        registry.deregister_worker(request).await.unwrap();
    }
}

/// A claim that a chat has.
#[derive(Debug, Clone)]
pub(crate) struct ChatClaim {
    pub(crate) task: Task,
    pub(crate) lease: u64,
}

async fn send_heartbeats(mut clients: Clients, worker: Worker) {
    loop {
        let beat = HeartbeatRequest {
            worker_id: worker.worker_id.clone(),
            epoch: worker.epoch,
            ..Default::default()
        };
        // While Redis is away it is not heard.
        let _ = clients.registry.heartbeat(beat).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
