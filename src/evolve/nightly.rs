//! `shim evolve PATH --nightly`: a schedule that analyzes, proposes and waits for decisions. It is a job like any other with a
//! schedule, so `shim tasks` shows it, and it stays over restarts.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use shim_proto::coordination::v1::{CancelTaskRequest, SubmitTaskRequest, Task, TaskState};
use shim_render::tasks::next_runs;
use shim_render::text::{name, one_line, short_id};
use shim_runtime::free_form;

use crate::config::Config;
use crate::connection::{self, Coordination, call, request, request_id};
use crate::error::CliError;
use crate::tasks::pages::{TaskFilter, list_all};

/// Proposals of a night: somebody looks at each in the morning.
const PROPOSALS: u32 = 5;
/// Jobs that are looked through for schedules.
const MAX_JOBS: usize = 10_000;

/// What runs at night.
#[derive(Debug)]
pub(super) struct Nightly {
    /// The project, absolute.
    pub(super) path: String,
    /// Five cron fields in UTC.
    pub(super) at: String,
    /// The most proposals.
    pub(super) limit: Option<u32>,
    pub(super) include: Vec<String>,
    pub(super) transforms: Vec<String>,
}

impl Nightly {
    fn payload(&self) -> Map<String, Value> {
        let mut payload = Map::new();
        let mut set = |field: &str, value: Value| payload.insert(field.to_owned(), value);
        set("path", json!(self.path));
        set("nightly", json!(true));
        set("limit", json!(self.limit.unwrap_or(PROPOSALS)));
        if !self.include.is_empty() {
            set("include", json!(self.include));
        }
        if !self.transforms.is_empty() {
            set("transforms", json!(self.transforms));
        }
        payload
    }

    fn request(&self) -> SubmitTaskRequest {
        SubmitTaskRequest {
            request_id: request_id(),
            goal: format!(
                "Analyze {} and propose what is worth doing",
                name(&self.path, 300)
            ),
            kind: "evolve".to_owned(),
            payload: free_form::from_json(&self.payload()),
            schedule: self.at.clone(),
            workspace: self.path.clone(),
            ..SubmitTaskRequest::default()
        }
    }
}

/// Sets the schedule of a project, in place of the one it has.
pub(super) async fn set(
    nightly: &Nightly,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut service = connection::coordination(config).await?;
    let there = of_project(&mut service, &nightly.path).await?;
    let (mut same, mut others) = (None, Vec::new());
    for task in there {
        let is_same = same.is_none()
            && task.schedule == words(&nightly.at)
            && payload_of(&task) == nightly.payload();
        match is_same {
            true => same = Some(task),
            false => others.push(task),
        }
    }
    match &same {
        Some(task) => writeln!(out, "it is set already: {}", line(task))?,
        None => {
            let submitted = call(service.tasks.submit_task(request(nightly.request()))).await?;
            let task = submitted.task.unwrap_or_default();
            writeln!(out, "set: {}", line(&task))?;
            if !submitted.next_runs.is_empty() {
                writeln!(out, "  next runs: {}", next_runs(&submitted.next_runs))?;
            }
            for note in &submitted.notes {
                writeln!(out, "  note: {}", one_line(note, 1_000))?;
            }
        }
    }
    // The new one is there before the old one goes.
    call_off(&mut service, &others, out).await?;
    writeln!(
        out,
        "what it proposes waits: `shim evolve list --state proposed`; `shim evolve . --no-nightly` ends it"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the schedule of a project. What was proposed stays.
pub(super) async fn remove(
    path: &str,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut service = connection::coordination(config).await?;
    let there = of_project(&mut service, path).await?;
    if there.is_empty() {
        writeln!(out, "nothing runs at night for {}", name(path, 300))?;
    }
    call_off(&mut service, &there, out).await?;
    Ok(ExitCode::SUCCESS)
}

async fn call_off(
    service: &mut Coordination,
    schedules: &[Task],
    out: &mut dyn Write,
) -> Result<(), CliError> {
    for task in schedules {
        let cancel = CancelTaskRequest {
            request_id: request_id(),
            task_id: task.task_id.clone(),
            reason: "its schedule was removed".to_owned(),
        };
        call(service.tasks.cancel_task(request(cancel))).await?;
        writeln!(out, "removed: {}", line(task))?;
    }
    Ok(())
}

/// The nightly schedules of a project.
async fn of_project(service: &mut Coordination, path: &str) -> Result<Vec<Task>, CliError> {
    let filter = TaskFilter {
        states: vec![TaskState::Delayed, TaskState::Running],
        ..TaskFilter::default()
    };
    let mut jobs = list_all(service, &filter, MAX_JOBS).await?;
    jobs.retain(|task| {
        let payload = payload_of(task);
        task.kind == "evolve"
            && !task.schedule.is_empty()
            && payload.get("nightly") == Some(&json!(true))
            && payload.get("path") == Some(&json!(path))
    });
    Ok(jobs)
}

fn payload_of(task: &Task) -> Map<String, Value> {
    let payload = task.payload.as_ref().map(free_form::to_json);
    payload.unwrap_or_default()
}

/// As the service keeps a schedule.
fn words(at: &str) -> String {
    at.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line(task: &Task) -> String {
    let payload = payload_of(task);
    let limit = payload.get("limit").and_then(Value::as_f64);
    let path = payload.get("path").and_then(Value::as_str);
    format!(
        "schedule {}, \"{}\" UTC, at most {} proposals for {}",
        short_id(&task.task_id),
        one_line(&task.schedule, 60),
        limit.unwrap_or_default(),
        name(path.unwrap_or_default(), 300)
    )
}

/// The project as it is known whatever links lead to it.
///
/// # Errors
/// If it is not there, or its name is not UTF-8.
pub(super) fn project(typed: &std::path::Path) -> Result<String, CliError> {
    let found = std::fs::canonicalize(typed).map_err(|why| {
        let shown = typed.display().to_string();
        io::Error::new(why.kind(), format!("{}: {why}", name(&shown, 300)))
    })?;
    super::paths::absolute_path(&found)
}
