//! Everything that can go wrong, told apart by what the caller may do, and its one translation to gRPC.

use std::time::Duration;

use shim_runtime::service_error::ServiceError;
use tonic::{Code, Status};

/// A failure of the store, or of a service on it. "As the store fails" means `NoRedis`, `Unavailable`, `Full` or
/// `Defect`.
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
    /// The same request id came with another content.
    #[error("request_id: it was used for another request")]
    RequestIdReused,
    /// No such entry.
    #[error("there is no state {key} in {namespace}")]
    StateNotFound {
        /// Where.
        namespace: String,
        /// Which.
        key: String,
    },
    /// The entry is at another version.
    #[error("state {key} is at version {current}, not {expected}")]
    VersionMismatch {
        /// Which.
        key: String,
        /// What the caller expected.
        expected: u64,
        /// What it is; 0 if there is none.
        current: u64,
    },
    /// A field is larger than a whole entry may be.
    #[error("state {key} would be {bytes} bytes, at most {max} are allowed")]
    StateTooLarge {
        /// Which.
        key: String,
        /// How large it would be.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// An entry would have more fields than it may.
    #[error("state {key} would have {fields} fields, at most {max} are allowed")]
    StateTooWide {
        /// Which.
        key: String,
        /// How many it would have.
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
        /// Who holds it now.
        holder: Option<String>,
    },
    /// Somebody holds the lock.
    #[error("lock {name} is held by {owner}{}, for {left_ms} ms more", purpose_suffix(.purpose))]
    LockHeld {
        /// The lock.
        name: String,
        /// Who holds it.
        owner: String,
        /// What for.
        purpose: String,
        /// For how long unless it is renewed.
        left_ms: u64,
    },
    /// Too few lock nodes agree, and nobody holds the lock.
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
        /// Who holds it now.
        holder: Option<String>,
    },
    /// Somebody holds some of the files.
    #[error("the files are leased: {0}")]
    FilesHeld(String),
    /// The lease is not held any more.
    #[error("file lease {0} is not held by that holder any more")]
    LeaseLost(String),
    /// The workspace has too many leases.
    #[error("workspace {0} has as many file leases as it may have")]
    TooManyLeases(String),
    /// No such worker.
    #[error("there is no worker {0}")]
    WorkerNotFound(String),
    /// The worker died, stopped, or was registered again.
    #[error("worker {worker} at epoch {epoch} is {what}")]
    StaleWorker {
        /// The worker.
        worker: String,
        /// The caller's epoch.
        epoch: u64,
        /// Why it is refused.
        what: String,
    },
    /// The inbox holds too many messages.
    #[error("inbox {0} holds as many unread messages as it may")]
    InboxFull(String),
    /// Nobody has the capability.
    #[error("no living worker has the capability {0}")]
    NoRecipients(String),
    /// No such task.
    #[error("there is no task {0}")]
    TaskNotFound(String),
    /// The claim stands no more.
    #[error("the lease on task {task} is over: {why}")]
    StaleLease {
        /// The task.
        task: String,
        /// What became of it.
        why: String,
    },
    /// There is no gate to decide at.
    #[error("task {task} waits for no approval; it is {state}")]
    TaskNotAwaitingApproval {
        /// The task.
        task: String,
        /// Its state.
        state: String,
    },
    /// It did not fail.
    #[error("task {task} is {state}; only what failed or was called off can be tried again")]
    TaskNotRetryable {
        /// The task.
        task: String,
        /// Its state.
        state: String,
    },
    /// There are as many jobs, or kinds of requirements, as there may be.
    #[error("there are as many unfinished jobs or different requirements as there may be")]
    TooManyTasks,
    /// The worker has as many tasks as its capacity.
    #[error("worker {0} has as many tasks as its capacity")]
    NoRoom(String),
    /// The configuration has no such executor.
    #[error("executor: there is no {name} in the configuration, which has: {known}")]
    ExecutorUnknown {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// BullMQ refused.
    #[error("BullMQ refused: {0}")]
    Queue(String),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// The service and the store do not fit; the log says more.
    #[error("a fault of the service; its log names it")]
    Defect,
}

