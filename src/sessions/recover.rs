//! `shim sessions recover`: makes a session of what a transcript of Claude Code tells, so that a conversation of which nothing
//! was saved comes back.

mod found;
mod list;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use prost::Message;
use shim_claude_code::live_session::{self, client_folder, folder_of_transcript};
use shim_claude_code::transcript::{self, Limits, ReadError, Transcript, newest};
use shim_proto::checkpoint::v1::{
    GetObservationRequest, GetObservationResponse, GetSessionRequest, GetSessionResponse,
    ObservedEvent, ReportEventsRequest, ReportEventsResponse,
};
use shim_proto::limits::MAX_MESSAGE_BYTES;
use shim_proto::limits::observation::MAX_EVENTS;
use shim_render::figures::count;
use shim_render::text::one_line;

use crate::config::Config;
use crate::connection::{self, Observations, call, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::say;
use found::print;

/// Bytes of events in one call; each of them is far smaller.
const MAX_CALL_BYTES: usize = MAX_MESSAGE_BYTES / 4;
/// Transcripts among which one is looked for by its conversation.
const LOOKED_THROUGH: usize = 100_000;
/// A shorter part of a conversation's id is none.
const MIN_ID: usize = 6;

const NO_TRANSCRIPT: &str = "`shim sessions recover` lists the transcripts there are";

/// What to recover.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The transcript's file, or the client's id of the conversation, or six or more digits of its beginning; without one the
    /// newest transcripts are listed
    #[arg(value_name = "TRANSCRIPT", value_parser = NonEmptyStringValueParser::new())]
    transcript: Option<String>,
    /// List only transcripts of this project's folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "transcript")]
    project: Option<PathBuf>,
    /// How many transcripts to list at most
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        conflicts_with = "transcript"
    )]
    limit: usize,
    /// Print JSON: of a list an object a line; of a recovery canonical proto JSON, a line each: ReportEventsResponse,
    /// GetSessionResponse, GetObservationResponse
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    match &args.transcript {
        Some(named) => recover(named, args.json, config, out).await?,
        None => {
            let found = newest(&folder()?, args.project.as_deref(), args.limit);
            list::print(found, args.project.as_deref(), args.json, out).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The client's folder.
fn folder() -> Result<PathBuf, CliError> {
    client_folder().ok_or_else(|| {
        CliError::new("the folder of Claude Code is not known: neither CLAUDE_CONFIG_DIR nor HOME is an absolute path")
            .hint("name the transcript's file: `shim sessions recover FILE`")
    })
}

async fn recover(
    named: &str,
    as_json: bool,
    config: &Config,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let path = file_of(named)?;
    let read = read(path.clone()).await?;
    refuse_living(&path, &read)?;
    let mut service = connection::observations(config).await?;
    let reported = report(&mut service, &read).await?;
    let session_id = session_of(&reported)?;
    let asked = GetObservationRequest {
        session_id: session_id.clone(),
        event_count: 0,
    };
    let observed = call(service.get_observation(request(asked))).await?;
    let mut checkpoints = connection::checkpoints(config).await?;
    let asked = GetSessionRequest { session_id };
    let session = call(checkpoints.get_session(request(asked))).await?;
    if as_json {
        return write_json(out, &reported, &session, &observed);
    }
    note_gaps(&read, &reported);
    Ok(print(&session, &observed, &reported, out)?)
}

fn write_json(
    out: &mut dyn Write,
    reported: &ReportEventsResponse,
    session: &GetSessionResponse,
    observed: &GetObservationResponse,
) -> Result<(), CliError> {
    json::write_line(out, reported)?;
    json::write_line(out, session)?;
    json::write_line(out, observed)
}

/// The file that was named, or that of the conversation.
fn file_of(named: &str) -> Result<PathBuf, CliError> {
    let path = PathBuf::from(named);
    let is_id = named.len() >= MIN_ID && named.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if path.exists() || !is_id {
        return Ok(path);
    }
    let is_it = |path: &Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        stem.starts_with(&named.to_ascii_lowercase())
    };
    let found = newest(&folder()?, None, LOOKED_THROUGH).into_iter();
    let mut found = found.map(|found| found.path).filter(|path| is_it(path));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(CliError::new(format!(
            "several conversations begin with {named}: {} and {}",
            one.display(),
            other.display()
        ))
        .hint("name the file")),
        (None, _) => Err(CliError::new(format!(
            "there is no file {named}, and no conversation that begins so"
        ))
        .hint(NO_TRANSCRIPT)),
    }
}

