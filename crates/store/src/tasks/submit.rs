//! Submitting a job: one script writes it whole, then BullMQ gets the tasks that can start.

use std::collections::HashMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::{FailurePolicy, Task};
use shim_proto::limits::task::{MAX_CALLER_QUEUES, MAX_JOBS, MAX_QUEUES};
use shim_runtime::trace::{self, TraceContext};

use super::class::Class;
use super::declared_queues::ClassArgs;
use super::job::Job;
use super::outbox_relay::JobLocation;
use super::refusal::refusal;
use super::rows::{self, Row};
use super::scripts::ScriptAnswer;
use super::spans;
use super::submission::{DueRun, Submission};
use super::task_store::Tasks;
use crate::clock::{millis, moment_ms};
use crate::error::Error;
use crate::idempotency::IdempotencyKey;

#[derive(Serialize)]
struct SubmitArgs<'a> {
    classes: Vec<ClassArgs>,
    caller: Option<&'a str>,
    max_queues: usize,
    max_caller_queues: usize,
    max_jobs: usize,
    deadline_ms: Option<u64>,
    first_run_ms: Option<u64>,
    parent: Option<&'a str>,
    max_depth: u32,
    max_descendants: u32,
    due: Option<&'a DueRun>,
    tasks: Vec<TaskArgs<'a>>,
}

/// What the script must know of a task; all else is in its `spec`.
#[derive(Serialize)]
struct TaskArgs<'a> {
    id: &'a str,
    spec: ByteBuf,
    queue: String,
    priority: u32,
    /// How many tasks it waits for.
    unmet: usize,
    weight: f64,
    gates: &'static str,
    max_attempts: u32,
    backoff_ms: u64,
    delay_ms: u64,
    policy: i32,
    /// The tasks that wait for it.
    successors: &'a [&'a str],
    strategy: i32,
    folder: String,
    notifies: bool,
}

/// Empty for a run of a schedule that was left out.
#[derive(Deserialize)]
struct SubmitAnswer {
    #[serde(default)]
    root_id: String,
    #[serde(default)]
    rows: Vec<Row>,
}

impl Tasks {
    /// Takes a job. What can start is in its queue when this returns, or follows as soon as BullMQ can be reached.
    ///
    /// # Errors
    /// `TooManyTasks`, `TooManyQueues`, `RequestIdReused`, or as the store fails; a refused job leaves nothing behind.
    pub async fn submit(
        &self,
        idempotency_key: &IdempotencyKey,
        plan: &Submission,
    ) -> Result<Job, Error> {
        let job = self.submit_traced(idempotency_key, plan, None).await?;
        job.ok_or_else(|| Error::TaskNotFound(plan.root.task_id.clone()))
    }

    /// Takes the run of a schedule that is due, or leaves it out and counts it, and moves the schedule to its next run. Does
    /// nothing if the schedule was cancelled, or another process did it.
    ///
    /// # Errors
    /// As [`Tasks::submit`].
    pub async fn submit_run(
        &self,
        idempotency_key: &IdempotencyKey,
        run: &Submission,
        due: &DueRun,
    ) -> Result<(), Error> {
        let run = self.submit_traced(idempotency_key, run, Some(due)).await?;
        if run.is_none() {
            tracing::debug!(schedule = due.schedule_id, "a run was left out");
        }
        Ok(())
    }

    async fn submit_traced(
        &self,
        idempotency_key: &IdempotencyKey,
        plan: &Submission,
        due: Option<&DueRun>,
    ) -> Result<Option<Job>, Error> {
        let sent = spans::send(&plan.root, plan.subtasks.len(), || plan.only_queue());
        trace::scope(
            sent.context(),
            self.send(idempotency_key, plan, due, sent.context()),
        )
        .await
    }