fn holder_suffix(holder: &Option<String>) -> String {
    match holder {
        Some(holder) => format!(": {holder} holds it"),
        None => ": nobody holds it".to_owned(),
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
    NoRedis => Unavailable "NO_REDIS",
        "install redis-server or set redis_url, then start the stack again";
    Unavailable => Unavailable "STORE_UNAVAILABLE",
        "send the same request again after the delay given", retry 500;
    Full => ResourceExhausted "STORE_FULL",
        "raise Redis's maxmemory or delete state, then try again", retry 5_000;
    Overloaded => ResourceExhausted "OVERLOADED",
        "try again after the delay given", retry 100;
    RequestIdReused => InvalidArgument "REQUEST_ID_REUSED",
        "make a new id for every request";
    StateNotFound => NotFound "STATE_NOT_FOUND",
        "list what is there with ListState; entries go with their ttl";
    VersionMismatch => Aborted "VERSION_MISMATCH",
        "read it again, decide again, and write with its version";
    StateTooLarge | StateTooWide => InvalidArgument "STATE_TOO_LARGE",
        "remove fields or use several entries";
    StaleFence => FailedPrecondition "STALE_FENCE",
        "acquire the lock again and use its new token";
    LockHeld => Aborted "LOCK_HELD",
        "try again later, or set wait", retry 250;
    LockUndecided => Unavailable "LOCK_UNDECIDED",
        "send the same request again after the delay given", retry 250;
    LockLost => FailedPrecondition "LOCK_LOST",
        "acquire it again; what it guards may have changed";
    FilesHeld => Aborted "FILES_HELD",
        "work on other files, set wait, or send the holder a message", retry 1_000;
    LeaseLost => FailedPrecondition "LEASE_LOST",
        "acquire the files again; they may have changed";
    TooManyLeases => ResourceExhausted "TOO_MANY_LEASES",
        "release leases, or use fewer and wider patterns", retry 5_000;
    WorkerNotFound => NotFound "WORKER_NOT_FOUND",
        "register it, or list the workers with ListWorkers";
    StaleWorker => FailedPrecondition "STALE_WORKER",
        "register it again for a new epoch";
    InboxFull => ResourceExhausted "INBOX_FULL",
        "its reader must acknowledge messages first", retry 5_000;
    NoRecipients => FailedPrecondition "NO_RECIPIENTS",
        "see who can do what with ListWorkers";
    TaskNotFound => NotFound "TASK_NOT_FOUND",
        "list what is there with ListTasks; finished jobs are forgotten after a while";
    StaleLease => FailedPrecondition "STALE_LEASE",
        "stop working on it; nothing of this report was kept";
    TaskNotAwaitingApproval => FailedPrecondition "TASK_NOT_AWAITING_APPROVAL",
        "see where it is with GetTask";
    TaskNotRetryable => FailedPrecondition "TASK_NOT_RETRYABLE",
        "cancel it first, or submit it anew";
    TooManyTasks => ResourceExhausted "TOO_MANY_TASKS",
        "wait until jobs ended, or use fewer different requirements", retry 5_000;
    NoRoom => FailedPrecondition "NO_ROOM",
        "complete, fail or release a task first";
    ExecutorUnknown => InvalidArgument "EXECUTOR_UNKNOWN",
        "name one of those, or add worker.executors.NAME to the configuration";
    Queue => Unavailable "QUEUE_UNAVAILABLE",
        "send the same request again after the delay given", retry 500;
    Stopping => Unavailable "STOPPING",
        "try again when it is back", retry 1_000;
    Defect => Internal "INTERNAL",
        "report it with the service's log";
}
