//! `shim sessions import`: takes in the JSON lines that export wrote.
//!
//! The file is read and parsed while it is sent, so an archive may be larger than memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{ArchiveRecord, ImportRequest};
use shim_render::figures::count;
use shim_render::text::one_line;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use crate::connection::{Checkpoints, call};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::json;

/// Records read ahead of the service.
const AHEAD: usize = 64;

/// What to take in.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive, or `-` for stdin
    file: PathBuf,
    /// Print canonical proto JSON (an ImportResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let input = open(&args.file)?;
    let (records, received) = mpsc::channel(AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_all(input, &records));
    let import = Request::new(ReceiverStream::new(received));
    let answer = call(service.import(import)).await;
    // A wrong line explains more than the service's refusal of the part that was sent.
    reader.await.map_err(|e| CliError::new(e.to_string()))??;
    let taken = answer?;
    emit(args.json, &taken, out, |out| {
        for notice in &taken.notices {
            writeln!(out, "notice: {}", one_line(notice, 400))?;
        }
        writeln!(
            out,
            "imported {}, {} and {}; {} were there already",
            count(taken.imported_sessions, "session"),
            count(taken.imported_checkpoints, "checkpoint"),
            count(taken.imported_signals, "signal snapshot"),
            count(taken.skipped, "record"),
        )
    })
}

fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let file = File::open(path).map_err(|e| {
        CliError::from(e).while_doing(format_args!("cannot read {}", path.display()))
    })?;
    Ok(Box::new(BufReader::new(file)))
}

fn read_all(
    input: Box<dyn BufRead + Send>,
    records: &mpsc::Sender<ImportRequest>,
) -> Result<(), CliError> {
    for (index, line) in input.lines().enumerate() {
        let line = line.inspect_err(|_| {
            let _ = records.blocking_send(ImportRequest::default());
        })?;
        if line.trim().is_empty() {
            continue;
        }
        let record: ArchiveRecord = match json::read(&line) {
            Ok(record) => record,
            Err(failure) => {
                // An archive that ends early may be taken for a whole one; an empty record never is.
                let _ = records.blocking_send(ImportRequest::default());
                return Err(failure
                    .while_doing(format_args!("line {} is no archive record", index + 1))
                    .hint("import takes what `shim sessions export` wrote; nothing was taken in"));
            }
        };
        if records
            .blocking_send(ImportRequest {
                record: Some(record),
            })
            .is_err()
        {
            // The service ended the call; its status has the reason.
            break;
        }
    }
    Ok(())
}
