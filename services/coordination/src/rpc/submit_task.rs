//! SubmitTask: stores a job as the domain planned it from the request.

use std::time::{Duration, SystemTime};

use prost::Message;
use shim_proto::coordination::v1::{
    AssignmentStrategy, FailurePolicy, MergeStrategy, SplitPolicy, SubmitTaskRequest,
    SubmitTaskResponse, Subtask, Task, WorkerKind,
};
use shim_proto::limits::task::{
    DEFAULT_BACKOFF, MAX_ALL_STEPS_BYTES, MAX_ATTEMPTS, MAX_BACKOFF, MAX_DELAY, MAX_DEPENDENCIES,
    MAX_FILES, MAX_GOAL_BYTES, MAX_JOB_QUEUES, MAX_KEY_BYTES, MAX_KIND_BYTES, MAX_PAYLOAD_BYTES,
    MAX_PLAN_BYTES, MAX_STEP_BYTES, MAX_STEPS, MAX_SUBTASK_FILES, MAX_SUBTASKS,
    MAX_WORKSPACE_BYTES,
};
use shim_runtime::ids::{SessionId, TaskId};
use shim_runtime::server::current_caller;
use shim_runtime::workspace::identity;
use shim_store::IdempotencyKey;
use shim_store::tasks::Submission;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;
use super::patterns::keep_names;
use super::schedule_fields::{self, ScheduleReading};
use crate::domain::analysis_parts::{may_be_split, named_parts, split_analysis};
use crate::domain::graph::{Graph, Node};
use crate::domain::kinds::{payload_faults, require_executors};
use crate::domain::plan::{JobPlan, plan};
use crate::living_workers::living_workers;
use crate::project_size;

/// The largest size of a file hint, in bytes; no file reaches it.
const MAX_FILE_SIZE: u64 = 1 << 50;

pub(super) async fn handle(
    api: &Api,
    mut request: SubmitTaskRequest,
) -> Result<SubmitTaskResponse, Status> {
    // The key does not cover generated ids, so a repeated request gets the job of the first one.
    let idempotency_key = IdempotencyKey::for_request(&request.request_id, &request);
    name_files(&mut request).await?;
    let schedule = schedule_fields::of_submission(&request).await;
    let (mut graph, times) = check(&mut request, &schedule)?;
    if request.subtasks.is_empty() {
        let source_files = project_size::of_job(&request).await;
        split_analysis(&mut request, source_files);
        graph = Graph::of(&nodes(&request.subtasks)).unwrap_or_default();
    }
    require_executors(&mut request);
    let plan = plan(request, &graph, || TaskId::new().to_string());
    let (submission, reasoning) = submission(api, plan, &times);
    check_size(&submission)?;
    check_queues(&submission)?;
    let schedule = schedule.unwrap_or_default();
    let mut notes = schedule.notes(submission.root.overlap());
    notes.extend(unserved(api, &submission).await);

    api.attention.wake();
    let job = api
        .store
        .tasks
        .submit(&idempotency_key, &submission)
        .await?;
    Ok(SubmitTaskResponse {
        task: Some(job.root),
        subtasks: job.subtasks,
        reasoning,
        next_runs: schedule.told_runs(),
        notes,
    })
}

/// That a task waits for a worker which nobody starts by himself.
async fn unserved(api: &Api, job: &Submission) -> Option<String> {
    let needs = |task: &Task| {
        let required = task.requirements.as_ref();
        required.is_some_and(|it| it.executor() == WorkerKind::Analysis)
    };
    let is_needed = needs(&job.root) || job.subtasks.iter().any(needs);
    if !is_needed || api.starts_analysis {
        return None;
    }
    let workers = living_workers(&api.store).await.ok()?;
    let is_there = workers.iter().any(|it| it.kind() == WorkerKind::Analysis);
    (!is_there).then(|| UNSERVED.to_owned())
}

const UNSERVED: &str = "no worker with the executor analysis is alive: one comes within seconds if `shim up` or `shim evolution` \
                        runs with this Redis; until then the task waits";

fn nodes(subtasks: &[Subtask]) -> Vec<Node<'_>> {
    let nodes = subtasks.iter().map(|subtask| Node {
        key: &subtask.key,
        depends_on: &subtask.depends_on,
    });
    nodes.collect()
}

/// The planned job as the store takes it, and the reasoning of its plan.
fn submission(api: &Api, plan: JobPlan, times: &Times) -> (Submission, String) {
    let submission = Submission {
        root: plan.root,
        subtasks: plan.subtasks,
        delay: times.delay,
        backoff: times.backoff,
        schedule_next: times.first_run,
        lineage: api.lineage,
        caller: current_caller(),
    };
    (submission, plan.reasoning)
}

