//! A stand-in for the checkpoint service: sessions, epochs and checkpoints in memory.

mod rpc;
mod store;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use prost_types::Timestamp;
use shim_proto::checkpoint::v1::attach_session_response::Event;
use shim_proto::checkpoint::v1::checkpoint_service_server::CheckpointServiceServer;
use shim_proto::checkpoint::v1::signal_service_server::SignalServiceServer;
use shim_proto::checkpoint::v1::*;
use shim_runtime::auth::Auth;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use uuid::Uuid;

use rpc::CheckpointRpc;
use store::Store;

/// A running stand-in.
pub(in crate::tests) struct FakeCheckpoint {
    pub(in crate::tests) store: Arc<Mutex<Store>>,
    pub(in crate::tests) changes: watch::Sender<u64>,
    pub(in crate::tests) socket: PathBuf,
    /// A runtime of its own, so that killing it takes its connections along, as killing a process does.
    running: Option<Runtime>,
}

impl Drop for FakeCheckpoint {
    fn drop(&mut self) {
        self.kill();
    }
}

impl FakeCheckpoint {
    pub(in crate::tests) fn start(folder: &Path) -> Self {
        let mut service = Self {
            store: Arc::default(),
            changes: watch::Sender::new(0),
            socket: folder.join("fake.sock"),
            running: None,
        };
        service.resume();
        service
    }

    /// Serves again, with all it remembers.
    pub(in crate::tests) fn resume(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut listeners = Listeners::default();
        {
            let _inside = runtime.enter();
            listeners.bind_unix(&self.socket).unwrap();
        }
        let service = CheckpointRpc {
            store: self.store.clone(),
            changes: self.changes.clone(),
        };
        let server = Server::new(Auth::default())
            .unwrap()
            .with(CheckpointServiceServer::new(service.clone()))
            .with(SignalServiceServer::new(service));
        runtime.spawn(server.serve(listeners, Shutdown::new()));
        self.running = Some(runtime);
    }

    /// Dies without a word to anybody.
    pub(in crate::tests) fn kill(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
        self.store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .owners
            .clear();
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

    /// Another client restores the session behind the gateway's back.
    pub(in crate::tests) async fn steal(&self, session_id: &str) {
        let (epoch, owner) = {
            let mut store = self.store.lock().unwrap();
            let session = store.sessions.get_mut(session_id).unwrap();
            session.epoch += 1;
            (session.epoch, store.owners.remove(session_id))
        };
        let thief = ClientInfo {
            name: "claude-desktop".into(),
            ..ClientInfo::default()
        };
        let lost = Event::OwnershipLost(OwnershipLost {
            epoch,
            owner: Some(thief),
        });
        if let Some(owner) = owner {
            owner
                .send(Ok(AttachSessionResponse { event: Some(lost) }))
                .await
                .unwrap();
        }
    }

    /// A session another client left behind.
    pub(in crate::tests) fn add_interrupted(&self, project: &str, file: FileState) -> String {
        let id = Uuid::now_v7().to_string();
        let interruption = Interruption {
            cause: InterruptionCause::Killed.into(),
            confidence: 0.9,
            evidence: "the process is gone".into(),
            at: Some(Timestamp::from(std::time::SystemTime::now())),
        };
        let session = Session {
            id: id.clone(),
            project: project.into(),
            status: SessionStatus::Interrupted.into(),
            epoch: 1,
            interruption: Some(interruption),
            ..Session::default()
        };
        let state = CheckpointState {
            current_task: "port the parser".into(),
            progress: 0.5,
            next_steps: vec!["write tests".into()],
            active_files: vec![file],
            ..CheckpointState::default()
        };
        let mut store = self.store.lock().unwrap();
        store.sessions.insert(id.clone(), session);
        store.append(&id, state, CheckpointTrigger::Manual.into());
        id
    }
}
