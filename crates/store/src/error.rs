//! The errors of the store, distinguished by what the caller may do, and the one table of what each is in gRPC.

use shim_runtime::error_table;

use crate::inbox_ids::InboxBound;

/// A failure of the store. "As the store fails" means `NoRedis`, `Unavailable`, `Full` or `Defect`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No Redis is configured.
    #[error("coordination needs Redis, and none is configured")]
    NoRedis,
    /// Redis cannot be reached now.
    #[error("Redis cannot be used now: {0}")]
    Unavailable(String),
    /// Redis has no room.
    #[error("Redis is full; nothing was written")]
    Full,
    /// Too many calls wait.
    #[error("too many calls are waiting")]
    Overloaded,
    /// The same request id came before with another content.
    #[error("request_id: it was used for another request")]
    RequestIdReused,
    /// There is no such entry.
    #[error("there is no state {key} in {namespace}")]
    StateNotFound {
        /// Its namespace.
        namespace: String,
        /// Its key.
        key: String,
    },
    /// The entry is at another version.
    #[error("state {key} is at version {current}, not {expected}")]
    VersionMismatch {
        /// Its key.
        key: String,
        /// The version that the caller expects.
        expected: u64,
        /// The entry's version; 0 if there is no entry.
        current: u64,
    },
    /// A field is larger than a whole entry may be.
    #[error("state {key} would be {bytes} bytes, at most {max} are allowed")]
    StateTooLarge {
        /// Its key.
        key: String,
        /// The size that it would have.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// An entry would have more fields than it may.
    #[error("state {key} would have {fields} fields, at most {max} are allowed")]
    StateTooWide {
        /// Its key.
        key: String,
        /// The number that it would have.
        fields: u64,
        /// The limit.
        max: u64,
    },
    /// The lock behind a write is not held with its token.
    #[error("lock {lock} is not held with token {token}{}", holder_suffix(.holder))]
    StaleFence {
        /// The lock.
        lock: String,
        /// The caller's token.
        token: u64,
        /// The present holder.
        holder: Option<String>,
    },
    /// Another owner holds the lock.
    #[error("lock {name} is held by {owner}{}, for {left_ms} ms more", purpose_suffix(.purpose))]
    LockHeld {
        /// The lock.
        name: String,
        /// Its owner.
        owner: String,
        /// The owner's purpose; may be empty.
        purpose: String,
        /// The time until it ends unless it is renewed, in milliseconds.
        left_ms: u64,
    },
    /// Too few lock nodes agree, and the lock has no holder.
    #[error(
        "lock {0} could not be had from a majority of its nodes: some are away, or somebody is just taking or leaving it"
    )]
    LockUndecided(String),
    /// The lock is not held with the token any more.
    #[error("lock {name} is not held with token {token}{}", holder_suffix(.holder))]
    LockLost {
        /// The lock.
        name: String,
        /// The caller's token.
        token: u64,
        /// The present holder.
        holder: Option<String>,
    },
    /// The file lease ended.
    #[error("file lease {0} is not held by that holder any more")]
    LeaseLost(String),
    /// The workspace has as many file leases as it may have.
    #[error("workspace {0} has as many file leases as it may have")]
    TooManyLeases(String),
    /// There is no such worker.
    #[error("there is no worker {0}")]
    WorkerNotFound(String),
    /// The worker died, stopped, or was registered again.
    #[error("worker {worker} at epoch {epoch} is {what}")]
    StaleWorker {
        /// The worker.
        worker: String,
        /// The caller's epoch.
        epoch: u64,
        /// What became of it.
        what: String,
    },
    /// The inbox holds as many unread messages as it may, in all or of one sender.
    #[error("inbox {inbox} holds {held} {}, and at most {max} are allowed", .bound.what())]
    InboxFull {
        /// The inbox.
        inbox: String,
        /// How many it holds.
        held: u64,
        /// The limit.
        max: u64,
        /// Which limit it is.
        bound: InboxBound,
    },
    /// No living worker has the capability.
    #[error("no living worker has the capability {0}")]
    NoRecipients(String),
    /// The worker left, and has no session that could read its messages later.
    #[error("worker {0} is gone, so nobody reads its messages; nothing was sent")]
    WorkerGone(String),
    /// There is no such task.
    #[error("there is no task {0}")]
    TaskNotFound(String),
    /// The claim on the task ended.
    #[error("the lease on task {task} is over: {why}")]
    StaleLease {
        /// The task.
        task: String,
        /// What became of it.
        why: String,
    },
    /// The task waits for no approval.
    #[error("task {task} waits for no approval; it is {state}")]
    TaskNotAwaitingApproval {
        /// The task.
        task: String,
        /// Its state.
        state: String,
    },
    /// The task neither failed nor was cancelled, and has not ended.
    #[error("task {task} is {state}; only what failed or was called off can be tried again")]
    TaskNotRetryable {
        /// The task.
        task: String,
        /// Its state.
        state: String,
    },
    /// The job goes on, and some of its subtasks failed or were cancelled.
    #[error(
        "task {task} is {state}; only what failed or was called off can be tried again, here {parts}"
    )]
    PartsRetryable {
        /// The job.
        task: String,
        /// Its state.
        state: String,
        /// These subtasks, by key and id.
        parts: String,
    },
    /// The state of a namespace is as large as it may be.
    #[error("the state of namespace {namespace} has {held} {what}, and at most {max} are allowed")]
    StateFull {
        /// The namespace.
        namespace: String,
        /// How much it holds.
        held: u64,
        /// The limit.
        max: u64,
        /// `entries` or `bytes`.
        what: String,
    },
    /// As many locks of a namespace are held as may be.
    #[error("{held} locks of namespace {namespace} are held, and at most {max} are allowed")]
    TooManyLocks {
        /// The namespace.
        namespace: String,
        /// How many are held.
        held: u64,
        /// The limit.
        max: u64,
    },
    /// There are as many namespaces or inboxes as there may be.
    #[error(
        "there are {held} {what}{}, and at most {max} are allowed",
        first_used_suffix(caller)
    )]
    TooManyPlaces {
        /// `namespaces` or `inboxes`.
        what: &'static str,
        /// How many there are.
        held: u64,
        /// The limit.
        max: u64,
        /// The caller whose limit it is; empty for that of all.
        caller: String,
    },
    /// As many workers live as may.
    #[error("{held} workers are registered and alive, and at most {max} are allowed")]
    TooManyWorkers {
        /// How many live.
        held: u64,
        /// The limit.
        max: u64,
    },
    /// The task is completed.
    #[error("task {0} is completed; only what failed or was called off can be tried again")]
    TaskCompleted(String),
    /// Another program made the task's job, which is in BullMQ no more.
    #[error(
        "task {0} has no job in BullMQ any more: it was cancelled, or the program that made the job removed it"
    )]
    TaskJobGone(String),
    /// There are as many unfinished jobs as there may be.
    #[error("{0} jobs have not ended, and no more are taken")]
    TooManyTasks(usize),
    /// The tasks of a job require more different things than there may be.
    #[error(
        "the requirements of its tasks need {asked} more queues, one for each different set, and {in_use} of at most {max} are in use{}",
        caller_suffix(caller)
    )]
    TooManyQueues {
        /// How many queues the job needs beside those in use.
        asked: u64,
        /// How many are in use.
        in_use: u64,
        /// The limit.
        max: u64,
        /// The caller whose bound it is; empty for that of all callers.
        caller: String,
    },
    /// Too many jobs would stand above a job.
    #[error(
        "a job on behalf of task {parent} would stand {depth} jobs deep, and at most {max} are allowed (tasks.max_depth)"
    )]
    TooDeep {
        /// The task on whose behalf it comes.
        parent: String,
        /// The depth that it would have.
        depth: u32,
        /// The limit.
        max: u32,
    },
    /// Too many jobs were submitted on behalf of a job, and on behalf of those.
    #[error(
        "{max} jobs were submitted on behalf of job {ancestor} and of those below it, and no more are allowed (tasks.max_descendants)"
    )]
    TooManyDescendants {
        /// The first of the jobs.
        ancestor: String,
        /// The limit.
        max: u32,
    },
    /// The task on whose behalf a job comes was called off.
    #[error("task {ancestor} was called off, and nothing more is taken on its behalf")]
    ParentCancelled {
        /// The task, or one above it.
        ancestor: String,
    },
    /// The worker has as many tasks as its capacity.
    #[error("worker {0} has as many tasks as its capacity")]
    NoRoom(String),
    /// BullMQ refused; its message.
    #[error("BullMQ refused: {0}")]
    Queue(String),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// A defect of the service, or data that this version cannot read; the log says which.
    #[error("a fault of the service; its log names it")]
    Defect,
}

