//! A stand-in for the coordination and worker services: inboxes, workers, file leases and tasks in memory.

mod rpc;
mod store;
mod task_rpc;
mod tasks;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use shim_proto::coordination::v1::bus_service_server::BusServiceServer;
use shim_proto::coordination::v1::lock_service_server::LockServiceServer;
use shim_proto::coordination::v1::registry_service_server::RegistryServiceServer;
use shim_proto::coordination::v1::task_service_server::TaskServiceServer;
use shim_proto::worker::v1::worker_service_server::WorkerServiceServer;
use shim_runtime::auth::Auth;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use rpc::CoordinationRpc;
pub(in crate::tests) use store::{FaultMode, Store};

/// A running stand-in.
pub(in crate::tests) struct FakeCoordination {
    pub(in crate::tests) store: Arc<Mutex<Store>>,
    changes: watch::Sender<u64>,
    pub(in crate::tests) socket: PathBuf,
    /// A runtime of its own, so that killing it takes its connections along, as killing a process does.
    running: Option<Runtime>,
}

impl Drop for FakeCoordination {
    fn drop(&mut self) {
        self.kill();
    }
}

impl FakeCoordination {
    pub(in crate::tests) fn start(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let socket = folder.join("coordination.sock");
        let mut listeners = Listeners::default();
        {
            let _inside = runtime.enter();
            listeners.bind_unix(&socket).unwrap();
        }
        let store = Arc::default();
        let changes = watch::Sender::new(0);
        let service = CoordinationRpc {
            store: Arc::clone(&store),
            changes: changes.clone(),
        };
        let server = Server::new(Auth::default())
            .unwrap()
            .with(BusServiceServer::new(service.clone()))
            .with(LockServiceServer::new(service.clone()))
            .with(RegistryServiceServer::new(service.clone()))
            .with(TaskServiceServer::new(service.clone()))
            .with(WorkerServiceServer::new(service));
        runtime.spawn(server.serve(listeners, Shutdown::new()));
        Self {
            store,
            changes,
            socket,
            running: Some(runtime),
        }
    }

    /// Dies without a word to anybody.
    pub(in crate::tests) fn kill(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }

    /// How it answers from now on.
    pub(in crate::tests) fn set_fault_mode(&self, fault_mode: FaultMode) {
        self.store.lock().unwrap().fault_mode = fault_mode;
        self.changes.send_modify(|change| *change += 1);
    }

    /// Waits until the store is as wanted.
    pub(in crate::tests) async fn until(&self, wanted: impl Fn(&Store) -> bool) {
        let mut changes = self.changes.subscribe();
        let reached = async {
            while !wanted(&self.store.lock().unwrap()) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), reached)
            .await
            .expect("the store never got there");
    }
}
