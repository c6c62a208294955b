//! Clients of the coordination service, and requests as the stories need them, with everything unimportant filled in.

use std::time::Duration;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::state_service_client::StateServiceClient;
use shim_proto::coordination::v1::{
    AcquireFilesRequest, AcquireLockRequest, Fence, FileLease, GetStateRequest, HeartbeatRequest,
    Lock, Message, PutStateRequest, ReceiveMessagesRequest, RegisterWorkerRequest,
    ReleaseLockRequest, RenewLockRequest, SendMessageRequest, StateEntry, Worker, WorkerKind,
};
use shim_runtime::client::Channel;
use shim_runtime::service_error::decode;
use tonic::Status;

use crate::calls::request_id;

/// Where most stories play.
pub const NAMESPACE: &str = "story";

/// One client of each coordination service, over one connection.
#[derive(Debug, Clone)]
pub struct CoordinationClients {
    /// State; takes answers of any size.
    pub state: StateServiceClient<Channel>,
    /// Locks and file leases.
    pub locks: LockServiceClient<Channel>,
    /// News and messages.
    pub bus: BusServiceClient<Channel>,
    /// Workers.
    pub registry: RegistryServiceClient<Channel>,
}

impl CoordinationClients {
    /// Clients that share `channel`.
    #[must_use]
    pub fn over(channel: &Channel) -> Self {
        let state = StateServiceClient::new(channel.clone());
        Self {
            state: state.max_decoding_message_size(usize::MAX),
            locks: LockServiceClient::new(channel.clone()),
            bus: BusServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
        }
    }

    /// An entry.
    ///
    /// # Errors
    /// As the service says.
    pub async fn get(&mut self, namespace: &str, key: &str) -> Result<StateEntry, Status> {
        let request = GetStateRequest {
            namespace: namespace.into(),
            key: key.into(),
        };
        let answer = self.state.get_state(request).await?.into_inner();
        answer.entry.ok_or_else(|| incomplete("GetState"))
    }

    /// Writes an entry and returns its version.
    ///
    /// # Errors
    /// As the service says.
    pub async fn put(&mut self, request: PutStateRequest) -> Result<u64, Status> {
        Ok(self.state.put_state(request).await?.into_inner().version)
    }

    /// Acquires a lock.
    ///
    /// # Errors
    /// As the service says.
    pub async fn lock(&mut self, request: AcquireLockRequest) -> Result<Lock, Status> {
        let answer = self.locks.acquire_lock(request).await?.into_inner();
        answer.lock.ok_or_else(|| incomplete("AcquireLock"))
    }

    /// Gives a lock back and tells whether it was held until now.
    ///
    /// # Errors
    /// As the service says.
    pub async fn unlock(&mut self, lock: &Lock) -> Result<bool, Status> {
        let request = ReleaseLockRequest {
            request_id: request_id(),
            namespace: lock.namespace.clone(),
            name: lock.name.clone(),
            owner: lock.owner.clone(),
            fencing_token: lock.fencing_token,
        };
        let answer = self.locks.release_lock(request).await?;
        Ok(answer.into_inner().was_held)
    }

    /// Leases files.
    ///
    /// # Errors
    /// As the service says.
    pub async fn lease(&mut self, request: AcquireFilesRequest) -> Result<FileLease, Status> {
        let answer = self.locks.acquire_files(request).await?.into_inner();
        answer.lease.ok_or_else(|| incomplete("AcquireFiles"))
    }

    /// Sends a message to a session and tells how many inboxes got it.
    ///
    /// # Errors
    /// As the service says.
    pub async fn send(&mut self, request: SendMessageRequest) -> Result<u32, Status> {
        let answer = self.bus.send_message(request).await?;
        Ok(answer.into_inner().recipients)
    }

    /// Takes messages from an inbox.
    ///
    /// # Errors
    /// As the service says.
    pub async fn receive(
        &mut self,
        request: ReceiveMessagesRequest,
    ) -> Result<Vec<Message>, Status> {
        let answer = self.bus.receive_messages(request).await?;
        Ok(answer.into_inner().messages)
    }

