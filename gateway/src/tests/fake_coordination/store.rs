//! What the stand-in remembers, and the rules of inboxes and epochs it keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use prost_types::Timestamp;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::*;
use shim_runtime::service_error::ServiceError;
use tonic::{Code, Status};
use uuid::Uuid;

use super::tasks::Tasks;

/// How the stand-in answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::tests) enum FaultMode {
    #[default]
    Healthy,
    /// As it does without its store.
    StoreUnavailable,
    /// Takes calls and answers none until the mood changes.
    Stuck,
}

/// What the stand-in remembers.
#[derive(Default)]
pub(in crate::tests) struct Store {
    pub(in crate::tests) fault_mode: FaultMode,
    pub(in crate::tests) inboxes: HashMap<String, Vec<Message>>,
    /// The messages given out and not acknowledged. Time does not pass here: tests give them out again.
    pub(in crate::tests) delivered: BTreeSet<String>,
    pub(in crate::tests) workers: BTreeMap<String, Worker>,
    pub(in crate::tests) heartbeats: usize,
    pub(in crate::tests) deregister_reasons: Vec<String>,
    pub(in crate::tests) leases: Vec<FileLease>,
    pub(in crate::tests) tasks: Tasks,
    pub(in crate::tests) workspaces_asked: Vec<String>,
    /// Calls that came, whatever they were answered.
    pub(in crate::tests) fetches: usize,
    pub(in crate::tests) sends: usize,
    /// Sends are done, and then their answer is lost, so many times.
    pub(in crate::tests) lose_answers: usize,
    sent: HashMap<String, u32>,
    epochs: u64,
}

impl Store {
    pub(super) fn send(&mut self, request: &SendMessageRequest) -> Result<u32, Status> {
        self.sends += 1;
        if let Some(known) = self.sent.get(&request.request_id) {
            return Ok(*known);
        }
        let inboxes = match request.recipient.as_ref().unwrap() {
            Recipient::SessionId(id) => vec![id.clone()],
            Recipient::WorkerId(id) if self.workers.contains_key(id) => vec![id.clone()],
            Recipient::WorkerId(_) => {
                return Err(fault(Code::NotFound, "WORKER_NOT_FOUND", "list them"));
            }
            Recipient::Capability(name) => {
                let able = self.workers.values();
                let able = able.filter(|worker| worker.capabilities.contains(name));
                able.map(|worker| worker.worker_id.clone()).collect()
            }
        };
        if inboxes.is_empty() {
            return Err(fault(
                Code::FailedPrecondition,
                "NO_RECIPIENTS",
                "call ListWorkers",
            ));
        }
        for inbox in &inboxes {
            self.put(inbox, &request.sender, &request.text);
        }
        let count = u32::try_from(inboxes.len()).unwrap();
        self.sent.insert(request.request_id.clone(), count);
        if self.lose_answers > 0 {
            self.lose_answers -= 1;
            return Err(Status::unavailable("the connection broke"));
        }
        Ok(count)
    }

    /// Puts a message into an inbox.
    pub(in crate::tests) fn put(&mut self, inbox: &str, sender: &str, text: &str) -> String {
        let message_id = Uuid::now_v7().to_string();
        let message = Message {
            message_id: message_id.clone(),
            sender: sender.into(),
            text: text.into(),
            sent_at: Some(Timestamp::from(SystemTime::now())),
            ..Message::default()
        };
        self.inboxes.entry(inbox.into()).or_default().push(message);
        message_id
    }

    pub(super) fn receive(&mut self, request: &ReceiveMessagesRequest) -> ReceiveMessagesResponse {
        let inbox = self.inboxes.entry(request.inbox.clone()).or_default();
        inbox.retain(|message| !request.ack_ids.contains(&message.message_id));
        let fresh = inbox
            .iter()
            .filter(|message| !self.delivered.contains(&message.message_id));
        let messages: Vec<_> = fresh
            .take(usize::try_from(request.max_messages).unwrap())
            .cloned()
            .collect();
        let ids = messages.iter().map(|message| message.message_id.clone());
        self.delivered.extend(ids);
        let remaining = (inbox.len() - messages.len()) as u64;
        ReceiveMessagesResponse {
            messages,
            remaining,
        }
    }

    pub(super) fn register(&mut self, request: RegisterWorkerRequest) -> Worker {
        self.epochs += 1;
        let worker = Worker {
            worker_id: request.worker_id,
            epoch: self.epochs,
            name: request.name,
            kind: request.kind,
            capabilities: request.capabilities,
            capacity: request.capacity,
            state: WorkerState::Idle.into(),
            health: WorkerHealth::Healthy.into(),
            node: request.node,
            version: request.version,
            session_id: request.session_id,
            last_heartbeat_at: Some(Timestamp::from(SystemTime::now())),
            ..Worker::default()
        };
        self.workers
            .insert(worker.worker_id.clone(), worker.clone());
        worker
    }

    pub(super) fn check_epoch(&self, worker_id: &str, epoch: u64) -> Result<(), Status> {
        match self.workers.get(worker_id) {
            None => Err(fault(
                Code::NotFound,
                "WORKER_NOT_FOUND",
                "register it again",
            )),
            Some(worker) if worker.epoch != epoch => Err(fault(
                Code::FailedPrecondition,
                "STALE_WORKER",
                "register it again",
            )),
            Some(_) => Ok(()),
        }
    }
}

pub(super) fn fault(code: Code, reason: &'static str, remedy: &str) -> Status {
    ServiceError {
        code,
        reason,
        message: format!("refused: {reason}"),
        remedy: Some(remedy.into()),
        retry_after: None,
    }
    .into()
}