async fn read(path: PathBuf) -> Result<Transcript, CliError> {
    let name = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || transcript::read(&path, &Limits::default()));
    let read = read
        .await
        .map_err(|error| CliError::new(error.to_string()))?;
    read.map_err(|why| {
        let hint = match &why {
            ReadError::OfSubagent(own) => format!(
                "recover that one; {NO_TRANSCRIPT}, {} among them",
                own.display()
            ),
            _ => NO_TRANSCRIPT.to_owned(),
        };
        CliError::new(format!("cannot recover {name}: {why}")).hint(hint)
    })
}

/// A conversation that goes on needs no recovery, and would be offered to another one while it works.
fn refuse_living(path: &Path, read: &Transcript) -> Result<(), CliError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let of_file = folder_of_transcript(&absolute).map(Path::to_path_buf);
    let folders = of_file.into_iter().chain(client_folder());
    let mut live =
        folders.filter_map(|folder| live_session::of_conversation(&folder, &read.conversation));
    match live.find(|session| session.is_alive) {
        None => Ok(()),
        Some(session) => Err(CliError::new(format!(
            "the conversation {} is open in a window now (process {}); nothing was recovered",
            one_line(&read.conversation, 200),
            session.pid
        ))
        .hint("recover it once that process has ended")),
    }
}

async fn report(
    service: &mut Observations,
    read: &Transcript,
) -> Result<ReportEventsResponse, CliError> {
    let mut all = ReportEventsResponse::default();
    let mut begin = 0;
    for chunk in chunks(&read.events) {
        let events = chunk.to_vec();
        let asked = ReportEventsRequest { events };
        let kept = call(service.report_events(request(asked))).await?;
        all.kept += kept.kept;
        all.repeated += kept.repeated;
        for mut refused in kept.refused {
            refused.index += begin;
            all.refused.push(refused);
        }
        for id in kept.session_ids {
            if !all.session_ids.contains(&id) {
                all.session_ids.push(id);
            }
        }
        begin += u32::try_from(chunk.len()).unwrap_or(u32::MAX);
    }
    Ok(all)
}

/// The events in as many calls as are needed.
fn chunks(events: &[ObservedEvent]) -> Vec<&[ObservedEvent]> {
    let mut chunks = Vec::new();
    let mut rest = events;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(MAX_EVENTS).take_while(|event| {
            bytes += event.encoded_len();
            bytes <= MAX_CALL_BYTES
        });
        let (chunk, after) = rest.split_at(fits.count().max(1));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

fn session_of(reported: &ReportEventsResponse) -> Result<String, CliError> {
    let why = reported.refused.first().map(|refused| &refused.reason);
    match (reported.session_ids.first(), why) {
        (Some(id), _) => Ok(id.clone()),
        (None, Some(why)) => Err(CliError::new(format!("no event of it can be kept: {why}"))),
        (None, None) => Err(CliError::new(
            "the transcript tells of no prompt and no tool call; there is nothing to bring back",
        )
        .hint(NO_TRANSCRIPT)),
    }
}

/// What a person should know is not in the session.
fn note_gaps(read: &Transcript, reported: &ReportEventsResponse) {
    if read.is_cut {
        say::line("note: the transcript is so large that its middle was left out");
    }
    if read.skipped_lines > 0 {
        let lines = count(read.skipped_lines, "line");
        say::line(format_args!(
            "note: {lines} of the transcript cannot be read and count for nothing"
        ));
    }
    if let Some(refused) = reported.refused.first() {
        say::line(format_args!(
            "note: {} of its events could not be kept; the first: {}",
            reported.refused.len(),
            refused.reason
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_in_calls_that_the_service_takes() {
        let events = vec![ObservedEvent::default(); 2_500];
        let lengths: Vec<_> = chunks(&events).iter().map(|chunk| chunk.len()).collect();
        assert_eq!(lengths, [1_000, 1_000, 500]);
        let large = ObservedEvent {
            transcript_path: "x".repeat(MAX_CALL_BYTES / 2),
            ..ObservedEvent::default()
        };
        let lengths: Vec<_> = chunks(&vec![large; 3])
            .iter()
            .map(|chunk| chunk.len())
            .collect();
        assert_eq!(lengths, [1, 1, 1]);
        assert!(chunks(&[]).is_empty());
    }
}