/// Gives the workspace its one name, and lets files that are there mean themselves.
async fn name_files(job: &mut SubmitTaskRequest) -> Result<(), Status> {
    job.workspace = identity(&job.workspace);
    let subtasks = job.subtasks.iter_mut().enumerate();
    let of_subtasks = subtasks.flat_map(|(i, subtask)| {
        let files = subtask.files.iter_mut().enumerate();
        files.map(move |(j, file)| (format!("subtasks[{i}].files[{j}]"), file))
    });
    let of_job = job.files.iter_mut().enumerate();
    let of_job = of_job.map(|(i, file)| (format!("files[{i}].path"), &mut file.path));
    let named = of_job.chain(of_subtasks).collect();
    keep_names(&job.workspace, named).await
}

/// When a job runs.
struct Times {
    delay: Duration,
    backoff: Duration,
    /// The first run of a schedule.
    first_run: Option<SystemTime>,
}

/// Checks every field, and normalizes ids and capabilities to the form in which they are stored.
fn check(
    job: &mut SubmitTaskRequest,
    schedule: &Result<ScheduleReading, String>,
) -> Result<(Graph, Times), Status> {
    let mut fields = Fields::default();
    fields.request_id(&job.request_id);
    fields.required("goal", &job.goal, MAX_GOAL_BYTES);
    fields.line("kind", &job.kind, MAX_KIND_BYTES);
    fields.files_of_job(job);
    fields.steps(&job.steps);
    fields.choices(job);
    if let Some(required) = &mut job.requirements {
        fields.requirements("requirements", required);
    }
    if let Some(payload) = &job.payload {
        fields.free_form("payload", payload, MAX_PAYLOAD_BYTES);
    }
    fields.payloads(job);
    fields.limits(job);
    if let Some(session) = fields.optional_id::<SessionId>("submitted_by", &job.submitted_by) {
        job.submitted_by = session.to_string();
    }
    if let Some(parent) = fields.optional_id::<TaskId>("parent_id", &job.parent_id) {
        job.parent_id = parent.to_string();
    }
    let first_run = fields.schedule(job, schedule);
    let times = fields.times(job, first_run, SystemTime::now());
    // Words apart by one space each, as people read them.
    job.schedule = job
        .schedule
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let graph = fields.subtasks(&mut job.subtasks);
    fields.finish()?;
    Ok((graph, times))
}

impl Fields {
    /// How soon, how often, how long, and for how much.
    fn limits(&mut self, job: &SubmitTaskRequest) {
        self.priority("priority", job.priority);
        self.at_most("max_attempts", job.max_attempts.into(), MAX_ATTEMPTS.into());
        self.attempt_timeout("timeout", job.timeout.as_ref());
        self.budget("max_budget", job.max_budget);
    }

    /// The enumerations of a job.
    fn choices(&mut self, job: &SubmitTaskRequest) {
        self.one_of::<SplitPolicy>("split", job.split, "AUTO, NEVER or left out");
        self.one_of::<FailurePolicy>(
            "on_failure",
            job.on_failure,
            "FAIL_FAST, CONTINUE or left out",
        );
        let merges = "CONCATENATE, MERGE, FIRST, LAST or left out";
        self.one_of::<MergeStrategy>("merge", job.merge, merges);
        let strategies = "LEAST_LOADED, ROUND_ROBIN, CAPABILITY or left out";
        self.one_of::<AssignmentStrategy>("strategy", job.strategy, strategies);
    }

    /// The files of a job, and the workspace, which is required if the job or a subtask has files.
    fn files_of_job(&mut self, job: &SubmitTaskRequest) {
        self.text("workspace", &job.workspace, MAX_WORKSPACE_BYTES);
        self.no_controls("workspace", &job.workspace);
        let of_subtasks = job.subtasks.iter().any(|subtask| !subtask.files.is_empty());
        if job.workspace.is_empty() && (of_subtasks || !job.files.is_empty()) {
            self.refuse("workspace", "is required with files");
        }
        if self.list("files", job.files.len(), MAX_FILES) {
            for (i, file) in job.files.iter().enumerate() {
                self.file(format!("files[{i}].path"), &file.path);
                self.at_most(
                    &format!("files[{i}].size_bytes"),
                    file.size_bytes,
                    MAX_FILE_SIZE,
                );
            }
        }
    }

    /// The payloads of tasks of the evolution service's kinds, and the number of parts of an analysis.
    fn payloads(&mut self, job: &SubmitTaskRequest) {
        for (field, rule) in payload_faults(job) {
            self.refuse(field, rule);
        }
        if may_be_split(job)
            && let Err(why) = named_parts(job)
        {
            self.refuse("payload.parts", why);
        }
    }

