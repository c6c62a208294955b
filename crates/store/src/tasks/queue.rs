//! Queues of BullMQ: one for each kind of requirements, and the connection they share.
//!
//! BullMQ's own lock on a job only keeps its stall checkers away: who has a task, and whether that worker lives, is in
//! the record and the registry.

use std::sync::Arc;
use std::time::Duration;

use bullmq::options::RedisConnectionOptions;
use bullmq::{Job, JobOptions, Queue, QueueOptions, Worker, WorkerOptions};
use futures::FutureExt;
use prost::Message;
use shim_proto::coordination::v1::{Requirements, WorkerKind};

use super::super::connection::{ANSWER_WITHIN, classify};
use crate::error::Error;
use crate::metrics;

/// What SHIM's own locks on jobs are known by. Any of its processes may give a job back; the record says who may.
pub(super) const LOCK_TOKEN: &str = "shim";
/// What BullMQ takes for no lock at all.
pub(super) const NO_TOKEN: &str = "0";
/// What BullMQ calls the worker behind a job that SHIM took (`pb` in the job's hash).
const WORKER_NAME: &str = "shim";
/// Longer than any attempt: a shorter lock would let a stall checker hand out what a living worker has.
const LOCK: Duration = Duration::from_secs(24 * 3_600);

/// A kind of tasks: those with the same requirements share a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The queue's name: `work`, or `work.<executor>.<hash of the capabilities>`.
    pub name: String,
    /// What a worker needs.
    pub requirements: Requirements,
}

impl Class {
    /// The class of tasks with these requirements.
    pub fn of(requirements: Option<&Requirements>) -> Self {
        let mut requirements = requirements.cloned().unwrap_or_default();
        requirements.capabilities.sort();
        requirements.capabilities.dedup();
        let executor = executor(WorkerKind::try_from(requirements.executor).unwrap_or_default());
        let name = match (executor, requirements.capabilities.as_slice()) {
            ("any", []) => "work".to_owned(),
            (executor, []) => format!("work.{executor}"),
            (executor, capabilities) => {
                let hash = blake3::hash(capabilities.join("\0").as_bytes()).to_hex();
                format!("work.{executor}.{}", &hash[..8])
            }
        };
        Self { name, requirements }
    }

    pub(super) fn stored(&self) -> Vec<u8> {
        self.requirements.encode_to_vec()
    }

    pub(super) fn read(name: String, stored: &[u8]) -> Option<Self> {
        Some(Self {
            name,
            requirements: Requirements::decode(stored).ok()?,
        })
    }
}

/// What does a task, in a word.
#[must_use]
pub fn executor(kind: WorkerKind) -> &'static str {
    match kind {
        WorkerKind::Unspecified => "any",
        WorkerKind::Chat => "chat",
        WorkerKind::Agent => "agent",
        WorkerKind::Command => "command",
        WorkerKind::Analysis => "analysis",
    }
}

/// Whether a worker of a kind with sorted capabilities may run tasks with these requirements. A program that does one
/// thing takes only what asks for it: by its executor, or by a capability it has.
#[must_use]
pub fn fits(requirements: &Requirements, kind: WorkerKind, capabilities: &[String]) -> bool {
    let executor = WorkerKind::try_from(requirements.executor).unwrap_or_default();
    let is_program = matches!(kind, WorkerKind::Command | WorkerKind::Analysis);
    let asks_for_anyone = executor == WorkerKind::Unspecified
        && !(is_program && requirements.capabilities.is_empty());
    (asks_for_anyone || executor == kind)
        && requirements
            .capabilities
            .iter()
            .all(|needed| capabilities.iter().any(|has| has == needed))
}

/// A queue that is open: jobs are put in through one half and taken out through the other.
pub(super) struct OpenQueue {
    pub(super) queue: Queue,
    worker: Arc<Worker>,
}

