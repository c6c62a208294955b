//! The defaults of a job, and what a subtask takes over from its job.

use shim_proto::coordination::v1::{
    ApprovalGates, AssignmentStrategy, FailurePolicy, MergeStrategy, OverlapPolicy,
    SubmitTaskRequest, Subtask, Task,
};

/// The priority of a job that names none.
const DEFAULT_PRIORITY: u32 = 50;
/// The attempts of a task whose job names no number.
const DEFAULT_ATTEMPTS: u32 = 3;

/// The root of a job. What the submitter left out gets its default.
pub(super) fn root_task(job: &SubmitTaskRequest, id: String) -> Task {
    Task {
        root_id: id.clone(),
        task_id: id,
        goal: job.goal.clone(),
        kind: job.kind.clone(),
        priority: or(job.priority, DEFAULT_PRIORITY),
        payload: job.payload.clone(),
        files: job.files.iter().map(|file| file.path.clone()).collect(),
        workspace: job.workspace.clone(),
        requirements: Some(job.requirements.clone().unwrap_or_default()),
        max_attempts: or(job.max_attempts, DEFAULT_ATTEMPTS),
        timeout: job.timeout,
        max_budget: job.max_budget,
        deadline: job.deadline,
        weight: 1.0,
        submitted_by: job.submitted_by.clone(),
        approval: Some(job.approval.unwrap_or_default()),
        on_failure: match job.on_failure() {
            FailurePolicy::Unspecified => FailurePolicy::FailFast,
            given => given,
        }
        .into(),
        merge: match job.merge() {
            MergeStrategy::Unspecified => MergeStrategy::Concatenate,
            given => given,
        }
        .into(),
        strategy: match job.strategy() {
            AssignmentStrategy::Unspecified => AssignmentStrategy::LeastLoaded,
            given => given,
        }
        .into(),
        schedule: job.schedule.clone(),
        overlap: overlap(job).into(),
        parent_id: job.parent_id.clone(),
        ..Task::default()
    }
}

/// What happens to runs that overlap; unspecified for a job that is no schedule.
fn overlap(job: &SubmitTaskRequest) -> OverlapPolicy {
    match (job.schedule.as_str(), job.overlap()) {
        ("", _) => OverlapPolicy::Unspecified,
        (_, OverlapPolicy::Unspecified) => OverlapPolicy::Skip,
        (_, given) => given,
    }
}

/// A subtask with everything that it takes over from its job. The approval gates are not taken over: they hold for the job
/// as a whole.
pub(super) fn subtask_of(root: &Task, id: String) -> Task {
    Task {
        task_id: id,
        approval: Some(ApprovalGates::default()),
        files: Vec::new(),
        schedule: String::new(),
        overlap: OverlapPolicy::Unspecified.into(),
        parent_id: String::new(),
        complexity: 0.0,
        ..root.clone()
    }
}

/// Sets the fields that the submitter gave for the subtask itself.
pub(super) fn apply_overrides(task: &mut Task, given: Subtask) {
    task.key = given.key;
    task.goal = given.goal;
    task.files = given.files;
    if !given.kind.is_empty() {
        task.kind = given.kind;
    }
    task.priority = or(given.priority, task.priority);
    if given.weight > 0.0 {
        task.weight = given.weight;
    }
    task.requirements = given.requirements.or(task.requirements.take());
    task.payload = given.payload.or(task.payload.take());
    task.timeout = given.timeout.or(task.timeout);
    task.max_budget = given.max_budget.or(task.max_budget);
    task.approval = given.approval.or(task.approval);
}

/// A given number; 0 means the default.
fn or(given: u32, default: u32) -> u32 {
    if given == 0 { default } else { given }
}
