//! `shim sessions export`: sessions with all they hold, as JSON lines of ArchiveRecord.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::archive_record::Record;
use shim_proto::checkpoint::v1::{ArchiveRecord, ExportRequest};
use shim_render::figures::count;
use tonic::Request;

use super::find;
use crate::connection::{Checkpoints, call};
use crate::error::CliError;
use crate::output::json;
use crate::output::say;

/// What to export, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these sessions [default: all]
    sessions: Vec<String>,
    /// Write to this file instead of stdout; it must not exist yet
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut session_ids = Vec::with_capacity(args.sessions.len());
    for typed in &args.sessions {
        session_ids.push(find::session(&mut service, typed).await?.id);
    }
    let counted = match &args.output {
        Some(path) => to_file(path, session_ids, service).await?,
        None => stream(session_ids, service, out).await?,
    };
    let destination = args
        .output
        .as_deref()
        .map_or("stdout".into(), Path::to_string_lossy);
    say::line(format_args!(
        "exported {} with {} to {destination}",
        count(counted.sessions, "session"),
        count(counted.checkpoints, "checkpoint")
    ));
    Ok(ExitCode::SUCCESS)
}

/// How much was exported.
#[derive(Debug, Default)]
struct Counted {
    sessions: u64,
    checkpoints: u64,
}

/// Only the owner may read an archive: it holds what was said. It gets its name when it is complete and on the disk.
async fn to_file(
    path: &Path,
    session_ids: Vec<String>,
    service: Checkpoints,
) -> Result<Counted, CliError> {
    if path.exists() {
        return Err(
            CliError::new(format!("{} exists already", path.display())).hint("choose another name")
        );
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    let counted = to_open_file(file, session_ids, service).await;
    match counted {
        Ok(_) => std::fs::rename(&unfinished, path)?,
        // A part is of no use, and may fill the disk.
        Err(_) => std::fs::remove_file(&unfinished)?,
    }
    counted
}

async fn to_open_file(
    file: File,
    session_ids: Vec<String>,
    service: Checkpoints,
) -> Result<Counted, CliError> {
    let mut writer = BufWriter::new(file);
    let counted = stream(session_ids, service, &mut writer).await?;
    writer
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?;
    Ok(counted)
}

/// An export may take long, so it has no deadline.
async fn stream(
    session_ids: Vec<String>,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<Counted, CliError> {
    let export = Request::new(ExportRequest { session_ids });
    let mut records = call(service.export(export)).await?;
    let mut counted = Counted::default();
    while let Some(response) = records.message().await? {
        let Some(record) = response.record else {
            continue;
        };
        match record.record {
            Some(Record::Session(_)) => counted.sessions += 1,
            Some(Record::Checkpoint(_)) => counted.checkpoints += 1,
            _ => {}
        }
        json::write_line::<ArchiveRecord>(out, &record)?;
    }
    out.flush()?;
    Ok(counted)
}
