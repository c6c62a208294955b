//! `shim workers watch`: the workers, then a line for every change, until interrupted.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::watch_workers_response::Event;
use shim_proto::coordination::v1::{
    WatchWorkersRequest, WatchWorkersResponse, Worker, WorkerChange, WorkerChangeKind,
};
use shim_render::figures::count;
use shim_render::text::{one_line, short_id};
use tonic::{Request, Response, Status, Streaming};

use super::labels::{health, load, state};
use super::list::table;
use super::work::at_work;
use crate::connection::Coordination;
use crate::error::CliError;
use crate::event_stream::{EventStream, follow};
use crate::output::json;
use crate::output::time::clock;

/// How to print the changes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print every event as canonical proto JSON (a WatchWorkersResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut printer = WorkerPrinter {
        as_json: args.json,
        service,
        snapshot: Vec::new(),
        out,
    };
    follow(0, &mut printer).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints all workers, then every change.
struct WorkerPrinter<'a> {
    as_json: bool,
    service: Coordination,
    /// Each worker with what it does.
    snapshot: Vec<(Worker, String)>,
    out: &'a mut dyn Write,
}

impl EventStream for WorkerPrinter<'_> {
    type Event = WatchWorkersResponse;
    type Position = u64;

    async fn open(
        &self,
        after_position: u64,
    ) -> Result<Response<Streaming<WatchWorkersResponse>>, Status> {
        let asked = WatchWorkersRequest { after_position };
        let mut registry = self.service.registry.clone();
        registry.watch_workers(Request::new(asked)).await
    }

    fn on_open(&mut self) {
        self.snapshot.clear();
    }

    async fn on_event(&mut self, response: WatchWorkersResponse) -> Result<Option<u64>, CliError> {
        let position = match &response.event {
            Some(Event::Synced(synced)) => Some(synced.position),
            Some(Event::Changed(change)) => Some(change.position),
            Some(Event::Resync(_)) => Some(0),
            Some(Event::Worker(_)) | None => None,
        };
        if self.as_json {
            json::write_line(self.out, &response)?;
        } else {
            self.print(response).await?;
        }
        self.out.flush()?;
        Ok(position)
    }
}

impl WorkerPrinter<'_> {
    /// The snapshot is gathered and printed as one table; changes are printed as they come.
    async fn print(&mut self, response: WatchWorkersResponse) -> io::Result<()> {
        match response.event {
            Some(Event::Worker(worker)) => {
                let work = at_work(&mut self.service, &worker).await;
                self.snapshot.push((worker, work));
            }
            Some(Event::Synced(_)) => {
                if !self.snapshot.is_empty() {
                    table(&self.snapshot).print(self.out)?;
                }
                let workers = count(self.snapshot.len() as u64, "worker");
                writeln!(self.out, "watching {workers}; Ctrl-C ends")?;
                self.snapshot.clear();
            }
            Some(Event::Changed(change)) => {
                let worker = change.worker.clone().unwrap_or_default();
                let work = at_work(&mut self.service, &worker).await;
                writeln!(self.out, "{}  {}", clock(), line(&change, &work))?;
            }
            Some(Event::Resync(_)) => self.snapshot.clear(),
            None => {}
        }
        Ok(())
    }
}

fn line(change: &WorkerChange, work: &str) -> String {
    let unknown = Worker::default();
    let worker = change.worker.as_ref().unwrap_or(&unknown);
    let what = match change.kind() {
        WorkerChangeKind::Registered => format!("registered, epoch {}", worker.epoch),
        WorkerChangeKind::Deregistered => "left".to_owned(),
        WorkerChangeKind::Died => "died: it fell silent".to_owned(),
        WorkerChangeKind::Changed | WorkerChangeKind::Unspecified => {
            let on = if work.is_empty() { "" } else { ": " };
            let trouble = match worker.detail.as_str() {
                "" => String::new(),
                detail => format!(" ({})", one_line(detail, 200)),
            };
            format!(
                "{}, {}{trouble}, tasks {}{on}{work}",
                state(worker),
                health(worker),
                load(worker)
            )
        }
    };
    let name = one_line(&worker.name, 40);
    format!("{}  {name}  {what}", short_id(&worker.worker_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_a_line() {
        let mut change = WorkerChange {
            kind: WorkerChangeKind::Changed.into(),
            position: 7,
            worker: Some(Worker {
                worker_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
                name: "window\n2".into(),
                state: 3,
                running: 2,
                capacity: 2,
                ..Worker::default()
            }),
        };
        assert_eq!(
            line(&change, ""),
            "099a8057  window 2  busy, healthy, tasks 2/2"
        );
        assert!(line(&change, "00000001 parse 45 %").ends_with("2/2: 00000001 parse 45 %"));
        change.kind = WorkerChangeKind::Died.into();
        assert_eq!(
            line(&change, ""),
            "099a8057  window 2  died: it fell silent"
        );
    }
}
