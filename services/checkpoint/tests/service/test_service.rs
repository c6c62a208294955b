//! A service of its own for each story.

use std::time::Duration;

use shim_checkpoint::{Config, database_path};
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_proto::checkpoint::v1::*;
use shim_runtime::auth::Auth;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::config::Settings;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::server::{Listeners, Server};
use shim_runtime::service::{Service, serve};
use shim_runtime::service_error;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// A running service and a client of it.
pub(crate) struct TestService {
    pub(crate) folder: TempDir,
    pub(crate) api: CheckpointServiceClient<Channel>,
    pub(crate) signals: SignalServiceClient<Channel>,
    pub(crate) observations: ObservationServiceClient<Channel>,
    settings: Vec<(String, String)>,
    shutdown: Shutdown,
    server: JoinHandle<()>,
}

impl TestService {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let settings = settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    async fn start_in(folder: TempDir, flags: Vec<(String, String)>) -> Self {
        let mut settings = Settings::gather(None, [], flags.clone()).unwrap();
        let config = Config::read(&mut settings);
        settings.finish().unwrap();
        let socket = folder.path().join("shim.sock");
        let mut listeners = Listeners::default();
        listeners.bind_unix(&socket).unwrap();
        let shutdown = Shutdown::new();
        let service = shim_checkpoint::build(config, folder.path(), &shutdown)
            .await
            .unwrap();
        let services: [Box<dyn Service>; 1] = [Box::new(service)];
        let (server, stop) = (Server::new(Auth::default()).unwrap(), shutdown.clone());
        let server = tokio::spawn(async move {
            serve(&services, server, listeners, stop).await.unwrap();
        });
        let channel = connect(&Endpoint::Unix(socket), None).unwrap();
        Self {
            folder,
            api: CheckpointServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20),
            signals: SignalServiceClient::new(channel.clone()),
            observations: ObservationServiceClient::new(channel),
            settings: flags,
            shutdown,
            server,
        }
    }

    /// Stops the service, runs `meanwhile` with its database, and starts it again.
    pub(crate) async fn restart(self, meanwhile: impl FnOnce(&std::path::Path)) -> Self {
        self.shutdown.begin();
        drop((self.api, self.signals, self.observations));
        self.server.await.unwrap();
        let database = database_path(self.folder.path());
        meanwhile(&database);
        Self::start_in(self.folder, self.settings).await
    }

    /// Stops the service and starts it again with other settings.
    pub(crate) async fn restart_with(mut self, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter();
        self.settings = settings
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        self.restart(|_| {}).await
    }

    pub(crate) async fn open_session(&mut self, project: &str) -> Session {
        let request = OpenSessionRequest {
            request_id: id(),
            project: project.into(),
            ..Default::default()
        };
        self.api
            .open_session(request)
            .await
            .unwrap()
            .into_inner()
            .session
            .unwrap()
    }

    pub(crate) async fn save(
        &mut self,
        session: &Session,
        state: CheckpointState,
    ) -> Result<Checkpoint, Status> {
        let request = SaveCheckpointRequest {
            request_id: id(),
            session_id: session.id.clone(),
            epoch: session.epoch,
            state: Some(state),
            ..Default::default()
        };
        Ok(self
            .api
            .save_checkpoint(request)
            .await?
            .into_inner()
            .checkpoint
            .unwrap())
    }

    /// Saves `step 1` to the last one.
    pub(crate) async fn save_steps(&mut self, session: &Session, last: u64) {
        for step in 1..=last {
            let state = state(&format!("step {step}"), 0.5);
            self.save(session, state).await.unwrap();
        }
    }

    /// Records a snapshot of signals.
    pub(crate) async fn record_signals(&mut self, session: &Session, messages: Option<u64>) {
        let request = RecordSignalsRequest {
            request_id: id(),
            session_id: session.id.clone(),
            epoch: session.epoch,
            signals: Some(Signals {
                message_count: messages,
                ..Default::default()
            }),
        };
        self.signals.record_signals(request).await.unwrap();
    }

    /// Drops the contents of all but the newest checkpoints.
    pub(crate) async fn keep_last(&mut self, keep_last: u32) {
        let request = PruneRequest {
            request_id: id(),
            older_than: Some(prost_types::Duration::default()),
            keep_last,
            ..Default::default()
        };
        self.api.prune(request).await.unwrap();
    }

    pub(crate) async fn session(&mut self, id: &str) -> Session {
        let request = GetSessionRequest {
            session_id: id.into(),
        };
        self.api
            .get_session(request)
            .await
            .unwrap()
            .into_inner()
            .session
            .unwrap()
    }

    /// The headers of a session, newest first.
    pub(crate) async fn headers(&mut self, session: &str) -> Vec<Checkpoint> {
        let request = ListCheckpointsRequest {
            session_id: session.into(),
            page_size: 1000,
            ..Default::default()
        };
        let listed = self.api.list_checkpoints(request).await.unwrap();
        listed.into_inner().checkpoints
    }

    /// The content of a checkpoint.
    pub(crate) async fn content(&mut self, checkpoint: &str) -> CheckpointState {
        let request = GetCheckpointRequest {
            checkpoint_id: checkpoint.into(),
            ..Default::default()
        };
        let found = self.api.get_checkpoint(request).await.unwrap();
        found.into_inner().state.unwrap()
    }

    /// Waits until the session has this status.
    pub(crate) async fn wait_for_status(&mut self, id: &str, status: SessionStatus) -> Session {
        let wait = async {
            loop {
                let session = self.session(id).await;
                if session.status() == status {
                    return session;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("the status is reached")
    }

    pub(crate) async fn restore(
        &mut self,
        session: &Session,
    ) -> Result<RestoreCheckpointResponse, Status> {
        let request = RestoreCheckpointRequest {
            request_id: id(),
            session_id: session.id.clone(),
            ..Default::default()
        };
        Ok(self.api.restore_checkpoint(request).await?.into_inner())
    }
}

/// A new request id.
pub(crate) fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub(crate) fn state(task: &str, progress: f64) -> CheckpointState {
    CheckpointState {
        current_task: task.into(),
        progress,
        next_steps: vec![format!("finish {task}")],
        ..Default::default()
    }
}

/// The code and reason of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("it is refused");
    (status.code(), service_error::decode(&status).reason)
}
