//! A task backend in memory: it hands out tasks, records every call, and refuses what a story wants refused.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shim_checks::within;
use shim_proto::coordination::v1::{TaskResult, Usage};
use shim_proto::fitness::HoldCause;
use shim_runtime::ids::TaskId;
use shim_work::{
    AttemptFailure, BackendError, ClaimRef, ClaimedTask, HeartbeatStatus, ProgressUpdate,
    TaskBackend,
};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// A call of a worker; tasks are named by their goals.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BackendCall {
    Report(String, ProgressUpdate),
    Confirm(String),
    Stuck(String),
    Complete(String, TaskResult, Usage),
    Fail(String, AttemptFailure, Usage),
    Release(String),
    /// With whether the worker knows until when it can do no task.
    Hold(String, HoldCause),
    Heartbeat(HeartbeatStatus),
    Deregister,
}

pub(crate) struct MemoryTaskBackend {
    tasks: Mutex<VecDeque<ClaimedTask>>,
    goals: Mutex<HashMap<TaskId, String>>,
    more: Notify,
    /// Goals of tasks that belong to another worker now.
    lost: Mutex<BTreeSet<String>>,
    is_unavailable: AtomicBool,
    sender: mpsc::UnboundedSender<BackendCall>,
    calls: AsyncMutex<mpsc::UnboundedReceiver<BackendCall>>,
}

impl MemoryTaskBackend {
    pub(crate) fn new() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        Self {
            tasks: Mutex::default(),
            goals: Mutex::default(),
            more: Notify::new(),
            lost: Mutex::default(),
            is_unavailable: AtomicBool::new(false),
            sender,
            calls: AsyncMutex::new(calls),
        }
    }

    pub(crate) fn push(&self, claim: ClaimedTask) {
        let goal = (claim.claim_ref.task_id, claim.task.goal.clone());
        self.goals.lock().unwrap().extend([goal]);
        self.tasks.lock().unwrap().push_back(claim);
        self.more.notify_one();
    }

    pub(crate) fn waiting(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }

    pub(crate) fn revoke(&self, goal: &str) {
        self.lost.lock().unwrap().insert(goal.to_owned());
    }

    pub(crate) fn set_unavailable(&self, is_unavailable: bool) {
        self.is_unavailable.store(is_unavailable, Ordering::SeqCst);
    }

    /// Passes over calls until one is what the story waits for.
    pub(crate) async fn wait_for<T>(&self, mut wanted: impl FnMut(BackendCall) -> Option<T>) -> T {
        let mut calls = self.calls.lock().await;
        within(async {
            loop {
                if let Some(found) = wanted(calls.recv().await.unwrap()) {
                    return found;
                }
            }
        })
        .await
    }

    fn record(
        &self,
        claim_ref: &ClaimRef,
        call: impl FnOnce(String) -> BackendCall,
    ) -> Result<(), BackendError> {
        let goal = self.goals.lock().unwrap()[&claim_ref.task_id].clone();
        self.sender.send(call(goal.clone())).unwrap();
        if self.is_unavailable.load(Ordering::SeqCst) {
            return Err(BackendError::Unavailable("connection refused".to_owned()));
        }
        if self.lost.lock().unwrap().contains(&goal) {
            return Err(BackendError::Stale("given to another worker".to_owned()));
        }
        Ok(())
    }
}

impl TaskBackend for MemoryTaskBackend {
    async fn claim(
        &self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<ClaimedTask>, BackendError> {
        let next = async {
            loop {
                let task = self.tasks.lock().unwrap().pop_front();
                match task {
                    Some(task) => return task,
                    None => self.more.notified().await,
                }
            }
        };
        tokio::select! {
            claim = next => Ok(Some(claim)),
            () = tokio::time::sleep(wait) => Ok(None),
            () = stop.cancelled() => Ok(None),
        }
    }

    async fn report(
        &self,
        claim_ref: &ClaimRef,
        update: &ProgressUpdate,
    ) -> Result<(), BackendError> {
        self.record(claim_ref, |goal| BackendCall::Report(goal, update.clone()))
    }

    async fn confirm(&self, claim_ref: &ClaimRef) -> Result<(), BackendError> {
        self.record(claim_ref, BackendCall::Confirm)
    }

    async fn report_stuck(
        &self,
        claim_ref: &ClaimRef,
        _silent: Duration,
    ) -> Result<(), BackendError> {
        self.record(claim_ref, BackendCall::Stuck)
    }

    async fn complete(
        &self,
        claim_ref: &ClaimRef,
        result: &TaskResult,
        usage: &Usage,
    ) -> Result<(), BackendError> {
        let call = |goal| BackendCall::Complete(goal, result.clone(), *usage);
        self.record(claim_ref, call)
    }

    async fn fail(
        &self,
        claim_ref: &ClaimRef,
        failure: &AttemptFailure,
        usage: &Usage,
    ) -> Result<(), BackendError> {
        let call = |goal| BackendCall::Fail(goal, failure.clone(), *usage);
        self.record(claim_ref, call)
    }

    async fn release(&self, claim_ref: &ClaimRef, _reason: &str) -> Result<(), BackendError> {
        self.record(claim_ref, BackendCall::Release)
    }

    async fn hold(
        &self,
        claim_ref: &ClaimRef,
        _reason: &str,
        cause: HoldCause,
    ) -> Result<(), BackendError> {
        self.record(claim_ref, |goal| BackendCall::Hold(goal, cause))
    }

    async fn heartbeat(&self, heartbeat: &HeartbeatStatus) {
        self.sender
            .send(BackendCall::Heartbeat(heartbeat.clone()))
            .unwrap();
    }

    async fn deregister(&self, _reason: &str) {
        self.sender.send(BackendCall::Deregister).unwrap();
    }
}
