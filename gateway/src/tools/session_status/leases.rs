//! The file leases of a session, as far as they are known at once: they never fail or hold up the view.

use std::time::Duration;

use serde_json::Value;
use shim_proto::checkpoint::v1::Session;
use shim_proto::coordination::v1::{FileLease, ListFilesRequest};
use shim_render::page::Page;
use shim_render::text::one_line;
use shim_render::words;

use crate::render::brief::Facts;
use crate::render::phrases;
use crate::tools::call::ToolCall;
use crate::workspaces::ProjectWorkspace;

const LEASES_TIMEOUT: Duration = Duration::from_millis(250);
/// Leases that an answer tells.
const MAX_LINES: usize = 10;
const MAX_PATTERN_CHARACTERS: usize = 100;

/// What the session holds in its project's workspace; `None` if that cannot be known now.
pub(super) async fn of(call: &ToolCall, session: &Session) -> Option<Vec<FileLease>> {
    let fetch = async {
        let request = ListFilesRequest {
            workspace: workspace(call, session).await,
            holder: session.id.clone(),
            ..ListFilesRequest::default()
        };
        call.gateway.services.list_files(request).await.ok()
    };
    let found = tokio::time::timeout(LEASES_TIMEOUT, fetch).await.ok()??;
    Some(found.leases)
}

/// The session's workspace as the command line finds it; "" is the default one.
async fn workspace(call: &ToolCall, session: &Session) -> String {
    match ProjectWorkspace::of(&call.gateway, &session.project).await {
        Some(base) => base.workspace.name,
        None => call.gateway.workspace.clone().unwrap_or_default(),
    }
}

/// The same as facts.
pub(super) fn facts(facts: Facts, leases: &[FileLease]) -> Facts {
    let shown = leases.iter().take(MAX_LINES);
    let shown: Vec<Value> = shown
        .map(|lease| {
            let purpose = one_line(&lease.purpose, MAX_PATTERN_CHARACTERS);
            Facts::new()
                .set("patterns", lease.patterns.clone())
                .set("mode", words::file_lease_mode(lease.mode()))
                .set_some("purpose", purpose)
                .set("time_left", phrases::time_left(lease.expires_at.as_ref()))
                .into()
        })
        .collect();
    facts
        .set_some("files", shown)
        .set_some("more_files", leases.len().saturating_sub(MAX_LINES))
}

/// A line for each lease.
pub(super) fn text(leases: &[FileLease]) -> Page {
    let mut text = Page::default();
    for lease in leases.iter().take(MAX_LINES) {
        let mut line = format!(
            "- holds files {} ({}, {})",
            one_line(&lease.patterns.join(" "), MAX_PATTERN_CHARACTERS),
            words::file_lease_mode(lease.mode()),
            phrases::time_left(lease.expires_at.as_ref()),
        );
        if !lease.purpose.is_empty() {
            let purpose = one_line(&lease.purpose, MAX_PATTERN_CHARACTERS);
            line.push_str(&format!(": {purpose}"));
        }
        text.line(line);
    }
    if leases.len() > MAX_LINES {
        text.line(format!("- and {} more leases", leases.len() - MAX_LINES));
    }
    text
}
