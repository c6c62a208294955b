//! `shim workers watch`: the workers, then a line for every change, until interrupted.

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use shim_proto::coordination::v1::watch_workers_response::Event;
use shim_proto::coordination::v1::{
    WatchWorkersRequest, WatchWorkersResponse, Worker, WorkerChange, WorkerChangeKind,
};
use tonic::Request;

use super::list::{health, load, state, table};
use crate::connection::Coordination;
use crate::failure::Failure;
use crate::follow::follow;
use crate::output::json;
use crate::output::text::{count, one_line, short_id};

/// How to tell.
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
) -> Result<ExitCode, Failure> {
    let mut snapshot = Vec::new();
    let open = async |after_position| {
        let asked = WatchWorkersRequest { after_position };
        let mut registry = service.registry.clone();
        registry.watch_workers(Request::new(asked)).await
    };
    follow(0, out, open, |told: Option<WatchWorkersResponse>, out| {
        let Some(told) = told else {
            snapshot.clear();
            return Ok(None);
        };
        if args.json {
            json::write_line(out, &told)?;
        }
        let position = match &told.event {
            Some(Event::Synced(synced)) => Some(synced.position),
            Some(Event::Changed(change)) => Some(change.position),
            Some(Event::Resync(_)) => Some(0),
            Some(Event::Worker(_)) | None => None,
        };
        if !args.json {
            print(told, &mut snapshot, out)?;
        }
        Ok(position)
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// The snapshot is gathered and printed as one table; changes are printed as they come.
fn print(
    told: WatchWorkersResponse,
    snapshot: &mut Vec<Worker>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match told.event {
        Some(Event::Worker(worker)) => snapshot.push(worker),
        Some(Event::Synced(_)) => {
            let number = u64::try_from(snapshot.len()).unwrap_or(u64::MAX);
            if number > 0 {
                table(snapshot).print(out)?;
            }
            writeln!(out, "watching {}; Ctrl-C ends", count(number, "worker"))?;
            snapshot.clear();
        }
        Some(Event::Changed(change)) => {
            let clock = humantime::format_rfc3339_seconds(SystemTime::now());
            writeln!(out, "{clock}  {}", line(&change))?;
        }
        Some(Event::Resync(_)) => snapshot.clear(),
        None => {}
    }
    Ok(())
}

fn line(change: &WorkerChange) -> String {
    let unknown = Worker::default();
    let worker = change.worker.as_ref().unwrap_or(&unknown);
    let what = match change.kind() {
        WorkerChangeKind::Registered => format!("registered, epoch {}", worker.epoch),
        WorkerChangeKind::Deregistered => "left".to_owned(),
        WorkerChangeKind::Died => "died: it fell silent".to_owned(),
        WorkerChangeKind::Changed | WorkerChangeKind::Unspecified => {
            format!(
                "{}, {}, tasks {}",
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
            line(&change),
            "099a8057  window 2  busy, healthy, tasks 2/2"
        );
        change.kind = WorkerChangeKind::Died.into();
        assert_eq!(line(&change), "099a8057  window 2  died: it fell silent");
    }
}
