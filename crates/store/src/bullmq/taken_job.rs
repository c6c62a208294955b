//! A job that this process took out of its queue. Only with the job that the taking returned can it be finished.

use bullmq::Job;
use serde_json::Value;
use shim_proto::coordination::v1::Task;
use shim_runtime::trace::TraceContext;

use super::job;
use super::open_queue::with_timeout;
use crate::error::Error;

/// Bytes of a result that people see in BullMQ; the task has all of it.
const MAX_SHOWN_BYTES: usize = 1_024;

/// A job taken out of its queue.
pub(crate) struct TakenJob {
    job: Job,
    task_id: Option<String>,
    files: Vec<String>,
    workspace: String,
    result: String,
}

/// What another program's job says of the task that it stands for.
pub(crate) struct ForeignJob {
    pub(crate) task: Task,
    /// Where the job began in a trace, if its producer says so.
    pub(crate) trace_context: Option<TraceContext>,
    pub(crate) priority: u32,
    /// `None` if the producer left it to BullMQ.
    pub(crate) max_attempts: Option<u32>,
}

impl TakenJob {
    pub(super) fn new(job: Job) -> Self {
        let data = job.data();
        let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
        // Only a job under its task's own id is taken for one of SHIM's.
        let task_id = text("task_id").filter(|id| id == job.id());
        let (mut files, mut workspace) = (Vec::new(), String::new());
        if task_id.is_some() {
            let listed = data.get("files").and_then(Value::as_array);
            let listed = listed.into_iter().flatten().filter_map(Value::as_str);
            files = listed.map(str::to_owned).collect();
            workspace = text("workspace").unwrap_or_default();
        }
        Self {
            task_id,
            files,
            workspace,
            result: String::new(),
            job,
        }
    }

    pub(crate) fn job_id(&self) -> &str {
        self.job.id()
    }

    /// What its task is about, in a line; its name if it says nothing.
    pub(crate) fn goal(&self) -> &str {
        let goal = self.job.data().get("goal").and_then(Value::as_str);
        goal.unwrap_or_else(|| self.job.name())
    }

    /// The task that the job was made for; `None` if another program made the job.
    pub(crate) fn task_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    /// The files of its task.
    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    /// The workspace of these files.
    pub(crate) fn workspace(&self) -> &str {
        &self.workspace
    }

    /// The job as one of another program, with its data as it was written.
    pub(crate) fn foreign(&self, written_data: &[u8]) -> ForeignJob {
        ForeignJob {
            task: job::foreign_task(self.job.name(), written_data),
            trace_context: job::trace_context(&self.job),
            priority: self.job.priority(),
            max_attempts: self.job.opts().attempts,
        }
    }

    /// Returns the job to its queue, before all of its priority.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn put_back(&self) -> Result<(), Error> {
        with_timeout(self.job.move_to_wait(None)).await.map(drop)
    }

    /// Lets the job wait until a time, in milliseconds of Unix time.
    ///
    /// # Errors
    /// As the store fails.
    pub(crate) async fn delay_until(&self, until_ms: u64) -> Result<(), Error> {
        with_timeout(self.job.move_to_delayed(until_ms)).await
    }

    /// Sets the result that BullMQ shows once the job is completed, cut to 1 KiB.
    pub(crate) fn set_result(&mut self, text: &str) {
        text[..text.floor_char_boundary(MAX_SHOWN_BYTES)].clone_into(&mut self.result);
    }

    /// The job, and its result.
    pub(super) fn into_parts(self) -> (Job, String) {
        (self.job, self.result)
    }
}