    /// Makes a worker known.
    ///
    /// # Errors
    /// As the service says.
    pub async fn register(&mut self, name: &str, capability: &str) -> Result<Worker, Status> {
        let request = RegisterWorkerRequest {
            request_id: request_id(),
            name: name.into(),
            kind: WorkerKind::Agent.into(),
            capabilities: vec![capability.into()],
            capacity: 1,
            ..Default::default()
        };
        let answer = self.registry.register_worker(request).await?.into_inner();
        answer.worker.ok_or_else(|| incomplete("RegisterWorker"))
    }

    /// Tells that a worker lives.
    ///
    /// # Errors
    /// As the service says.
    pub async fn heartbeat(&mut self, worker: &Worker) -> Result<(), Status> {
        self.registry.heartbeat(heartbeat(worker)).await?;
        Ok(())
    }
}

fn incomplete(method: &str) -> Status {
    Status::data_loss(format!("{method} answered without what was asked for"))
}

/// A write of `value`, over whatever is there or over one version.
#[must_use]
pub fn put(key: &str, value: Struct, expected_version: Option<u64>) -> PutStateRequest {
    PutStateRequest {
        request_id: request_id(),
        namespace: NAMESPACE.into(),
        key: key.into(),
        value: Some(value),
        expected_version,
        writer: "shim-tests".into(),
        ..Default::default()
    }
}

/// An attempt to lock `name` that does not wait.
#[must_use]
pub fn lock(name: &str, owner: &str, ttl: Duration) -> AcquireLockRequest {
    AcquireLockRequest {
        request_id: request_id(),
        namespace: NAMESPACE.into(),
        name: name.into(),
        owner: owner.into(),
        purpose: "a story".into(),
        ttl: proto_duration(ttl),
        wait: None,
    }
}

/// A request to keep `lock` for `ttl` from now.
#[must_use]
pub fn renew_request(lock: &Lock, ttl: Duration) -> RenewLockRequest {
    RenewLockRequest {
        namespace: lock.namespace.clone(),
        name: lock.name.clone(),
        owner: lock.owner.clone(),
        fencing_token: lock.fencing_token,
        ttl: proto_duration(ttl),
    }
}

/// The proof of `lock`.
#[must_use]
pub fn fence(lock: &Lock) -> Fence {
    Fence {
        lock: lock.name.clone(),
        token: lock.fencing_token,
    }
}

/// An attempt to lease files exclusively that does not wait.
#[must_use]
pub fn files(holder: &str, patterns: &[&str]) -> AcquireFilesRequest {
    AcquireFilesRequest {
        request_id: request_id(),
        workspace: NAMESPACE.into(),
        holder: holder.into(),
        purpose: "a story".into(),
        patterns: patterns.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

/// A message to a session.
#[must_use]
pub fn message(session_id: &str, text: &str) -> SendMessageRequest {
    SendMessageRequest {
        request_id: request_id(),
        recipient: Some(Recipient::SessionId(session_id.into())),
        sender: "shim-tests".into(),
        text: text.into(),
        data: None,
    }
}

/// A look into an inbox that does not wait.
#[must_use]
pub fn inbox(id: &str) -> ReceiveMessagesRequest {
    ReceiveMessagesRequest {
        inbox: id.into(),
        max_messages: 100,
        ..Default::default()
    }
}

/// A heartbeat of an idle worker.
#[must_use]
pub fn heartbeat(worker: &Worker) -> HeartbeatRequest {
    HeartbeatRequest {
        worker_id: worker.worker_id.clone(),
        epoch: worker.epoch,
        ..Default::default()
    }
}

/// A duration on the wire.
#[must_use]
pub fn proto_duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

/// `{"n": number}`.
#[must_use]
pub fn counted(number: u64) -> Struct {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let kind = Kind::NumberValue(number as f64);
    let value = Value { kind: Some(kind) };
    Struct {
        fields: [("n".to_owned(), value)].into(),
    }
}

/// The number in an entry written as [`counted`].
#[must_use]
pub fn count(entry: &StateEntry) -> Option<u64> {
    match entry.value.as_ref()?.fields.get("n")?.kind.as_ref()? {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was a count"
        )]
        Kind::NumberValue(number) => Some(*number as u64),
        _ => None,
    }
}

/// The stable reason of a refusal.
#[must_use]
pub fn reason(refusal: &Status) -> String {
    decode(refusal).reason
}
