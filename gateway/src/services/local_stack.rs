//! The local stack: started by the first call that needs it, and again after it was lost.

use std::path::PathBuf;
use std::time::Duration;

use shim_proto::reasons;
use shim_runtime::config::Config as RuntimeConfig;
use shim_runtime::service_error::ServiceError;
use shim_runtime::stack::Stack;
use tokio::sync::Mutex;
use tonic::{Code, Status};

use crate::error::GatewayError;

/// From the start of a stack to its serving.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The stack of this machine's data folder, run by this program.
pub(super) struct LocalStack {
    pub(super) stack: Stack,
    program: PathBuf,
    /// Whether the stack was seen running since the last failure. One caller looks, the others wait for its finding.
    is_running: Mutex<bool>,
}

impl LocalStack {
    pub(super) fn of(config: &RuntimeConfig) -> Result<Self, GatewayError> {
        Ok(Self {
            stack: config.stack(),
            program: std::env::current_exe().map_err(GatewayError::OwnProgram)?,
            is_running: Mutex::new(false),
        })
    }

    /// Starts the stack unless it was seen running.
    pub(super) async fn ensure_running(&self) -> Result<(), Status> {
        let mut is_running = self.is_running.lock().await;
        if !*is_running {
            let started = self.stack.ensure_running(&self.program, START_TIMEOUT);
            started.await.map_err(|error| {
                Status::from(ServiceError {
                    code: Code::Unavailable,
                    reason: reasons::STACK_NOT_RUNNING,
                    message: error.to_string(),
                    remedy: Some(
                        "the user can run `shim doctor` to see what keeps it from starting"
                            .to_owned(),
                    ),
                    retry_after: None,
                })
            })?;
            *is_running = true;
        }
        Ok(())
    }

    /// Looks anew with the next call: a connection to the stack was lost.
    pub(super) async fn forget(&self) {
        *self.is_running.lock().await = false;
    }
}
