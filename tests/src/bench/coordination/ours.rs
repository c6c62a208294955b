//! The service's lanes: typed clients over one connection.

use std::time::Duration;

use shim_proto::coordination::v1::{
    AckMessagesRequest, FileLease, Lock, PatchStateRequest, PublishRequest, ReleaseFilesRequest,
    Worker,
};
use tonic::Status;

use super::Operation;
use crate::bench::lane::Lane;
use crate::calls::request_id;
use crate::coordination::{
    CoordinationClients, NAMESPACE, counted, files, inbox, lock, message, put, renew_request,
};
use crate::service::Service;

const TTL: Duration = Duration::from_secs(600);
/// Messages are sent to this many inboxes in turn, so that none is full.
const INBOXES: usize = 64;

/// One lane.
pub(super) struct Ours {
    operation: Operation,
    clients: CoordinationClients,
    name: String,
    number: u64,
    version: u64,
    inboxes: Vec<String>,
    taken: Vec<String>,
    held: Option<Lock>,
    lease: Option<FileLease>,
    worker: Option<Worker>,
}

/// Lanes that are ready to call.
pub(super) async fn lanes(operation: Operation, service: &Service, in_flight: usize) -> Vec<Ours> {
    let clients = service.coordination();
    let mut lanes = Vec::new();
    for number in 0..in_flight {
        let mut lane = Ours {
            operation,
            clients: clients.clone(),
            name: format!("{operation:?}-{in_flight}-{number}"),
            number: 0,
            version: 0,
            inboxes: (0..INBOXES).map(|_| request_id()).collect(),
            taken: Vec::new(),
            held: None,
            lease: None,
            worker: None,
        };
        lane.prepare()
            .await
            .expect("the service takes good requests");
        lanes.push(lane);
    }
    lanes
}

impl Lane for Ours {
    async fn call(&mut self) {
        self.number += 1;
        let outcome = match self.operation {
            Operation::GetState => self.get().await,
            Operation::PutState => self.put().await,
            Operation::PatchState => self.patch().await,
            Operation::Lock => self.lock_in_turn().await,
            Operation::RenewLock => self.renew().await,
            Operation::Files => self.lease_in_turn().await,
            Operation::Publish => self.publish().await,
            Operation::SendMessage => self.send().await,
            Operation::ReceiveMessages => self.receive_in_turn().await,
            Operation::Heartbeat => self.heartbeat().await,
        };
        outcome.expect("the service takes good requests");
    }
}

impl Ours {
    async fn prepare(&mut self) -> Result<(), Status> {
        match self.operation {
            Operation::GetState | Operation::PutState | Operation::PatchState => {
                self.put().await?;
            }
            Operation::RenewLock => self.lock_in_turn().await?,
            Operation::Heartbeat => {
                self.worker = Some(self.clients.register(&self.name, "bench").await?);
            }
            _ => {}
        }
        Ok(())
    }

    async fn get(&mut self) -> Result<(), Status> {
        self.clients.get(NAMESPACE, &self.name).await.map(|_| ())
    }

    async fn put(&mut self) -> Result<(), Status> {
        let request = put(&self.name, counted(self.number), Some(self.version));
        self.version = self.clients.put(request).await?;
        Ok(())
    }

    async fn patch(&mut self) -> Result<(), Status> {
        let request = PatchStateRequest {
            request_id: request_id(),
            namespace: NAMESPACE.into(),
            key: self.name.clone(),
            set: Some(counted(self.number)),
            ..Default::default()
        };
        self.clients.state.patch_state(request).await?;
        Ok(())
    }

    async fn lock_in_turn(&mut self) -> Result<(), Status> {
        match self.held.take() {
            Some(held) => {
                self.clients.unlock(&held).await?;
            }
            None => self.held = Some(self.clients.lock(lock(&self.name, &self.name, TTL)).await?),
        }
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), Status> {
        if let Some(held) = &self.held {
            self.clients
                .locks
                .renew_lock(renew_request(held, TTL))
                .await?;
        }
        Ok(())
    }

    async fn lease_in_turn(&mut self) -> Result<(), Status> {
        match self.lease.take() {
            Some(lease) => {
                let request = ReleaseFilesRequest {
                    request_id: request_id(),
                    workspace: lease.workspace,
                    holder: lease.holder,
                    lease_ids: vec![lease.lease_id],
                };
                self.clients.locks.release_files(request).await?;
            }
            None => {
                let pattern = format!("src/{}/*.rs", self.name);
                self.lease = Some(self.clients.lease(files(&self.name, &[&pattern])).await?);
            }
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Status> {
        let request = PublishRequest {
            request_id: request_id(),
            channel: self.name.clone(),
            payload: Some(counted(self.number)),
            publisher: self.name.clone(),
        };
        self.clients.bus.publish(request).await?;
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Status> {
        self.inboxes.rotate_left(1);
        self.clients
            .send(message(&self.inboxes[0], "hello"))
            .await?;
        Ok(())
    }

    async fn receive_in_turn(&mut self) -> Result<(), Status> {
        let inbox_id = self.inboxes[0].clone();
        match self.number % 3 {
            1 => {
                self.clients.send(message(&inbox_id, "hello")).await?;
            }
            2 => {
                let taken = self.clients.receive(inbox(&inbox_id)).await?;
                self.taken = taken
                    .into_iter()
                    .map(|message| message.message_id)
                    .collect();
            }
            _ => {
                let request = AckMessagesRequest {
                    inbox: inbox_id,
                    message_ids: std::mem::take(&mut self.taken),
                };
                self.clients.bus.ack_messages(request).await?;
            }
        }
        Ok(())
    }

    async fn heartbeat(&mut self) -> Result<(), Status> {
        match &self.worker {
            Some(worker) => self.clients.heartbeat(worker).await,
            None => Ok(()),
        }
    }
}
