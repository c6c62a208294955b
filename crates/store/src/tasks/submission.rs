//! Taking a job: one script writes it whole, then BullMQ gets what can start.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shim_proto::coordination::v1::{FailurePolicy, Task};
use shim_runtime::trace::{self, TraceContext};

use super::super::clock::millis;
use super::super::script::Call;
use super::bullmq_sync::JobLocation;
use super::queue::Class;
use super::rows::Row;
use super::{IdempotencyKey, Job, Tasks, idempotency, rows, spans};
use crate::error::Error;

/// Jobs that have not ended, however many are submitted.
const MAX_JOBS: usize = 1_000_000;
/// Kinds of requirements that tasks ever had; a queue stays known for good.
const MAX_QUEUES: usize = 256;

/// A job as it was decided on: with ids, and edges as ids. States, times and counts are the store's.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The root.
    pub root: Task,
    /// Its subtasks, in their order.
    pub subtasks: Vec<Task>,
    /// How long nothing of it starts.
    pub delay: Duration,
    /// The pause after the first failure of a task; doubled after each.
    pub backoff: Duration,
    /// When the first run of a schedule is due: then the job is its template, and only waits.
    pub schedule_next: Option<SystemTime>,
}

impl Submission {
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        std::iter::once(&self.root).chain(&self.subtasks)
    }

    pub(super) fn classes(&self) -> Vec<Class> {
        // The root of a job with subtasks is run by nobody.
        let skipped = usize::from(!self.subtasks.is_empty());
        let mut classes: Vec<_> = self
            .tasks()
            .skip(skipped)
            .map(|task| Class::of(task.requirements.as_ref()))
            .collect();
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        classes.dedup_by(|a, b| a.name == b.name);
        classes
    }

    /// The queue of all tasks; `None` if they go to several.
    fn only_queue(&self) -> Option<String> {
        match self.classes().as_slice() {
            [class] => Some(class.name.clone()),
            _ => None,
        }
    }

    /// The tasks that wait for each, by id.
    fn successors(&self) -> HashMap<&str, Vec<&str>> {
        let mut after: HashMap<&str, Vec<&str>> = HashMap::new();
        for task in &self.subtasks {
            for before in &task.depends_on {
                after.entry(before).or_default().push(&task.task_id);
            }
        }
        after
    }
}

impl Tasks {
    /// Takes a job. What can start is in its queue when this returns, or follows as soon as BullMQ can be reached.
    ///
    /// # Errors
    /// `TooManyTasks`, `RequestIdReused`, or as the store fails.
    pub async fn submit(
        &self,
        idempotency_key: &IdempotencyKey,
        plan: &Submission,
    ) -> Result<Job, Error> {
        let sent = spans::send(&plan.root, plan.subtasks.len(), || plan.only_queue());
        trace::scope(
            sent.context(),
            self.send(idempotency_key, plan, sent.context()),
        )
        .await
    }

    async fn send(
        &self,
        idempotency_key: &IdempotencyKey,
        plan: &Submission,
        trace_context: TraceContext,
    ) -> Result<Job, Error> {
        for class in plan.classes() {
            self.declare(&class).await?;
        }
        let after = plan.successors();
        let mut call = self
            .idempotent_call(&self.scripts.submit, idempotency_key)
            .arg(MAX_JOBS)
            .arg(deadline_ms(&plan.root))
            .arg(plan.subtasks.len() + 1);
        for task in plan.tasks() {
            let next = after.get(task.task_id.as_str());
            let spec = rows::stored(task, trace_context);
            call = with_task_args(call, plan, task, spec, next.map_or(&[], Vec::as_slice));
        }
        let mut reply = self.run_transition(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {}
            "TOO_MANY" => return Err(Error::TooManyTasks),
            other => return Err(idempotency::refusal(other, &mut reply, None)?),
        }
        let entries = self.take_entries(&mut reply)?;
        let root_id: String = reply.take()?;
        let rows = Row::all(&mut reply)?;
        let job = Job::read(&rows)?;
        self.relay
            .relay_loaded(entries, rows, JobLocation::Expected)
            .await;
        job.ok_or(Error::TaskNotFound(root_id))
    }

    /// Makes a queue known, so that workers look into it.
    async fn declare(&self, class: &Class) -> Result<(), Error> {
        if self.relay.is_declared(&class.name) {
            return Ok(());
        }
        let call = self
            .call(&self.scripts.declare)
            .arg(class.name.as_str())
            .arg(class.stored())
            .arg(MAX_QUEUES);
        let mut reply = self.connection.call(&call).await?;
        match reply.status()?.as_str() {
            "OK" => {
                self.relay.mark_declared(class);
                Ok(())
            }
            _ => Err(Error::TooManyTasks),
        }
    }
}

/// Adds what the script must know of a task, and which tasks wait for it.
fn with_task_args<'a>(
    call: Call<'a>,
    plan: &Submission,
    task: &Task,
    spec: Vec<u8>,
    next: &[&str],
) -> Call<'a> {
    let goes_on = i32::from(FailurePolicy::Continue) == plan.root.on_failure;
    let is_root = task.task_id == plan.root.task_id;
    let first_run = plan.schedule_next.filter(|_| is_root);
    let has_submitter = !task.submitted_by.is_empty();
    call.arg(task.task_id.as_str())
        .arg(spec)
        .arg(Class::of(task.requirements.as_ref()).name)
        .arg(task.priority)
        .arg(task.depends_on.len())
        .arg(task.weight)
        .arg(gates(task))
        .arg(task.max_attempts)
        .arg(millis(plan.backoff))
        .arg(millis(plan.delay))
        .arg(if goes_on { 2 } else { 1 })
        .arg(next.join(" "))
        .arg(first_run.map_or_else(String::new, unix_ms))
        .arg(task.strategy.max(1))
        .arg(folder_key(task))
        .arg(if has_submitter { "1" } else { "" })
}

/// `s` stops a task before it starts, `r` before its result counts.
fn gates(task: &Task) -> &'static str {
    let gates = task.approval.unwrap_or_default();
    match (gates.before_start, gates.before_result) {
        (true, true) => "sr",
        (true, false) => "s",
        (false, true) => "r",
        (false, false) => "",
    }
}

/// Where a task's files are, in short: tasks on the same folder had better go to the same worker.
fn folder_key(task: &Task) -> String {
    let Some(first) = task.files.first() else {
        return String::new();
    };
    let folder = first.rsplit_once('/').map_or("", |(folder, _)| folder);
    let hash = blake3::hash(format!("{}\0{folder}", task.workspace).as_bytes());
    hash.to_hex()[..12].to_owned()
}

fn deadline_ms(root: &Task) -> String {
    root.deadline
        .and_then(|deadline| SystemTime::try_from(deadline).ok())
        .map_or_else(String::new, unix_ms)
}

fn unix_ms(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().to_string()
}
