//! The real services on a socket, as the local stack has them, and direct clients of them.

use std::path::{Path, PathBuf};

use shim_checkpoint::Config as CheckpointConfig;
use shim_coordination::Config as CoordinationConfig;
use shim_proto::checkpoint::v1::attach_session_request::Message as AttachMessage;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::*;
use shim_proto::coordination::v1::bus_service_client::BusServiceClient;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::registry_service_client::RegistryServiceClient;
use shim_proto::coordination::v1::send_message_request::Recipient;
use shim_proto::coordination::v1::task_service_client::TaskServiceClient;
use shim_proto::coordination::v1::*;
use shim_proto::worker::v1::ReleaseTaskRequest;
use shim_proto::worker::v1::worker_service_client::WorkerServiceClient;
use shim_runtime::auth::Auth;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::config::Settings;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::process;
use shim_runtime::server::{Listeners, Server};
use shim_runtime::service::{Service, serve};
use shim_store::Store;
use shim_worker::Config as WorkerConfig;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::waiting::{until, within};

/// The services of one process, and clients that speak to them directly.
pub struct TestStack {
    /// Sessions and checkpoints.
    pub checkpoints: CheckpointServiceClient<Channel>,
    /// Jobs and their parts.
    pub tasks: TaskServiceClient<Channel>,
    /// Tasks as their workers see them.
    pub work: WorkerServiceClient<Channel>,
    /// Workers.
    pub registry: RegistryServiceClient<Channel>,
    /// Messages.
    pub bus: BusServiceClient<Channel>,
    /// File leases.
    pub locks: LockServiceClient<Channel>,
    socket: PathBuf,
    _folder: TempDir,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "a stack that fails ends its story"
)]
impl TestStack {
    /// The checkpoint service, and with an address of Redis the others, too; ready when this returns. The services end
    /// with the story's runtime.
    pub async fn start(redis: Option<String>, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let text = path.to_str().unwrap();
        let own = [("data_dir", text), ("worker.roots", text)];
        let flags = own.iter().chain(settings);
        let flags = flags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let flags = flags.chain(redis.iter().map(|url| ("redis_url".into(), url.clone())));
        let mut settings = Settings::gather(None, [], flags).unwrap();
        let coordination = CoordinationConfig::read(&mut settings);
        let checkpoint = CheckpointConfig::read(&mut settings);
        let worker = WorkerConfig::read(&mut settings);
        settings.finish().unwrap();

        let socket = path.join("shim.sock");
        let shutdown = Shutdown::new();
        let channel = connect(&Endpoint::Unix(socket.clone()), None).unwrap();
        let checkpoint = shim_checkpoint::build(checkpoint, &path, &shutdown).await;
        let mut services: Vec<Box<dyn Service>> = vec![Box::new(checkpoint.unwrap())];
        if redis.is_some() {
            let store = Store::open_at(&coordination.store, &shutdown).unwrap();
            wait_ready(&store).await;
            let coordination = shim_coordination::build(&coordination, store.clone(), &shutdown);
            let worker = shim_worker::build(worker, store, Some(channel.clone()), &shutdown);
            services.push(Box::new(coordination));
            services.push(Box::new(worker.unwrap()));
        }
        spawn_server(services, &socket, shutdown);
        Self {
            checkpoints: CheckpointServiceClient::new(channel.clone()),
            tasks: TaskServiceClient::new(channel.clone()),
            work: WorkerServiceClient::new(channel.clone()),
            registry: RegistryServiceClient::new(channel.clone()),
            bus: BusServiceClient::new(channel.clone()),
            locks: LockServiceClient::new(channel),
            socket,
            _folder: folder,
        }
    }

    /// The socket of the services.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// All sessions.
    pub async fn sessions(&self) -> Vec<Session> {
        let mut checkpoints = self.checkpoints.clone();
        let listed = checkpoints.list_sessions(ListSessionsRequest::default());
        listed.await.unwrap().into_inner().sessions
    }

    /// The session with this id.
    pub async fn session(&self, id: &str) -> Session {
        let sessions = self.sessions().await;
        let found = sessions.into_iter().find(|session| session.id == id);
        found.expect("the session is known")
    }

    /// Waits until the session has this status.
    pub async fn until_status(&self, id: &str, status: SessionStatus) {
        until(async || self.session(id).await.status() == status).await;
    }

    /// How many checkpoints there are in all sessions.
    pub async fn checkpoint_count(&self) -> u64 {
        let sessions = self.sessions().await;
        sessions.iter().map(|session| session.head_number).sum()
    }

