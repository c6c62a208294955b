//! What the services say of leases on behalf of one session.

use shim_proto::coordination::v1::lock_service_client::LockServiceClient;
use shim_proto::coordination::v1::{FileLease, GetTaskRequest, ListFilesRequest, Task};
use shim_runtime::client::Channel;
use uuid::Uuid;

use super::words::{Holder, held};
use super::workspace_files::WorkspaceFiles;
use crate::hook::LeaseRule;
use crate::hook::reply::Reply;
use crate::hook::stack::{HookStack, Trouble};

/// One look at leases on behalf of a session.
pub(super) struct Check<'a> {
    pub(super) stack: &'a HookStack,
    pub(super) locks: LockServiceClient<Channel>,
    pub(super) session_id: &'a str,
}

impl Check<'_> {
    /// Leases of others on these files. Those of a task that the session does are its own.
    pub(super) async fn others(&self, files: &WorkspaceFiles) -> Result<Vec<FileLease>, Trouble> {
        let request = ListFilesRequest {
            workspace: files.workspace.clone(),
            paths: files.patterns.clone(),
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
    pub(super) async fn said(&self, lease: &FileLease, files: &WorkspaceFiles) -> Reply {
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
        let text = held(lease, &holder, &files.names, is_denied);
        match is_denied {
            true => Reply::Deny(text),
            false => Reply::Warn(text),
        }
    }
}
