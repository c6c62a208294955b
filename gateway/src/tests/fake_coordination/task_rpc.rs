//! The calls about tasks, as far as the gateway makes them: those of supervisors and those of workers.

use std::time::Duration;

use shim_proto::coordination::v1::task_service_server::TaskService;
use shim_proto::coordination::v1::*;
use shim_proto::worker::v1::worker_service_server::WorkerService;
use shim_proto::worker::v1::{
    ClaimTaskRequest, ClaimTaskResponse, CompleteTaskRequest, CompleteTaskResponse,
    DrainWorkerRequest, DrainWorkerResponse, FailTaskRequest, FailTaskResponse,
    GetWorkerHealthRequest, GetWorkerHealthResponse, ReleaseTaskRequest, ReleaseTaskResponse,
    ReportProgressRequest, ReportProgressResponse, StartWorkerRequest, StartWorkerResponse,
    StopWorkerRequest, StopWorkerResponse,
};
use shim_runtime::free_form;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::rpc::{CoordinationRpc, RpcResult, RpcStream, no_arrival, unused};

impl CoordinationRpc {
    /// Changes nothing where there is no task, so that claimers do not wake each other.
    fn try_claim(&self, request: &ClaimTaskRequest) -> Result<Option<(Task, u64)>, Status> {
        let mut store = self.store.lock().unwrap();
        store.check_epoch(&request.worker_id, request.epoch)?;
        let claimed = store.tasks.claim(&request.request_id, &request.worker_id);
        if claimed.is_some() && store.tasks.lose_claims > 0 {
            store.tasks.lose_claims -= 1;
            return Err(Status::deadline_exceeded("the answer was lost"));
        }
        Ok(claimed)
    }
}

#[tonic::async_trait]
impl TaskService for CoordinationRpc {
    type WatchTaskStream = RpcStream<WatchTaskResponse>;

    async fn submit_task(
        &self,
        request: Request<SubmitTaskRequest>,
    ) -> RpcResult<SubmitTaskResponse> {
        self.answer(no_arrival, |store| {
            let request = request.into_inner();
            if request
                .subtasks
                .iter()
                .any(|part| part.depends_on.contains(&part.key))
            {
                let mut wrong = shim_runtime::service_error::Violations::default();
                wrong.add("subtasks[0].depends_on", "must not make a circle: a -> a");
                wrong.finish()?;
            }
            Ok(store.tasks.submit(request))
        })
        .await
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> RpcResult<GetTaskResponse> {
        let id = request.into_inner().task_id;
        self.answer(no_arrival, |store| {
            let task = store.tasks.find(&id)?;
            Ok(GetTaskResponse {
                task: Some(task),
                subtasks: store.tasks.parts(&id),
            })
        })
        .await
    }

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> RpcResult<ListTasksResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            let wanted = |task: &&Task| {
                let by_state = request.states.is_empty() || request.states.contains(&task.state);
                match request.worker_id.as_str() {
                    "" => by_state && task.task_id == task.root_id,
                    worker => by_state && task.worker_id == worker,
                }
            };
            Ok(ListTasksResponse {
                tasks: store
                    .tasks
                    .all
                    .iter()
                    .rev()
                    .filter(wanted)
                    .cloned()
                    .collect(),
                next_page_token: String::new(),
            })
        })
        .await
    }

    async fn watch_task(
        &self,
        request: Request<WatchTaskRequest>,
    ) -> RpcResult<Self::WatchTaskStream> {
        let WatchTaskRequest {
            task_id,
            after_cursor,
        } = request.into_inner();
        self.store.lock().unwrap().tasks.find(&task_id)?;
        self.store.lock().unwrap().tasks.watchers += 1;
        self.changes.send_modify(|change| *change += 1);
        let (lines, received) = mpsc::channel(8);
        let service = self.clone();
        tokio::spawn(async move {
            let mut changes = service.changes.subscribe();
            let mut cursor = after_cursor;
            loop {
                let (new_lines, ended) = {
                    let store = service.store.lock().unwrap();
                    store.tasks.log_after(&task_id, &cursor)
                };
                for line in new_lines {
                    cursor = line.event.as_ref().unwrap().cursor.clone();
                    if lines.send(Ok(line)).await.is_err() {
                        return;
                    }
                }
                if ended || changes.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(received))))
    }

    async fn cancel_task(
        &self,
        request: Request<CancelTaskRequest>,
    ) -> RpcResult<CancelTaskResponse> {
        self.answer(no_arrival, |store| {
            let (task, cancelled) = store.tasks.cancel(&request.get_ref().task_id)?;
            Ok(CancelTaskResponse {
                task: Some(task),
                cancelled,
            })
        })
        .await
    }

    async fn retry_task(&self, request: Request<RetryTaskRequest>) -> RpcResult<RetryTaskResponse> {
        self.answer(no_arrival, |store| {
            let (task, retried) = store.tasks.retry(&request.get_ref().task_id)?;
            Ok(RetryTaskResponse {
                task: Some(task),
                retried,
            })
        })
        .await
    }

    async fn approve_task(
        &self,
        request: Request<ApproveTaskRequest>,
    ) -> RpcResult<ApproveTaskResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            let task = store.tasks.approve(&request.task_id, request.reject)?;
            Ok(ApproveTaskResponse { task: Some(task) })
        })
        .await
    }

    async fn aggregate_results(
        &self,
        request: Request<AggregateResultsRequest>,
    ) -> RpcResult<AggregateResultsResponse> {
        self.answer(no_arrival, |store| {
            store.tasks.results(&request.get_ref().task_id)
        })
        .await
    }

    async fn queue_health(&self, _: Request<QueueHealthRequest>) -> RpcResult<QueueHealthResponse> {
        self.answer(no_arrival, |store| {
            let ready = |task: &&Task| task.state() == TaskState::Ready;
            let waiting = store.tasks.all.iter().filter(ready).count() as u64;
            Ok(QueueHealthResponse {
                queues: vec![QueueReport {
                    name: "any".into(),
                    waiting,
                    starving: waiting > 0 && store.workers.is_empty(),
                    ..QueueReport::default()
                }],
                ..QueueHealthResponse::default()
            })
        })
        .await
    }

    async fn pause_queues(&self, _: Request<PauseQueuesRequest>) -> RpcResult<PauseQueuesResponse> {
        Err(unused())
    }

    async fn resume_queues(
        &self,
        _: Request<ResumeQueuesRequest>,
    ) -> RpcResult<ResumeQueuesResponse> {
        Err(unused())
    }
}

