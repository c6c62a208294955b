//! `shim sessions import`: takes in the JSON lines that export wrote.
//!
//! The file is read and parsed while it is sent, so an archive may be larger than memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{ArchiveRecord, ImportRequest};
use shim_render::figures::count;
use shim_render::text::one_line;
use shim_runtime::data_dir::{OpenError, open_named};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use crate::connection::{Checkpoints, call};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::json;

/// No record is longer: a state has 4 MiB at most, and JSON writes a byte in up to six (`\u0001`).
const MAX_LINE_BYTES: u64 = 32 << 20;
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
    let name = path.display();
    let file = open_named(path).map_err(|why| match why {
        OpenError::Io(error) => {
            CliError::from(error).while_doing(format_args!("cannot read {name}"))
        }
        other => CliError::new(format!("cannot read {name}: {other}")),
    })?;
    Ok(Box::new(BufReader::new(file)))
}

/// An archive that ends early may be taken for a whole one; an empty record never is.
fn read_all(
    mut input: Box<dyn BufRead + Send>,
    records: &mpsc::Sender<ImportRequest>,
) -> Result<(), CliError> {
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        number += 1;
        let record = match next_line(&mut input, &mut line) {
            Ok(false) => return Ok(()),
            Ok(true) => parse(&line),
            Err(failure) => Err(failure),
        };
        let record = record.map_err(|failure| {
            let _ = records.blocking_send(ImportRequest::default());
            failure
                .while_doing(format!("line {number} is no archive record"))
                .hint("import takes what `shim sessions export` wrote; nothing was taken in")
        })?;
        let Some(record) = record else { continue };
        let record = Some(record);
        if records.blocking_send(ImportRequest { record }).is_err() {
            // The service ended the call; its status has the reason.
            return Ok(());
        }
    }
}

/// Reads a line in place of the last one; `false` at the end.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, CliError> {
    line.clear();
    let read = input.take(MAX_LINE_BYTES + 1).read_until(b'\n', line)?;
    if read as u64 > MAX_LINE_BYTES {
        return Err(CliError::new(format!(
            "it has more than {MAX_LINE_BYTES} bytes"
        )));
    }
    Ok(read > 0)
}

/// The record of a line; an empty line has none.
fn parse(line: &[u8]) -> Result<Option<ArchiveRecord>, CliError> {
    let line = std::str::from_utf8(line).map_err(|_| CliError::new("it is not UTF-8"))?;
    if line.trim().is_empty() {
        return Ok(None);
    }
    json::read(line.trim_end_matches(['\r', '\n'])).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_that_is_longer_than_any_record_is_refused_with_its_number() {
        let (records, mut received) = mpsc::channel(AHEAD);
        let input = BufReader::new(b"\n{}\n".chain(std::io::repeat(b' ')));
        let refused = read_all(Box::new(input), &records).unwrap_err().lines();
        assert!(refused.contains("line 3"), "{refused}");
        assert!(refused.contains("more than 33554432 bytes"), "{refused}");
        assert!(received.try_recv().is_ok());
        assert_eq!(received.try_recv().unwrap(), ImportRequest::default());
    }
}
