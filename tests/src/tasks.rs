//! Clients to submit tasks and to do them, and requests as the stories need them, with everything
//! unimportant filled in.

use std::time::Duration;

use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::coordination::v1::{
    GetTaskRequest, HeartbeatRequest, RegisterWorkerRequest, SplitPolicy, SubmitTaskRequest,
    SubmitTaskResponse, Subtask, Task, TaskError, TaskResult, WatchTaskRequest, Worker, WorkerKind,
};
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_proto::worker::v1::{ClaimTaskRequest, CompleteTaskRequest, FailTaskRequest};
use shim_runtime::client::Channel;
use tonic::Status;

use crate::calls::request_id;
use crate::coordination::proto_duration;

/// The queue of tasks without requirements.
pub const QUEUE: &str = "work";
/// Where BullMQ keeps the stack's queues, with the default prefix of keys.
pub const PREFIX: &str = "{shim.tasks}";

/// One client of each service, over one connection.
#[derive(Debug, Clone)]
pub struct TaskClients {
    /// Submits and watches; takes answers of any size.
    pub jobs: TaskServiceClient<Channel>,
    /// Claims and reports.
    pub work: WorkerServiceClient<Channel>,
    /// Registers workers and lists them.
    pub registry: RegistryServiceClient<Channel>,
}

/// A task that was taken, with the proof of it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The task.
    pub task: Task,
    /// The fencing token.
    pub lease: u64,
}

impl TaskClients {
    /// Clients that share `channel`.
    #[must_use]
    pub fn over(channel: &Channel) -> Self {
        let jobs = TaskServiceClient::new(channel.clone());
        Self {
            jobs: jobs.max_decoding_message_size(usize::MAX),
            work: WorkerServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
        }
    }

    /// Submits a job.
    ///
    /// # Errors
    /// As the service says.
    pub async fn submit(
        &mut self,
        request: SubmitTaskRequest,
    ) -> Result<SubmitTaskResponse, Status> {
        Ok(self.jobs.submit_task(request).await?.into_inner())
    }

    /// A task as it is now.
    ///
    /// # Errors
    /// As the service says.
    pub async fn task(&mut self, task_id: &str) -> Result<Task, Status> {
        let request = GetTaskRequest {
            task_id: task_id.into(),
            with_subtasks: false,
        };
        let answer = self.jobs.get_task(request).await?.into_inner();
        answer.task.ok_or_else(|| incomplete("GetTask"))
    }

    /// Waits until a job has ended, and returns it with its result.
    ///
    /// # Errors
    /// As the service says.
    pub async fn wait_for_end(&mut self, root_id: &str) -> Result<Task, Status> {
        let request = WatchTaskRequest {
            task_id: root_id.into(),
            after_cursor: String::new(),
        };
        let mut log = self.jobs.watch_task(request).await?.into_inner();
        while log.message().await?.is_some() {}
        self.task(root_id).await
    }

    /// Makes a worker known that can do whatever requires nothing.
    ///
    /// # Errors
    /// As the service says.
    pub async fn register(&mut self, name: &str, capacity: u32) -> Result<Worker, Status> {
        let request = RegisterWorkerRequest {
            request_id: request_id(),
            name: name.into(),
            kind: WorkerKind::Agent.into(),
            capacity,
            ..Default::default()
        };
        let answer = self.registry.register_worker(request).await?.into_inner();
        answer.worker.ok_or_else(|| incomplete("RegisterWorker"))
    }

    /// Tells that a worker lives and how many tasks it has.
    ///
    /// # Errors
    /// As the service says.
    pub async fn heartbeat(&mut self, worker: &Worker, running: u32) -> Result<(), Status> {
        let request = HeartbeatRequest {
            worker_id: worker.worker_id.clone(),
            epoch: worker.epoch,
            running,
            ..Default::default()
        };
        self.registry.heartbeat(request).await?;
        Ok(())
    }

    /// Waits for a task and takes it; `None` if none came in time.
    ///
    /// # Errors
    /// As the service says.
    pub async fn claim(
        &mut self,
        worker: &Worker,
        wait: Duration,
    ) -> Result<Option<Claim>, Status> {
        self.claim_as(claim_request(worker, wait)).await
    }

    /// Waits for a task and takes it, by a request that may have been made before.
    ///
    /// # Errors
    /// As the service says.
    pub async fn claim_as(&mut self, request: ClaimTaskRequest) -> Result<Option<Claim>, Status> {
        let answer = self.work.claim_task(request).await?.into_inner();
        let lease = answer.lease;
        Ok(answer.task.map(|task| Claim { task, lease }))
    }

    /// Ends a task with a text.
    ///
    /// # Errors
    /// As the service says.
    pub async fn complete(&mut self, claim: &Claim, text: &str) -> Result<Task, Status> {
        let request = complete_request(claim, text);
        let answer = self.work.complete_task(request).await?.into_inner();
        answer.task.ok_or_else(|| incomplete("CompleteTask"))
    }

    /// Ends an attempt.
    ///
    /// # Errors
    /// As the service says.
    pub async fn fail(
        &mut self,
        claim: &Claim,
        message: &str,
        is_final: bool,
    ) -> Result<Task, Status> {
        let request = FailTaskRequest {
            request_id: request_id(),
            task_id: claim.task.task_id.clone(),
            lease: claim.lease,
            error: Some(TaskError {
                reason: "OUT_OF_LUCK".into(),
                message: message.into(),
            }),
            r#final: is_final,
            usage: None,
        };
        let answer = self.work.fail_task(request).await?.into_inner();
        answer.task.ok_or_else(|| incomplete("FailTask"))
    }
}

fn incomplete(method: &str) -> Status {
    Status::data_loss(format!("{method} answered without what was asked for"))
}

/// A claim that waits for a task.
#[must_use]
pub fn claim_request(worker: &Worker, wait: Duration) -> ClaimTaskRequest {
    ClaimTaskRequest {
        request_id: request_id(),
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        wait: proto_duration(wait),
    }
}

/// The end of a task, with a text as its result.
#[must_use]
pub fn complete_request(claim: &Claim, text: &str) -> CompleteTaskRequest {
    CompleteTaskRequest {
        request_id: request_id(),
        task_id: claim.task.task_id.clone(),
        lease: claim.lease,
        result: Some(TaskResult {
            text: text.into(),
            ..Default::default()
        }),
        usage: None,
    }
}

/// A job that is not split.
#[must_use]
pub fn job(goal: &str) -> SubmitTaskRequest {
    SubmitTaskRequest {
        request_id: request_id(),
        goal: goal.into(),
        split: SplitPolicy::Never.into(),
        ..Default::default()
    }
}

/// A part of a job that waits for others.
#[must_use]
pub fn subtask(key: &str, depends_on: &[&str]) -> Subtask {
    Subtask {
        key: key.into(),
        goal: format!("do {key}"),
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}