fn holder_suffix(holder: &Option<String>) -> String {
    match holder {
        Some(holder) => format!(": {holder} holds it"),
        None => ": nobody holds it".to_owned(),
    }
}

fn first_used_suffix(caller: &str) -> String {
    if caller.is_empty() {
        String::new()
    } else {
        format!(" that {caller} was the first to use")
    }
}

fn caller_suffix(caller: &str) -> String {
    if caller.is_empty() {
        String::new()
    } else {
        format!(" by {caller}")
    }
}

fn purpose_suffix(purpose: &str) -> String {
    if purpose.is_empty() {
        String::new()
    } else {
        format!(" ({purpose})")
    }
}

error_table! { Error,
    NoRedis => Unavailable NO_REDIS,
        "install redis-server or set redis_url, then start the stack again";
    Unavailable => Unavailable STORE_UNAVAILABLE,
        "send the same request again after the delay given", retry 500;
    Full => ResourceExhausted STORE_FULL,
        "raise redis.maxmemory (of another Redis, its maxmemory), or make room, which works on a full Redis too: `shim doctor` tells what takes it; `shim state clear`, `shim messages clear INBOX`, `shim tasks cancel TASK`", retry 5_000;
    Overloaded => ResourceExhausted OVERLOADED,
        "try again after the delay given", retry 100;
    RequestIdReused => InvalidArgument REQUEST_ID_REUSED,
        "make a new id for every request";
    StateNotFound => NotFound STATE_NOT_FOUND,
        "list what is there with ListState; entries go with their ttl";
    VersionMismatch => Aborted VERSION_MISMATCH,
        "read it again, decide again, and write with its version";
    StateTooLarge | StateTooWide => InvalidArgument STATE_TOO_LARGE,
        "remove fields or use several entries";
    StaleFence => FailedPrecondition STALE_FENCE,
        "acquire the lock again and use its new token";
    LockHeld => Aborted LOCK_HELD,
        "try again later, or set wait", retry 250;
    LockUndecided => Unavailable LOCK_UNDECIDED,
        "send the same request again after the delay given", retry 250;
    LockLost => FailedPrecondition LOCK_LOST,
        "acquire it again; what it guards may have changed";
    LeaseLost => FailedPrecondition LEASE_LOST,
        "acquire the files again; they may have changed";
    TooManyLeases => ResourceExhausted TOO_MANY_LEASES,
        "release leases, or use fewer and wider patterns", retry 5_000;
    WorkerNotFound => NotFound WORKER_NOT_FOUND,
        "register it, or list the workers with ListWorkers";
    StaleWorker => FailedPrecondition STALE_WORKER,
        "register it again for a new epoch";
    InboxFull => ResourceExhausted INBOX_FULL,
        "let its reader acknowledge messages first; those that nobody reads go with AckMessages, or `shim messages clear INBOX`", retry 5_000;
    StateFull => ResourceExhausted QUOTA_EXCEEDED,
        "delete entries (DeleteState, `shim state clear`), or give them a shorter ttl", retry 5_000;
    TooManyLocks => ResourceExhausted QUOTA_EXCEEDED,
        "release locks (ReleaseLock, `shim locks release LOCK --force`), or give them a shorter ttl", retry 5_000;
    TooManyPlaces => ResourceExhausted QUOTA_EXCEEDED,
        "use those that there are; one that holds nothing gives way to another: `shim state clear`, `shim messages clear INBOX`", retry 5_000;
    TooManyWorkers => ResourceExhausted QUOTA_EXCEEDED,
        "deregister workers that are not needed, or let them fall silent", retry 5_000;
    NoRecipients | WorkerGone => FailedPrecondition NO_RECIPIENTS,
        "see who can do what with ListWorkers";
    TaskNotFound => NotFound TASK_NOT_FOUND,
        "list what is there with ListTasks; finished jobs are forgotten after a while";
    StaleLease => FailedPrecondition STALE_LEASE,
        "stop working on it; nothing of this report was kept";
    TaskNotAwaitingApproval => FailedPrecondition TASK_NOT_AWAITING_APPROVAL,
        "see where it is with GetTask";
    TaskNotRetryable => FailedPrecondition TASK_NOT_RETRYABLE,
        "cancel it first, or submit it anew";
    PartsRetryable => FailedPrecondition TASK_NOT_RETRYABLE,
        "retry those parts, each by its own id";
    TaskCompleted => FailedPrecondition TASK_NOT_RETRYABLE,
        "submit it anew";
    TaskJobGone => FailedPrecondition TASK_NOT_RETRYABLE,
        "add the job anew with the program that made it, or submit a task";
    TooManyTasks => ResourceExhausted TOO_MANY_TASKS,
        "wait until jobs ended, or cancel some", retry 5_000;
    TooManyQueues => ResourceExhausted TOO_MANY_TASKS,
        "use requirements that other tasks have, or none, which always has a place; or let jobs end or cancel them: QueueHealth lists the queues", retry 5_000;
    TooDeep | TooManyDescendants => FailedPrecondition LINEAGE_LIMIT,
        "do the rest of the work in this task, or submit it as subtasks of one job";
    ParentCancelled => FailedPrecondition PARENT_CANCELLED,
        "stop working; what is not done on its behalf is submitted without parent_id";
    NoRoom => FailedPrecondition NO_ROOM,
        "complete, fail or release a task first";
    Queue => Unavailable QUEUE_UNAVAILABLE,
        "send the same request again after the delay given", retry 500;
    Stopping => Unavailable STOPPING,
        "try again when it is back", retry 1_000;
    Defect => Internal INTERNAL,
        "report it with the service's log";
}
