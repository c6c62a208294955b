//! The file leases of a session, as far as they are known at once: they never fail or hold up the view.

use std::path::PathBuf;
use std::time::Duration;

use shim_proto::checkpoint::v1::Session;
use shim_proto::coordination::v1::{FileLease, ListFilesRequest};
use shim_runtime::workspace::Workspace;

use super::super::Call;
use crate::config::Project;
use crate::wording;

const PATIENCE: Duration = Duration::from_millis(250);
/// Lines of text; the structure has all leases.
const MAX_LINES: usize = 10;
const MAX_PATTERN_CHARACTERS: usize = 100;

/// What the session holds in its project's workspace; `None` if that cannot be known now.
pub(super) async fn of(call: &Call, session: &Session) -> Option<Vec<FileLease>> {
    let look = async {
        let request = ListFilesRequest {
            workspace: workspace(call, session).await?,
            holder: session.id.clone(),
            ..ListFilesRequest::default()
        };
        call.gateway.services.list_files(request).await.ok()
    };
    let found = tokio::time::timeout(PATIENCE, look).await.ok()??;
    Some(found.leases)
}

/// The session's workspace as the command line finds it; "" is the default one.
async fn workspace(call: &Call, session: &Session) -> Option<String> {
    let configured = call.gateway.workspace.clone();
    let folder = Project::named(&session.project).folder;
    let (None, Some(folder)) = (&configured, folder) else {
        return Some(configured.unwrap_or_default());
    };
    let around = |folder: PathBuf| Workspace::around(&folder.canonicalize().unwrap_or(folder)).name;
    tokio::task::spawn_blocking(move || around(folder))
        .await
        .ok()
}

/// A line for each lease.
pub(super) fn text(leases: &[FileLease]) -> String {
    let lines = leases.iter().take(MAX_LINES).map(|lease| {
        let mut line = format!(
            "\n- holds files {} ({}, {})",
            wording::short(&lease.patterns.join(" "), MAX_PATTERN_CHARACTERS),
            wording::lease_mode(lease.mode()),
            wording::left(lease.expires_at.as_ref()),
        );
        if !lease.purpose.is_empty() {
            let purpose = wording::short(&lease.purpose, MAX_PATTERN_CHARACTERS);
            line.push_str(&format!(": {purpose}"));
        }
        line
    });
    let mut text: String = lines.collect();
    if leases.len() > MAX_LINES {
        text.push_str(&format!("\n- and {} more leases", leases.len() - MAX_LINES));
    }
    text
}
