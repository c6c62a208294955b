//! Code that a user names for one call: a transform for jscodeshift.

use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};
use tokio_util::sync::CancellationToken;

use super::listener::CallListener;
use super::process::Confinement;
use super::progress::ProgressSink;
use super::terms::{Terms, confinement};
use super::{HostCall, ToolHost};
use crate::error::EvolutionError;
use crate::project::Project;

impl ToolHost {
    /// Runs a user's transform for a project, which must be trusted. It can write no file and start no program, and is ended when
    /// it says nothing for `silence`.
    ///
    /// # Errors
    /// As [`ToolHost::call`].
    pub(crate) async fn call_transform<T: DeserializeOwned>(
        &self,
        project: &Project,
        call: HostCall<'_>,
        silence: Duration,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<T, EvolutionError> {
        confinement(project.root(), project.is_trusted(), call.runs_project_code)?;
        let terms = Terms {
            confinement: Confinement::Transform(project.root().to_path_buf()),
            silence: Some(silence),
        };
        let listener = CallListener::new(progress, |_: IgnoredAny| {});
        Box::pin(self.call_on(&terms, call, listener, progress, cancel)).await
    }
}
