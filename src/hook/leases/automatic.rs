//! The lease on what a session edits (`leases.auto`): one for all its files in a workspace, which grows with them, is kept while
//! edits go on, and is given back at the end of the session. A session that dies holds it no longer than its time.

use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{
    AcquireFilesRequest, AcquireFilesResponse, FileLease, FileLeaseMode, ListFilesRequest,
    ReleaseFilesRequest, RenewFilesRequest,
};
use shim_proto::limits::coordination::MAX_PATTERNS;
use shim_proto::reasons::FILES_HELD;
use shim_render::time;
use shim_runtime::service_error;
use tonic::Response;
use uuid::Uuid;

use super::check::Check;
use super::workspace_files::WorkspaceFiles;
use crate::hook::stack::Trouble;

/// What it is for, as others read it; also how it is known from a lease that the model took.
const PURPOSE: &str = "the files this session edits";
/// An edit in this time keeps it.
const TTL: Duration = Duration::from_secs(10 * 60);

/// Leases the files for the session, or keeps the lease that it has on them. `false` if somebody else has one by now.
pub(super) async fn lease(check: &Check<'_>, files: &WorkspaceFiles) -> Result<bool, Trouble> {
    let own = own(check, &files.workspace).await?;
    let is_covered = |pattern: &&String| !own.iter().any(|lease| lease.patterns.contains(pattern));
    let new: Vec<String> = files.patterns.iter().filter(is_covered).cloned().collect();
    if new.is_empty() {
        for lease in own.iter().filter(|lease| is_half_over(lease)) {
            renew(check, lease).await?;
        }
        return Ok(true);
    }
    let grown = own
        .into_iter()
        .find(|lease| lease.patterns.len() + new.len() <= MAX_PATTERNS);
    let before = grown.iter().flat_map(|lease| lease.patterns.clone());
    let patterns: Vec<String> = before.chain(new).collect();
    if !acquire(check, files, patterns).await? {
        return Ok(false);
    }
    if let Some(lease) = grown {
        give_back(check, &files.workspace, vec![lease.lease_id]).await?;
    }
    Ok(true)
}

/// Gives back all that was leased so.
pub(super) async fn release(check: &Check<'_>, workspace: &str) -> Result<(), Trouble> {
    let own = own(check, workspace).await?;
    let ids: Vec<String> = own.into_iter().map(|lease| lease.lease_id).collect();
    match ids.is_empty() {
        true => Ok(()),
        false => give_back(check, workspace, ids).await,
    }
}

async fn own(check: &Check<'_>, workspace: &str) -> Result<Vec<FileLease>, Trouble> {
    let request = check.stack.request(ListFilesRequest {
        workspace: workspace.to_owned(),
        holder: check.session_id.to_owned(),
        ..ListFilesRequest::default()
    });
    let listed = check
        .stack
        .answer(check.locks.clone().list_files(request))
        .await?;
    let mut own = listed.leases;
    own.retain(|lease| lease.purpose == PURPOSE);
    Ok(own)
}

fn is_half_over(lease: &FileLease) -> bool {
    let now = SystemTime::now();
    let left = time::moment(lease.expires_at.as_ref())
        .and_then(|until| until.duration_since(now).ok())
        .unwrap_or_default();
    left < TTL / 2
}

async fn renew(check: &Check<'_>, lease: &FileLease) -> Result<(), Trouble> {
    let request = check.stack.request(RenewFilesRequest {
        workspace: lease.workspace.clone(),
        lease_id: lease.lease_id.clone(),
        holder: check.session_id.to_owned(),
        ttl: prost_types::Duration::try_from(TTL).ok(),
    });
    check
        .stack
        .answer(check.locks.clone().renew_files(request))
        .await
        .map(drop)
}

/// `false` if somebody else holds any of them.
async fn acquire(
    check: &Check<'_>,
    files: &WorkspaceFiles,
    patterns: Vec<String>,
) -> Result<bool, Trouble> {
    let request = check.stack.request(AcquireFilesRequest {
        request_id: Uuid::now_v7().to_string(),
        workspace: files.workspace.clone(),
        holder: check.session_id.to_owned(),
        purpose: PURPOSE.to_owned(),
        patterns,
        mode: FileLeaseMode::Exclusive.into(),
        ttl: prost_types::Duration::try_from(TTL).ok(),
        ..AcquireFilesRequest::default()
    });
    let mut locks = check.locks.clone();
    let call = async {
        match locks.acquire_files(request).await {
            Err(status) if service_error::decode(&status).reason == FILES_HELD => {
                Ok(Response::new(AcquireFilesResponse::default()))
            }
            answered => answered,
        }
    };
    let acquired = check.stack.answer(call).await?;
    Ok(acquired.lease.is_some())
}

async fn give_back(
    check: &Check<'_>,
    workspace: &str,
    lease_ids: Vec<String>,
) -> Result<(), Trouble> {
    let request = check.stack.request(ReleaseFilesRequest {
        request_id: Uuid::now_v7().to_string(),
        workspace: workspace.to_owned(),
        holder: check.session_id.to_owned(),
        lease_ids,
    });
    check
        .stack
        .answer(check.locks.clone().release_files(request))
        .await
        .map(drop)
}