    /// A session of a client that was killed, with one checkpoint.
    pub async fn add_interrupted(&self, project: &str, file: Option<FileState>) -> String {
        let mut checkpoints = self.checkpoints.clone();
        let client = client("claude-code", dead_process());
        let opened = checkpoints.open_session(OpenSessionRequest {
            request_id: id(),
            project: project.into(),
            client: Some(client.clone()),
            ..Default::default()
        });
        let session = opened.await.unwrap().into_inner().session.unwrap();
        let stream = self.attach(&session.id, session.epoch, client).await;
        let saved = checkpoints.save_checkpoint(SaveCheckpointRequest {
            request_id: id(),
            session_id: session.id.clone(),
            epoch: session.epoch,
            state: Some(CheckpointState {
                current_task: "port the parser".into(),
                progress: 0.5,
                next_steps: vec!["write tests".into()],
                active_files: file.into_iter().collect(),
                ..CheckpointState::default()
            }),
            trigger: CheckpointTrigger::Manual.into(),
            ..Default::default()
        });
        saved.await.unwrap();
        let OtherClient { requests, events } = stream;
        // Without the reader the stream breaks; a writer that is gone would take leave.
        drop(events);
        self.until_status(&session.id, SessionStatus::Interrupted)
            .await;
        drop(requests);
        session.id
    }

    /// Another client takes the session over behind the gateway's back. It needs a checkpoint.
    pub async fn steal(&self, session_id: &str) -> OtherClient {
        let thief = client("claude-desktop", process::own());
        let session = self.session(session_id).await;
        let mut checkpoints = self.checkpoints.clone();
        let restored = checkpoints.restore_checkpoint(RestoreCheckpointRequest {
            request_id: id(),
            session_id: session_id.into(),
            expected_epoch: session.epoch,
            take_over: true,
            client: Some(thief.clone()),
            ..Default::default()
        });
        let session = restored.await.unwrap().into_inner().session.unwrap();
        self.attach(session_id, session.epoch, thief).await
    }

    async fn attach(&self, session_id: &str, epoch: u64, client: ClientInfo) -> OtherClient {
        let (requests, sent) = mpsc::channel(8);
        let attach = AttachMessage::Attach(Attach {
            session_id: session_id.into(),
            epoch,
            client: Some(client),
        });
        let attach = AttachSessionRequest {
            message: Some(attach),
        };
        requests.send(attach).await.unwrap();
        let mut checkpoints = self.checkpoints.clone();
        let stream = checkpoints.attach_session(ReceiverStream::new(sent));
        let mut events = stream.await.unwrap().into_inner();
        events.message().await.unwrap().expect("the lease");
        OtherClient { requests, events }
    }

    /// Puts a message into an inbox.
    pub async fn put(&self, inbox: &str, sender: &str, text: &str) {
        let message = SendMessageRequest {
            request_id: id(),
            sender: sender.into(),
            text: text.into(),
            recipient: Some(Recipient::SessionId(inbox.into())),
            data: None,
        };
        let mut bus = self.bus.clone();
        bus.send_message(message).await.unwrap();
    }

    /// The workers that live.
    pub async fn live_workers(&self) -> Vec<Worker> {
        let mut registry = self.registry.clone();
        let listed = registry.list_workers(ListWorkersRequest::default());
        listed.await.unwrap().into_inner().workers
    }

    /// The task as it is now.
    pub async fn task(&self, task_id: &str) -> Task {
        let request = GetTaskRequest {
            task_id: task_id.into(),
            with_subtasks: false,
        };
        let mut tasks = self.tasks.clone();
        let found = tasks.get_task(request).await;
        found.unwrap().into_inner().task.unwrap()
    }

    /// Gives a task back for its worker, whose gateway does not know of it.
    pub async fn requeue(&self, task_id: &str, lease: u64) {
        let mut work = self.work.clone();
        let released = work.release_task(ReleaseTaskRequest {
            request_id: id(),
            task_id: task_id.into(),
            lease,
            ..Default::default()
        });
        released.await.unwrap();
    }
}

/// A client that holds a session without a gateway.
pub struct OtherClient {
    requests: mpsc::Sender<AttachSessionRequest>,
    events: Streaming<AttachSessionResponse>,
}

impl OtherClient {
    /// Closes its gateway in good order.
    pub async fn leave(self) {
        let Self {
            requests,
            mut events,
        } = self;
        drop(requests);
        while let Ok(Some(_)) = events.message().await {}
    }
}

fn spawn_server(services: Vec<Box<dyn Service>>, socket: &Path, shutdown: Shutdown) {
    let mut listeners = Listeners::default();
    listeners.bind_unix(socket).unwrap();
    let server = Server::new(Auth::default()).unwrap();
    let serving = async move { serve(&services, server, listeners, shutdown).await.unwrap() };
    drop(tokio::spawn(serving));
}

async fn wait_ready(store: &Store) {
    let mut connection = store.connection.clone();
    within(async {
        while connection.health().is_err() {
            connection.health_changed().await;
        }
    })
    .await;
}

/// A new id.
fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A client of this machine.
fn client(name: &str, gateway: ProcessIdentity) -> ClientInfo {
    ClientInfo {
        name: name.into(),
        hostname: process::hostname(),
        boot_id: process::boot_id(),
        client_process: Some(gateway),
        gateway_process: Some(gateway),
        ..ClientInfo::default()
    }
}

/// A process that was killed.
fn dead_process() -> ProcessIdentity {
    let mut program = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let dead = process::identity(program.id()).unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    dead
}
