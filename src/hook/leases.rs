//! Whether another session leases a file that a tool is about to write, and the lease of a session's own edits.
//!
//! A service that is away or late keeps no tool from running. What a shell writes cannot be seen.

mod automatic;
mod places;
mod words;

use std::path::Path;

use shim_claude_code::hook_input::HookInput;
use shim_proto::checkpoint::v1::FileUse;
use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::{FileLease, GetTaskRequest, ListFilesRequest, Task};
use shim_runtime::client::Channel;
use uuid::Uuid;

use super::LeaseRule;
use super::reply::Reply;
use super::stack::{HookStack, Trouble};
use places::{Place, places};
use words::Holder;

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
    for place in places(&stack.workspace(&input.cwd), &written) {
        let others = check.others(&place).await?;
        let others = match (others.is_empty(), stack.settings().auto_lease) {
            // Another session may be faster: then it is the holder.
            (true, true) if !automatic::lease(&check, &place).await? => {
                check.others(&place).await?
            }
            _ => others,
        };
        if let Some(lease) = others.into_iter().next() {
            return Ok(check.said(&lease, &place).await);
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

/// One look at leases on behalf of a session.
struct Check<'a> {
    stack: &'a HookStack,
    locks: LockServiceClient<Channel>,
    session_id: &'a str,
}

impl Check<'_> {
    /// Leases of others on these files. Those of a task that the session does are its own.
    async fn others(&self, place: &Place) -> Result<Vec<FileLease>, Trouble> {
        let request = ListFilesRequest {
            workspace: place.workspace.clone(),
            paths: place.patterns.clone(),
            holder: String::new(),
            except_holder: self.session_id.to_owned(),
        };
        let request = self.stack.request(request);
        let listed = self
            .stack
            .answer(self.locks.clone().list_files(request))
            .await?;
        let mut others = Vec::new();
        for lease in listed.leases {
            if !self.is_of_own_task(&lease).await {
                others.push(lease);
            }
        }
        Ok(others)
    }

    async fn is_of_own_task(&self, lease: &FileLease) -> bool {
        let task = self.task(&lease.holder).await;
        task.is_some_and(|task| {
            task.worker_session_id == self.session_id || task.worker_id == self.session_id
        })
    }

    /// The task that is the holder, if it is one and can be known now.
    async fn task(&self, holder: &str) -> Option<Task> {
        Uuid::try_parse(holder).ok()?;
        let request = GetTaskRequest {
            task_id: holder.to_owned(),
            ..GetTaskRequest::default()
        };
        let mut tasks = self.stack.tasks()?;
        let answer = self
            .stack
            .answer(tasks.get_task(self.stack.request(request)));
        answer.await.ok()?.task
    }

    /// What the model is told of a lease of somebody else.
    async fn said(&self, lease: &FileLease, place: &Place) -> Reply {
        let rule = self.stack.settings().leases;
        if rule == LeaseRule::Off {
            return Reply::Nothing;
        }
        let holder = match self.task(&lease.holder).await {
            Some(task) => Holder::Task(Box::new(task)),
            None => match self.stack.session(&lease.holder).await {
                Some(session) => Holder::Session(Box::new(session)),
                None => Holder::Other,
            },
        };
        let is_denied = rule == LeaseRule::Deny;
        let text = words::held(lease, &holder, &place.names, is_denied);
        match is_denied {
            true => Reply::Deny(text),
            false => Reply::Warn(text),
        }
    }
}
