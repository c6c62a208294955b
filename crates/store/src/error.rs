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

impl Error {
    fn status_parts(&self) -> (Code, &'static str, Option<&'static str>, Option<u64>) {
        use Code::{
            Aborted, FailedPrecondition, Internal, InvalidArgument, NotFound, ResourceExhausted,
            Unavailable,
        };
        match self {
            Self::NoRedis => (
                Unavailable,
                "NO_REDIS",
                Some("install redis-server or set redis_url, then start the stack again"),
                None,
            ),
            Self::Unavailable(_) => (
                Unavailable,
                "STORE_UNAVAILABLE",
                Some("send the same request again after the delay given"),
                Some(500),
            ),
            Self::Full => (
                ResourceExhausted,
                "STORE_FULL",
                Some("raise Redis's maxmemory or delete state, then try again"),
                Some(5_000),
            ),
            Self::Overloaded => (
                ResourceExhausted,
                "OVERLOADED",
                Some("try again after the delay given"),
                Some(100),
            ),
            Self::RequestIdReused => (
                InvalidArgument,
                "REQUEST_ID_REUSED",
                Some("make a new id for every request"),
                None,
            ),
            Self::StateNotFound { .. } => (
                NotFound,
                "STATE_NOT_FOUND",
                Some("list what is there with ListState; entries go with their ttl"),
                None,
            ),
            Self::VersionMismatch { .. } => (
                Aborted,
                "VERSION_MISMATCH",
                Some("read it again, decide again, and write with its version"),
                None,
            ),
            Self::StateTooLarge { .. } | Self::StateTooWide { .. } => (
                InvalidArgument,
                "STATE_TOO_LARGE",
                Some("remove fields or use several entries"),
                None,
            ),
            Self::StaleFence { .. } => (
                FailedPrecondition,
                "STALE_FENCE",
                Some("acquire the lock again and use its new token"),
                None,
            ),
            Self::LockHeld { .. } => (
                Aborted,
                "LOCK_HELD",
                Some("try again later, or set wait"),
                Some(250),
            ),
            Self::LockUndecided(_) => (
                Unavailable,
                "LOCK_UNDECIDED",
                Some("send the same request again after the delay given"),
                Some(250),
            ),
            Self::LockLost { .. } => (
                FailedPrecondition,
                "LOCK_LOST",
                Some("acquire it again; what it guards may have changed"),
                None,
            ),
            Self::FilesHeld(_) => (
                Aborted,
                "FILES_HELD",
                Some("work on other files, set wait, or send the holder a message"),
                Some(1_000),
            ),
            Self::LeaseLost(_) => (
                FailedPrecondition,
                "LEASE_LOST",
                Some("acquire the files again; they may have changed"),
                None,
            ),
            Self::TooManyLeases(_) => (
                ResourceExhausted,
                "TOO_MANY_LEASES",
                Some("release leases, or use fewer and wider patterns"),
                Some(5_000),
            ),
            Self::WorkerNotFound(_) => (
                NotFound,
                "WORKER_NOT_FOUND",
                Some("register it, or list the workers with ListWorkers"),
                None,
            ),
            Self::StaleWorker { .. } => (
                FailedPrecondition,
                "STALE_WORKER",
                Some("register it again for a new epoch"),
                None,
            ),
            Self::InboxFull(_) => (
                ResourceExhausted,
                "INBOX_FULL",
                Some("its reader must acknowledge messages first"),
                Some(5_000),
            ),
            Self::NoRecipients(_) => (
                FailedPrecondition,
                "NO_RECIPIENTS",
                Some("see who can do what with ListWorkers"),
                None,
            ),
            Self::TaskNotFound(_) => (
                NotFound,
                "TASK_NOT_FOUND",
                Some(
                    "list what is there with ListTasks; finished jobs are forgotten after a while",
                ),
                None,
            ),
            Self::StaleLease { .. } => (
                FailedPrecondition,
                "STALE_LEASE",
                Some("stop working on it; nothing of this report was kept"),
                None,
            ),
            Self::TaskNotAwaitingApproval { .. } => (
                FailedPrecondition,
                "TASK_NOT_AWAITING_APPROVAL",
                Some("see where it is with GetTask"),
                None,
            ),
            Self::TaskNotRetryable { .. } => (
                FailedPrecondition,
                "TASK_NOT_RETRYABLE",
                Some("cancel it first, or submit it anew"),
                None,
            ),
            Self::TooManyTasks => (
                ResourceExhausted,
                "TOO_MANY_TASKS",
                Some("wait until jobs ended, or use fewer different requirements"),
                Some(5_000),
            ),
            Self::NoRoom(_) => (
                FailedPrecondition,
                "NO_ROOM",
                Some("complete, fail or release a task first"),
                None,
            ),
            Self::ExecutorUnknown { .. } => (
                InvalidArgument,
                "EXECUTOR_UNKNOWN",
                Some("name one of those, or add worker.executors.NAME to the configuration"),
                None,
            ),
            Self::Queue(_) => (
                Unavailable,
                "QUEUE_UNAVAILABLE",
                Some("send the same request again after the delay given"),
                Some(500),
            ),
            Self::Stopping => (
                Unavailable,
                "STOPPING",
                Some("try again when it is back"),
                Some(1_000),
            ),
            Self::Defect => (
                Internal,
                "INTERNAL",
                Some("report it with the service's log"),
                None,
            ),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason, remedy, retry_ms) = error.status_parts();
        ServiceError {
            code,
            reason,
            message: error.to_string(),
            remedy: remedy.map(str::to_owned),
            retry_after: retry_ms.map(Duration::from_millis),
        }
        .into()
    }
}
