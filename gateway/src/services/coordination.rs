//! The coordination service as the gateway uses it: asked by a tool, or on the side of one.
//!
//! A question on the side (unread messages, a heartbeat) is one attempt with a short limit. It starts nothing and
//! waits for nobody, so it can fail often and cost little.

use std::time::Duration;

use shim_proto::coordination::v1;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_runtime::client::Channel;
use shim_runtime::fault::Fault;
use tonic::{Code, Request, Response, Status};

use super::{Manner, Services, retry, timed};

/// One attempt of a tool; the service answers within a second even if its store is away.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(4);
/// How long a tool waits for a service that restarts.
const RETRY_WINDOW: Duration = Duration::from_secs(4);
/// One attempt on the side.
const ASIDE_LIMIT: Duration = Duration::from_millis(1_500);

/// The typed clients, and whether the local stack is behind them.
pub(super) struct Coordination {
    clients: Clients,
    is_local: bool,
}

#[derive(Clone)]
struct Clients {
    locks: LockServiceClient<Channel>,
    bus: BusServiceClient<Channel>,
    registry: RegistryServiceClient<Channel>,
}

impl Coordination {
    pub(super) fn new(channel: Channel, is_local: bool) -> Self {
        let clients = Clients {
            locks: LockServiceClient::new(channel.clone()),
            bus: BusServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel),
        };
        Self { clients, is_local }
    }
}

impl Services {
    /// Whether there is a coordination service to ask; it may be away.
    pub(crate) fn coordinates(&self) -> bool {
        self.coordination.is_some()
    }

    /// Refuses what cannot be had without a coordination service, before anything is done for it.
    pub(crate) fn need_coordination(&self) -> Result<(), Status> {
        self.coordination().map(|_| ())
    }

    fn coordination(&self) -> Result<&Coordination, Status> {
        self.coordination.as_ref().ok_or_else(|| {
            refusal(
                "no coordination service is connected: only endpoints.checkpoint is configured",
                "the user can set endpoints.coordination; saving, recovery, signals and search work without it",
            )
        })
    }

    async fn ask<Q, A, F>(
        &self,
        message: Q,
        rpc: impl Fn(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let coordination = self.coordination()?;
        let manner = Manner {
            starts_stack: coordination.is_local,
            attempt_limit: ATTEMPT_LIMIT,
            retry_window: RETRY_WINDOW,
            again: retry::unless_its_store_is_away,
        };
        let rpc = |request| rpc(coordination.clients.clone(), request);
        self.call(manner, message, rpc).await.map_err(explained)
    }

    async fn aside<Q, A, F>(
        &self,
        message: Q,
        rpc: impl FnOnce(Clients, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let coordination = self.coordination()?;
        let rpc = |request| rpc(coordination.clients.clone(), request);
        timed(message, ASIDE_LIMIT, rpc).await.map_err(explained)
    }
}

/// One method for each RPC, `ask` for those a tool is about and `aside` for the others.
macro_rules! rpcs {
    ($($how:ident $method:ident = $client:ident.$rpc:ident($request:ident) -> $answer:ident;)*) => {
        impl Services {$(
            pub(crate) async fn $method(&self, request: v1::$request) -> Result<v1::$answer, Status> {
                self.$how(request, |mut clients, request| async move { clients.$client.$rpc(request).await }).await
            }
        )*}
    };
}

rpcs! {
    ask send_message = bus.send_message(SendMessageRequest) -> SendMessageResponse;
    ask register_worker = registry.register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    ask list_workers = registry.list_workers(ListWorkersRequest) -> ListWorkersResponse;
    aside receive_messages = bus.receive_messages(ReceiveMessagesRequest) -> ReceiveMessagesResponse;
    aside list_files = locks.list_files(ListFilesRequest) -> ListFilesResponse;
    aside heartbeat = registry.heartbeat(HeartbeatRequest) -> HeartbeatResponse;
    aside register_worker_again = registry.register_worker(RegisterWorkerRequest) -> RegisterWorkerResponse;
    aside deregister_worker = registry.deregister_worker(DeregisterWorkerRequest) -> DeregisterWorkerResponse;
}

/// A server without the service says so in gRPC's words, which tell a model nothing.
fn explained(status: Status) -> Status {
    if status.code() != Code::Unimplemented {
        return status;
    }
    refusal(
        "the server behind the coordination endpoint has no such service; it may be an older version",
        "the user can restart it (`shim down` ends a local stack, and the next call starts it again)",
    )
}

fn refusal(message: &str, remedy: &str) -> Status {
    Fault {
        code: Code::FailedPrecondition,
        reason: "COORDINATION_NOT_CONNECTED",
        message: message.to_owned(),
        remedy: Some(remedy.to_owned()),
        retry_after: None,
    }
    .into()
}