#[tonic::async_trait]
impl WorkerService for CoordinationRpc {
    async fn claim_task(&self, request: Request<ClaimTaskRequest>) -> RpcResult<ClaimTaskResponse> {
        let request = request.into_inner();
        let wait = request.wait.and_then(|wait| Duration::try_from(wait).ok());
        let until = tokio::time::Instant::now() + wait.unwrap_or_default();
        self.store.lock().unwrap().tasks.claimers += 1;
        self.changes.send_modify(|change| *change += 1);
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let claimed = self.try_claim(&request)?;
            if let Some((task, lease)) = claimed {
                self.changes.send_modify(|change| *change += 1);
                return Ok(Response::new(ClaimTaskResponse {
                    task: Some(task),
                    lease,
                }));
            }
            if tokio::time::timeout_at(until, changes.changed())
                .await
                .is_err()
            {
                return Ok(Response::new(ClaimTaskResponse::default()));
            }
        }
    }

    async fn report_progress(
        &self,
        request: Request<ReportProgressRequest>,
    ) -> RpcResult<ReportProgressResponse> {
        self.answer(no_arrival, |store| {
            let task = store.tasks.progress(request.get_ref())?;
            Ok(ReportProgressResponse { task: Some(task) })
        })
        .await
    }

    async fn complete_task(
        &self,
        request: Request<CompleteTaskRequest>,
    ) -> RpcResult<CompleteTaskResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            let task = store
                .tasks
                .complete(&request.task_id, request.lease, request.result)?;
            let job = store.tasks.find(&task.root_id)?;
            if job.state() == TaskState::Completed {
                let text = format!("job {} completed: {}", job.task_id, job.goal);
                let data = serde_json::json!({"notice": "ended", "task_id": job.task_id, "state": "completed"});
                store.put(&job.submitted_by, "shim", &text);
                let inbox = store.inboxes.get_mut(&job.submitted_by).unwrap();
                inbox.last_mut().unwrap().data = free_form::from_json(data.as_object().unwrap());
            }
            Ok(CompleteTaskResponse { task: Some(task) })
        })
        .await
    }

    async fn fail_task(&self, request: Request<FailTaskRequest>) -> RpcResult<FailTaskResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            let tasks = &mut store.tasks;
            let task = tasks.fail(
                &request.task_id,
                request.lease,
                request.error,
                request.r#final,
            )?;
            Ok(FailTaskResponse { task: Some(task) })
        })
        .await
    }

    async fn release_task(
        &self,
        request: Request<ReleaseTaskRequest>,
    ) -> RpcResult<ReleaseTaskResponse> {
        let request = request.into_inner();
        self.answer(no_arrival, |store| {
            let task = store.tasks.release(&request.task_id, request.lease)?;
            Ok(ReleaseTaskResponse { task: Some(task) })
        })
        .await
    }

    async fn start_worker(&self, _: Request<StartWorkerRequest>) -> RpcResult<StartWorkerResponse> {
        Err(unused())
    }
    async fn drain_worker(&self, _: Request<DrainWorkerRequest>) -> RpcResult<DrainWorkerResponse> {
        Err(unused())
    }
    async fn stop_worker(&self, _: Request<StopWorkerRequest>) -> RpcResult<StopWorkerResponse> {
        Err(unused())
    }
    async fn get_worker_health(
        &self,
        _: Request<GetWorkerHealthRequest>,
    ) -> RpcResult<GetWorkerHealthResponse> {
        Err(unused())
    }
}