    async fn send(
        &self,
        idempotency_key: &IdempotencyKey,
        plan: &Submission,
        due: Option<&DueRun>,
        trace_context: TraceContext,
    ) -> Result<Option<Job>, Error> {
        let after = plan.successors();
        let args = submit_args(plan, due, trace_context, &after);
        let (script, request) = (&self.scripts.submit, Some(idempotency_key));
        let mut answer = self.runner.run_for(script, request, &args).await?;
        if answer.status() != "OK" {
            return Err(lineage_refusal(&mut answer, plan)?);
        }
        let (entries, SubmitAnswer { root_id, rows }) = answer.decision()?;
        let job = Job::from_rows(&rows)?;
        if job.is_none() && !root_id.is_empty() {
            return Err(Error::TaskNotFound(root_id));
        }
        self.relay
            .relay_loaded(entries, rows, JobLocation::Expected)
            .await;
        Ok(job)
    }
}

/// Why a job has no place below its parent.
#[derive(Deserialize)]
struct LineageFields {
    #[serde(default)]
    depth: u32,
    #[serde(default)]
    ancestor: String,
}

/// The error of a refused submission.
///
/// # Errors
/// `Defect` if the script and its reader do not fit.
fn lineage_refusal(answer: &mut ScriptAnswer, plan: &Submission) -> Result<Error, Error> {
    let parent = plan.root.parent_id.clone();
    Ok(match answer.status() {
        "NO_PARENT" => Error::TaskNotFound(parent),
        "TOO_DEEP" => Error::TooDeep {
            parent,
            depth: answer.fields::<LineageFields>()?.depth,
            max: plan.lineage.max_depth,
        },
        "TOO_MANY_BELOW" => Error::TooManyDescendants {
            ancestor: answer.fields::<LineageFields>()?.ancestor,
            max: plan.lineage.max_descendants,
        },
        "PARENT_CANCELLED" => Error::ParentCancelled {
            ancestor: answer.fields::<LineageFields>()?.ancestor,
        },
        _ => refusal(answer, &plan.root.task_id)?,
    })
}

fn submit_args<'a>(
    plan: &'a Submission,
    due: Option<&'a DueRun>,
    trace_context: TraceContext,
    after: &'a HashMap<&str, Vec<&str>>,
) -> SubmitArgs<'a> {
    let tasks = plan.tasks().map(|task| {
        let successors = after.get(task.task_id.as_str());
        let successors = successors.map_or(&[][..], Vec::as_slice);
        task_args(plan, task, trace_context, successors)
    });
    // A run stands where its schedule stands.
    let parent = Some(plan.root.parent_id.as_str()).filter(|id| due.is_none() && !id.is_empty());
    SubmitArgs {
        classes: plan.classes().iter().map(ClassArgs::of).collect(),
        caller: Some(plan.caller.as_str()).filter(|caller| !caller.is_empty()),
        max_queues: MAX_QUEUES,
        max_caller_queues: MAX_CALLER_QUEUES,
        max_jobs: MAX_JOBS,
        deadline_ms: deadline_ms(&plan.root),
        first_run_ms: plan.schedule_next.map(moment_ms),
        parent,
        max_depth: plan.lineage.max_depth,
        max_descendants: plan.lineage.max_descendants,
        due,
        tasks: tasks.collect(),
    }
}

fn task_args<'a>(
    plan: &Submission,
    task: &'a Task,
    trace_context: TraceContext,
    successors: &'a [&'a str],
) -> TaskArgs<'a> {
    let goes_on = i32::from(FailurePolicy::Continue) == plan.root.on_failure;
    TaskArgs {
        id: &task.task_id,
        spec: rows::stored(task, trace_context),
        queue: Class::of(task.requirements.as_ref()).name,
        priority: task.priority,
        unmet: task.depends_on.len(),
        weight: task.weight,
        gates: gates(task),
        max_attempts: task.max_attempts,
        backoff_ms: millis(plan.backoff),
        delay_ms: millis(plan.delay),
        policy: if goes_on { 2 } else { 1 },
        successors,
        strategy: task.strategy.max(1),
        folder: folder_key(task),
        notifies: !task.submitted_by.is_empty(),
    }
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

fn deadline_ms(root: &Task) -> Option<u64> {
    let deadline = SystemTime::try_from(root.deadline?).ok()?;
    Some(moment_ms(deadline))
}