impl OpenQueue {
    pub(super) async fn open(
        name: &str,
        prefix: &str,
        connection: RedisConnectionOptions,
    ) -> Result<Self, Error> {
        let queue = QueueOptions::new()
            .connection(connection.clone())
            .prefix(prefix);
        let worker = WorkerOptions::new()
            .connection(connection)
            .prefix(prefix)
            .name(WORKER_NAME)
            .lock_duration(LOCK)
            .manual_start()
            .skip_stalled_check()
            .skip_lock_renewal();
        let never = |_: Job, _: bullmq::worker::CancellationToken| async {
            Err(bullmq::Error::WorkerClosed)
        };
        let (queue, worker) = with_timeout(async {
            let queue = Queue::with_options(name, queue).await?;
            Ok((queue, Worker::with_options(name, never, worker).await?))
        })
        .await?;
        let worker = Arc::new(worker);
        // The library tells every job taken to a channel without bounds; somebody must empty it.
        let events = Arc::downgrade(&worker);
        tokio::spawn(async move {
            while let Some(worker) = events.upgrade() {
                let _ = tokio::time::timeout(Duration::from_secs(1), worker.next_event()).await;
            }
        });
        Ok(Self { queue, worker })
    }

    /// Takes the next job, if one waits.
    pub(super) async fn take(&self) -> Result<Option<Job>, Error> {
        with_timeout(self.worker.get_next_job_nonblocking(LOCK_TOKEN)).await
    }

    /// Adds a job, unless it is there.
    pub(super) async fn add(
        &self,
        name: &str,
        data: serde_json::Value,
        options: JobOptions,
    ) -> Result<(), Error> {
        with_timeout(async { self.queue.add(name, data).options(options).await.map(drop) }).await
    }
}

/// Asks BullMQ, for as long as anything may take that Redis does. Its futures are boxed: what is built on them would be too
/// deep for the compiler.
pub(super) async fn with_timeout<T>(
    ask: impl Future<Output = Result<T, bullmq::Error>> + Send,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_WITHIN, ask.boxed()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(bullmq::Error::Redis(error))) => {
            let error = classify(&error);
            metrics::count_redis_error(&error);
            Err(error)
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "BullMQ refused");
            Err(Error::Queue(error.to_string()))
        }
        Err(_) => {
            metrics::count_redis_timeout();
            Err(Error::Unavailable("Redis answers slowly".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(executor: WorkerKind, capabilities: &[&str]) -> Requirements {
        Requirements {
            executor: executor.into(),
            capabilities: capabilities.iter().map(|c| (*c).to_owned()).collect(),
        }
    }

    #[test]
    fn tasks_with_the_same_requirements_share_a_queue() {
        let name = |needs: &Requirements| Class::of(Some(needs)).name;
        assert_eq!(Class::of(None).name, "work");
        assert_eq!(name(&needs(WorkerKind::Agent, &[])), "work.agent");
        let (ab, ba) = (["rust", "sql"], ["sql", "rust"]);
        let any = WorkerKind::Unspecified;
        assert_eq!(name(&needs(any, &ab)), name(&needs(any, &ba)));
        assert_ne!(name(&needs(any, &ab)), name(&needs(any, &["rust"])));
        assert!(name(&needs(any, &ab)).starts_with("work.any."));
    }

    #[test]
    fn a_worker_fits_with_its_kind_and_every_capability() {
        let rust = ["rust".to_owned(), "sql".to_owned()];
        let chat = WorkerKind::Chat;
        assert!(fits(&Requirements::default(), chat, &[]));
        assert!(fits(&needs(chat, &["sql"]), chat, &rust));
        assert!(!fits(&needs(WorkerKind::Agent, &[]), chat, &rust));
        assert!(!fits(&needs(chat, &["sql", "go"]), chat, &rust));
    }

    #[test]
    fn a_program_takes_only_what_asks_for_it() {
        let make = WorkerKind::Command;
        assert!(!fits(&Requirements::default(), make, &["make".to_owned()]));
        assert!(fits(&needs(make, &[]), make, &[]));
        let any = WorkerKind::Unspecified;
        assert!(fits(&needs(any, &["make"]), make, &["make".to_owned()]));
    }
}
