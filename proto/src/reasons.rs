//! The reasons that a refusal can carry in its `ErrorInfo`, and those that a failed task carries in its `TaskError`.
//!
//! A reason is part of the contract: clients decide by it, so a constant keeps its text for ever. What a reader can do
//! about each is in the table "When it says no" of docs/operator.md; a test of the whole system compares the two.

macro_rules! reasons {
    ($(#[$list_doc:meta])* $list:ident; $($(#[$doc:meta])* $reason:ident,)*) => {
        $($(#[$doc])* pub const $reason: &str = stringify!($reason);)*

        $(#[$list_doc])*
        pub const $list: &[&str] = &[$($reason),*];
    };
}

reasons! {
    /// Every reason of a refused call or tool.
    ALL;

    /// INVALID_ARGUMENT: fields are wrong; each is named with its rule.
    BAD_REQUEST,
    /// INVALID_ARGUMENT: the idempotency key came before, with another content.
    REQUEST_ID_REUSED,
    /// INVALID_ARGUMENT: what is imported is no archive of this format.
    ARCHIVE_REFUSED,
    /// INVALID_ARGUMENT: an entry of the shared state is too large or has too many fields.
    STATE_TOO_LARGE,
    /// INVALID_ARGUMENT: no executor of this name is configured.
    EXECUTOR_UNKNOWN,
    /// INVALID_ARGUMENT: the path names no project that can be read.
    PROJECT_UNUSABLE,
    /// INVALID_ARGUMENT: there is no transform of this name.
    TRANSFORM_UNKNOWN,

    /// NOT_FOUND: there is no session of this id.
    SESSION_NOT_FOUND,
    /// NOT_FOUND: there is no checkpoint of this id or number.
    CHECKPOINT_NOT_FOUND,
    /// NOT_FOUND: no restore has this id.
    RESTORE_NOT_FOUND,
    /// NOT_FOUND: the shared state has no entry under this key.
    STATE_NOT_FOUND,
    /// NOT_FOUND: no worker of this id is registered.
    WORKER_NOT_FOUND,
    /// NOT_FOUND: there is no job or task of this id.
    TASK_NOT_FOUND,
    /// NOT_FOUND: there is no evolution of this id, or several whose ids begin so.
    EVOLUTION_NOT_FOUND,

    /// FAILED_PRECONDITION: another client restored the session; the caller's epoch is old.
    STALE_OWNER,
    /// FAILED_PRECONDITION: a living client holds the session.
    SESSION_OWNED,
    /// FAILED_PRECONDITION: the session was ended for good.
    SESSION_ENDED,
    /// FAILED_PRECONDITION: only an interrupted session can be dismissed.
    NOT_INTERRUPTED,
    /// FAILED_PRECONDITION: retention dropped the checkpoint's content.
    CHECKPOINT_THINNED,
    /// FAILED_PRECONDITION: the database's files were removed or replaced under the service; nothing is kept.
    DATABASE_REPLACED,
    /// FAILED_PRECONDITION: the fencing token is older than the lock's.
    STALE_FENCE,
    /// FAILED_PRECONDITION: the lock is not the caller's any more.
    LOCK_LOST,
    /// FAILED_PRECONDITION: the file lease ended.
    LEASE_LOST,
    /// FAILED_PRECONDITION: the worker was declared dead or registered anew; its epoch is old.
    STALE_WORKER,
    /// FAILED_PRECONDITION: the task was claimed by another worker or called off.
    STALE_LEASE,
    /// FAILED_PRECONDITION: the task waits for no approval.
    TASK_NOT_AWAITING_APPROVAL,
    /// FAILED_PRECONDITION: the task neither failed nor was called off.
    TASK_NOT_RETRYABLE,
    /// FAILED_PRECONDITION: too many jobs stand above a job, or below the first of them.
    LINEAGE_LIMIT,
    /// FAILED_PRECONDITION: the task on whose behalf a job comes, or one above it, was called off.
    PARENT_CANCELLED,
    /// FAILED_PRECONDITION: the worker has as many tasks as it may.
    NO_ROOM,
    /// FAILED_PRECONDITION: no living worker has the capability.
    NO_RECIPIENTS,
    /// FAILED_PRECONDITION, of a tool: no interrupted session has unfinished work.
    NOTHING_TO_RESTORE,
    /// FAILED_PRECONDITION: there is no Node, or one that is too old.
    NODE_MISSING,
    /// FAILED_PRECONDITION: the project's own code would have to run, and nobody allowed that.
    PROJECT_NOT_TRUSTED,
    /// FAILED_PRECONDITION: the project's own code would have to run, and somebody decided against it.
    PROJECT_DISTRUSTED,
    /// FAILED_PRECONDITION: the project has no git repository, or none with a commit.
    NO_REPOSITORY,
    /// FAILED_PRECONDITION: the evolution is in another state than the call is for.
    EVOLUTION_STATE,
    /// FAILED_PRECONDITION: the files that an evolution was made from have changed.
    EVOLUTION_OUTDATED,

    /// ABORTED: the session was restored since the caller looked.
    EPOCH_CHANGED,
    /// ABORTED: the entry has another version than the one expected.
    VERSION_MISMATCH,
    /// ABORTED: another owner holds the lock.
    LOCK_HELD,
    /// ABORTED: another holder leases the files.
    FILES_HELD,

    /// RESOURCE_EXHAUSTED: more calls at once than the server takes.
    OVERLOADED,
    /// RESOURCE_EXHAUSTED: one caller is above its rate.
    TOO_FAST,
    /// RESOURCE_EXHAUSTED: the message is larger than [`crate::limits::MAX_MESSAGE_BYTES`].
    MESSAGE_TOO_LARGE,
    /// RESOURCE_EXHAUSTED: the disk is full; nothing was saved.
    DISK_FULL,
    /// RESOURCE_EXHAUSTED: Redis is at its `maxmemory`.
    STORE_FULL,
    /// RESOURCE_EXHAUSTED: the workspace has as many file leases as it may.
    TOO_MANY_LEASES,
    /// RESOURCE_EXHAUSTED: there are as many jobs or queues as there may be.
    TOO_MANY_TASKS,
    /// RESOURCE_EXHAUSTED: the reader of the inbox acknowledged too little.
    INBOX_FULL,
    /// RESOURCE_EXHAUSTED: there is as much of something as may be: state, locks, namespaces, inboxes, workers.
    QUOTA_EXCEEDED,

    /// UNAUTHENTICATED: no valid token or certificate was shown.
    TOKEN_REFUSED,
    /// UNAUTHENTICATED: the token's time has passed.
    TOKEN_EXPIRED,
    /// PERMISSION_DENIED: the caller's role is too weak.
    ROLE_REFUSED,
    /// PERMISSION_DENIED: the project lies outside of the folders that may be worked on.
    OUTSIDE_ROOTS,

    /// UNAVAILABLE: the database or Redis does not answer.
    STORE_UNAVAILABLE,
    /// UNAVAILABLE: the local stack found no redis-server.
    NO_REDIS,
    /// UNAVAILABLE: a queue of tasks does not answer.
    QUEUE_UNAVAILABLE,
    /// UNAVAILABLE: too few lock nodes answered.
    LOCK_UNDECIDED,
    /// UNAVAILABLE: another job of the same commit broke it.
    GROUP_LOST,
    /// UNAVAILABLE: the service is being stopped.
    STOPPING,
    /// UNAVAILABLE: the tools of the evolution service could not be installed.
    TOOLS_UNAVAILABLE,

    /// DATA_LOSS: the disk changed a stored checkpoint.
    CHECKPOINT_DAMAGED,
    /// DATA_LOSS: the disk changed a stored evolution.
    EVOLUTION_DAMAGED,
    /// INTERNAL: a defect of the service.
    INTERNAL,
    /// INTERNAL: the call ended in a panic; other calls are not affected.
    PANIC,
    /// FAILED_PRECONDITION: the project's tests cannot be run: their runner is missing, or is none that is known.
    TESTS_UNAVAILABLE,
    /// INTERNAL: a tool of the evolution service failed.
    TOOL_FAILED,
    /// DEADLINE_EXCEEDED: a tool of the evolution service took longer than it may.
    TOOL_TIMED_OUT,

    /// UNAVAILABLE, of a tool: the gateway could not start the local stack.
    STACK_NOT_RUNNING,
    /// FAILED_PRECONDITION, of a tool: the gateway has no coordination service.
    COORDINATION_NOT_CONNECTED,
    /// FAILED_PRECONDITION, of a tool: the gateway has no worker service.
    WORKER_SERVICE_NOT_CONNECTED,
    /// Of a tool: the services did not answer in time. Of a task: its job's deadline passed.
    DEADLINE_EXCEEDED,
    /// Of a tool: the client called its claim off. Of a task: it was called off.
    CANCELLED,
}

/// Reasons of a failed task that no call is refused with; [`DEADLINE_EXCEEDED`] and [`CANCELLED`] are a task's, too.
pub mod task {
    reasons! {
        /// Every reason of a failed task that is not in [`super::ALL`].
        ALL;

        /// The program of the task's executor failed.
        EXECUTOR_FAILED,
        /// One attempt took longer than it may.
        TIMED_OUT,
        /// The task asked for a folder or for arguments that the worker does not allow.
        NOT_ALLOWED,
        /// The agent was denied a permission, and `fail_on_denial` is set.
        PERMISSION_DENIED,
        /// All that the task may cost is spent.
        BUDGET_EXHAUSTED,
        /// The worker's executor cannot do any task now: a limit, a key, a missing program.
        WORKER_UNFIT,
        /// A task that it depends on failed.
        DEPENDENCY_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn a_reason_stands_once_and_in_the_form_of_the_contract() {
        let reasons: Vec<_> = super::ALL.iter().chain(super::task::ALL).collect();
        let unique: BTreeSet<_> = reasons.iter().collect();
        assert_eq!(unique.len(), reasons.len());
        for reason in reasons {
            // https://google.aip.dev/193: at most 63 characters of [A-Z][A-Z0-9_]+[A-Z0-9].
            assert!(reason.len() <= 63, "{reason}");
            assert!(
                reason.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'),
                "{reason}"
            );
        }
    }
}