    fn steps(&mut self, steps: &[String]) {
        if !self.list("steps", steps.len(), MAX_STEPS) {
            return;
        }
        for (i, step) in steps.iter().enumerate() {
            self.required(format_args!("steps[{i}]"), step, MAX_STEP_BYTES);
        }
        let bytes: usize = steps.iter().map(String::len).sum();
        if bytes > MAX_ALL_STEPS_BYTES {
            let most = MAX_ALL_STEPS_BYTES;
            self.refuse(
                "steps",
                format!("are {bytes} bytes together, at most {most} are allowed"),
            );
        }
    }

    fn times(
        &mut self,
        job: &SubmitTaskRequest,
        first_run: Option<SystemTime>,
        now: SystemTime,
    ) -> Times {
        let none = Duration::ZERO;
        let delay = self.duration("delay", job.delay.as_ref(), none, none..=MAX_DELAY);
        let backoff = self.duration(
            "backoff",
            job.backoff.as_ref(),
            DEFAULT_BACKOFF,
            none..=MAX_BACKOFF,
        );
        let start = now + delay;
        if let Some(deadline) = &job.deadline {
            match SystemTime::try_from(*deadline) {
                Ok(deadline) if deadline > start => {}
                Ok(_) => self.refuse("deadline", "must be in the future, and after the delay"),
                Err(_) => self.refuse("deadline", "is no time"),
            }
        }
        Times {
            delay: first_run.map_or(delay, |_| none),
            backoff,
            first_run,
        }
    }

    /// The subtasks and their graph; an empty graph stands in for an invalid one until [`Fields::finish`] refuses it.
    fn subtasks(&mut self, subtasks: &mut [Subtask]) -> Graph {
        if !self.list("subtasks", subtasks.len(), MAX_SUBTASKS) {
            return Graph::default();
        }
        for (i, subtask) in subtasks.iter_mut().enumerate() {
            self.subtask(&format!("subtasks[{i}]"), subtask);
        }
        Graph::of(&nodes(subtasks)).unwrap_or_else(|errors| {
            for error in errors {
                self.refuse(error.field(), error.to_string());
            }
            Graph::default()
        })
    }

    fn subtask(&mut self, field: &str, subtask: &mut Subtask) {
        let within = |name: &str| format!("{field}.{name}");
        self.required(within("key"), &subtask.key, MAX_KEY_BYTES);
        self.no_controls(within("key"), &subtask.key);
        self.required(within("goal"), &subtask.goal, MAX_GOAL_BYTES);
        self.line(within("kind"), &subtask.kind, MAX_KIND_BYTES);
        self.list(
            &within("depends_on"),
            subtask.depends_on.len(),
            MAX_DEPENDENCIES,
        );
        if self.list(&within("files"), subtask.files.len(), MAX_SUBTASK_FILES) {
            for (i, file) in subtask.files.iter().enumerate() {
                self.file(format!("{field}.files[{i}]"), file);
            }
        }
        if let Some(required) = &mut subtask.requirements {
            self.requirements(&within("requirements"), required);
        }
        if let Some(payload) = &subtask.payload {
            self.free_form(&within("payload"), payload, MAX_PAYLOAD_BYTES);
        }
        self.priority(&within("priority"), subtask.priority);
        self.weight(within("weight"), subtask.weight);
        self.attempt_timeout(&within("timeout"), subtask.timeout.as_ref());
        self.budget(&within("max_budget"), subtask.max_budget);
    }
}

/// Refuses a job whose tasks require too many different things, each of which is a queue.
fn check_queues(job: &Submission) -> Result<(), Status> {
    let different = job.classes().len();
    let mut fields = Fields::default();
    if different > MAX_JOB_QUEUES {
        fields.refuse(
            "subtasks",
            format!(
                "have {different} different sets of requirements, at most {MAX_JOB_QUEUES} are allowed in one job; give those \
                 that the same workers can do the same requirements"
            ),
        );
    }
    fields.finish()
}

/// Refuses a job that is too large with what its subtasks take over from it.
fn check_size(job: &Submission) -> Result<(), Status> {
    let subtasks = job.subtasks.iter().map(Message::encoded_len);
    let bytes = job.root.encoded_len() + subtasks.sum::<usize>();
    let mut fields = Fields::default();
    if bytes > MAX_PLAN_BYTES {
        let most = MAX_PLAN_BYTES;
        fields.refuse(
            "subtasks",
            format!("are {bytes} bytes with what they take over from the job, at most {most} are allowed"),
        );
    }
    fields.finish()
}
