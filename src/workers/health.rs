//! `shim workers health`: how the workers of the worker service are, and what each does.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::worker::v1::{
    GetWorkerHealthRequest, GetWorkerHealthResponse, RunningTask, WorkerReport,
};
use shim_render::figures::percent;
use shim_render::text::{one_line, short_id};
use shim_render::time::{duration, span};

use super::find::find;
use super::labels::{health, load, print_troubles, state};
use crate::config::Config;
use crate::connection::{self, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};

/// Which workers.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The worker [default: all of the worker service]
    worker: Option<String>,
    /// Print canonical proto JSON (a GetWorkerHealthResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let worker_id = match &args.worker {
        Some(typed) => {
            let mut service = connection::coordination(config).await?;
            find(&mut service, typed).await?.worker_id
        }
        None => String::new(),
    };
    let mut host = connection::worker_host(config).await?;
    let asked = GetWorkerHealthRequest { worker_id };
    let response = call(host.get_worker_health(request(asked))).await?;
    emit(args.json, &response, out, |out| print(&response, out))
}

pub(super) fn print(response: &GetWorkerHealthResponse, out: &mut dyn Write) -> io::Result<()> {
    if response.workers.is_empty() {
        return writeln!(
            out,
            "no workers run here; `shim workers start --help` tells how to start one"
        );
    }
    table(&response.workers).print(out)?;
    print_troubles(
        response
            .workers
            .iter()
            .filter_map(|report| report.worker.as_ref()),
        out,
    )?;
    if response
        .workers
        .iter()
        .any(|report| !report.tasks.is_empty())
    {
        writeln!(out)?;
        tasks(&response.workers).print(out)?;
    }
    Ok(())
}

fn table(reports: &[WorkerReport]) -> Table {
    let mut table = Table::new(&[
        ("WORKER", Align::Left),
        ("EXECUTOR", Align::Left),
        ("STATE", Align::Left),
        ("HEALTH", Align::Left),
        ("TASKS", Align::Right),
        ("COMPLETED", Align::Right),
        ("FAILED", Align::Right),
        ("HELD", Align::Right),
        ("RESTARTS", Align::Right),
    ]);
    for report in reports {
        let worker = report.worker.clone().unwrap_or_default();
        table.row([
            short_id(&worker.worker_id).to_owned(),
            one_line(&report.executor, 40),
            state(&worker).to_owned(),
            health(&worker),
            load(&worker),
            report.completed.to_string(),
            report.failed.to_string(),
            report.held.to_string(),
            report.restarts.to_string(),
        ]);
    }
    table
}

fn tasks(reports: &[WorkerReport]) -> Table {
    let mut table = Table::new(&[
        ("TASK", Align::Left),
        ("WORKER", Align::Left),
        ("DONE", Align::Right),
        ("RUNNING", Align::Right),
        ("SILENT", Align::Right),
        ("PID", Align::Right),
    ]);
    for report in reports {
        let worker = report
            .worker
            .as_ref()
            .map_or("", |it| it.worker_id.as_str());
        for task in &report.tasks {
            table.row(row(task, worker));
        }
    }
    table
}

fn row(task: &RunningTask, worker: &str) -> [String; 6] {
    let lasted = |it: Option<prost_types::Duration>| duration(it).map_or("-".to_owned(), span);
    let stuck = if task.stuck { ", stuck" } else { "" };
    [
        short_id(&task.task_id).to_owned(),
        short_id(worker).to_owned(),
        percent(task.progress),
        lasted(task.running),
        format!("{}{stuck}", lasted(task.silent)),
        match task.pid {
            0 => "-".to_owned(),
            pid => pid.to_string(),
        },
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use shim_proto::coordination::v1::{Worker, WorkerState};

    #[test]
    fn a_stuck_task_is_told_with_its_silence() {
        let response = GetWorkerHealthResponse {
            workers: vec![WorkerReport {
                worker: Some(Worker {
                    worker_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
                    state: WorkerState::Busy.into(),
                    running: 1,
                    capacity: 1,
                    detail: "exec\nformat error".into(),
                    ..Worker::default()
                }),
                executor: "claude".into(),
                tasks: vec![RunningTask {
                    task_id: "01890a5d-ac96-774b-bcce-b30200000001".into(),
                    running: Some(prost_types::Duration {
                        seconds: 240,
                        nanos: 0,
                    }),
                    silent: Some(prost_types::Duration {
                        seconds: 130,
                        nanos: 0,
                    }),
                    progress: 0.25,
                    pid: 4711,
                    stuck: true,
                }],
                ..WorkerReport::default()
            }],
        };
        let mut text = Vec::new();
        print(&response, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("099a8057: exec format error"), "{text}");
        assert!(
            text.contains("00000001  099a8057  25 %    4 min  2 min 10 s, stuck  4711"),
            "{text}"
        );
    }
}
