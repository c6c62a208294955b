//! Under what a call runs: whose code, and how long it may be silent.

use std::path::Path;
use std::time::Duration;

use super::error::HostError;
use super::process::Confinement;

/// Under what a call runs.
pub(super) struct Terms {
    pub(super) confinement: Confinement,
    /// How long it may say nothing, from its first word of progress on.
    pub(super) silence: Option<Duration>,
}

/// Whose code a call runs, if it may.
pub(super) fn confinement(
    root: &Path,
    is_trusted: bool,
    runs_project_code: bool,
) -> Result<Confinement, HostError> {
    if !runs_project_code {
        return Ok(Confinement::OwnCode);
    }
    if !is_trusted {
        return Err(HostError::NotTrusted {
            root: root.display().to_string(),
        });
    }
    Ok(Confinement::ProjectCode(root.to_path_buf()))
}
