//! Whether another session leases a file that a tool is about to write, and the lease of a session's own edits.
//!
//! A service that is away or late keeps no tool from running. What a shell writes cannot be seen.

mod automatic;
mod check;
mod words;
mod workspace_files;

use std::path::Path;

use shim_claude_code::hook_input::HookInput;
use shim_proto::checkpoint::v1::FileUse;

use super::reply::Reply;
use super::stack::{HookStack, Trouble};
use check::Check;
use workspace_files::workspace_files;

/// What is said about the files of a tool call, and the lease that the session gets for them where that is wanted. A file
/// that nobody leases is nobody's.
///
/// # Errors
/// If the leases cannot be known now.
pub(super) async fn check(
    stack: &HookStack,
    input: &HookInput,
    session_id: &str,
) -> Result<Reply, Trouble> {
    let written = input
        .files
        .iter()
        .filter(|file| file.r#use() == FileUse::Write);
    let written: Vec<&Path> = written.map(|file| Path::new(&file.path)).collect();
    let Some(locks) = stack.locks().filter(|_| !written.is_empty()) else {
        return Ok(Reply::Nothing);
    };
    let check = Check {
        stack,
        locks,
        session_id,
    };
    for files in workspace_files(&stack.workspace(&input.cwd), &written) {
        let others = check.others(&files).await?;
        let others = match (others.is_empty(), stack.settings().auto_lease) {
            // Another session may be faster: then it is the holder.
            (true, true) if !automatic::lease(&check, &files).await? => {
                check.others(&files).await?
            }
            _ => others,
        };
        if let Some(lease) = others.into_iter().next() {
            return Ok(check.said(&lease, &files).await);
        }
    }
    Ok(Reply::Nothing)
}

/// Gives back what a session's own edits leased: it ended.
///
/// # Errors
/// If the service is away or refuses; the leases end by themselves then.
pub(super) async fn release(
    stack: &HookStack,
    input: &HookInput,
    session_id: &str,
) -> Result<(), Trouble> {
    let Some(locks) = stack.locks() else {
        return Ok(());
    };
    let check = Check {
        stack,
        locks,
        session_id,
    };
    automatic::release(&check, &stack.workspace(&input.cwd).name).await
}
