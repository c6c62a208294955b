//! What the checkpoint service knows of conversations, asked over its socket.

use std::path::Path;
use std::process::Command;

use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::observation_service_client::ObservationServiceClient;
use shim_proto::checkpoint::v1::{
    DetectRecoveryRequest, GetObservationRequest, ListSessionsRequest, ObservedState,
    RecoveryCandidate, RestoreCheckpointRequest, RestoreCheckpointResponse, Session,
};
use shim_runtime::client::Channel;

use super::window::Window;
use crate::binary;
use crate::calls::request_id;
use crate::service::Service;

/// Sessions of one page: more than a test has.
const PAGE: i32 = 1_000;

/// Asks the service of a stack.
#[derive(Debug, Clone)]
pub struct Observer {
    checkpoints: CheckpointServiceClient<Channel>,
    observations: ObservationServiceClient<Channel>,
}

impl Observer {
    /// Over a connection of its own.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        Self {
            checkpoints: service.client(),
            observations: ObservationServiceClient::new(service.channel()),
        }
    }

    /// Every session.
    ///
    /// # Panics
    /// If the service refuses.
    pub async fn sessions(&mut self) -> Vec<Session> {
        let request = ListSessionsRequest {
            page_size: PAGE,
            ..Default::default()
        };
        let listed = self.checkpoints.list_sessions(request).await;
        listed.expect("sessions are listed").into_inner().sessions
    }

    /// The session of a conversation, if there is one.
    pub async fn session(&mut self, conversation: &str) -> Option<Session> {
        let mut sessions = self.sessions().await.into_iter();
        sessions.find(|session| {
            let client = session.client.as_ref();
            client.is_some_and(|client| client.conversation == conversation)
        })
    }

    /// What was observed of a session; empty if nothing was.
    ///
    /// # Panics
    /// If the service refuses.
    pub async fn observed(&mut self, session_id: &str) -> ObservedState {
        let request = GetObservationRequest {
            session_id: session_id.to_owned(),
            event_count: 0,
        };
        let observed = self.observations.get_observation(request).await;
        let observed = observed.expect("observations are read").into_inner();
        observed.state.unwrap_or_default()
    }

    /// What is offered to whoever begins in a project.
    ///
    /// # Panics
    /// If the service refuses.
    pub async fn offered(&mut self, project: &Path) -> Vec<RecoveryCandidate> {
        let request = DetectRecoveryRequest {
            project: project.display().to_string(),
            limit: 100,
            only_project: true,
        };
        let found = self.checkpoints.detect_recovery(request).await;
        found.expect("recovery is detected").into_inner().candidates
    }

    /// Brings a session back, as nobody in particular.
    ///
    /// # Errors
    /// As the service says.
    pub async fn restore(
        &mut self,
        session_id: &str,
    ) -> Result<RestoreCheckpointResponse, tonic::Status> {
        let request = RestoreCheckpointRequest {
            request_id: request_id(),
            session_id: session_id.to_owned(),
            ..Default::default()
        };
        Ok(self
            .checkpoints
            .restore_checkpoint(request)
            .await?
            .into_inner())
    }
}

impl Window {
    /// Installs SHIM's plugin for all windows that share this one's folder, as a person does.
    ///
    /// # Panics
    /// If the command fails.
    pub fn install_plugin(&self, data_dir: &Path) {
        let mut install = Command::new(binary::shim());
        install
            .arg("--data-dir")
            .arg(data_dir)
            .args(["install", "claude-code"])
            .env_clear()
            .envs(self.environment())
            .current_dir(self.project());
        let output = install.output().expect("the shim binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "it is not installed: {said}");
    }
}
