//! `shim sessions show`: one session, what its newest (or a given) checkpoint holds, and its history.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, ClientInfo, FilePresence, FileState, GetCheckpointRequest,
    GetCheckpointResponse, GetSessionResponse, GitState, ListCheckpointsRequest,
    ListCheckpointsResponse, Session,
};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_render::figures::{bytes, count, percent};
use shim_render::session_tasks;
use shim_render::text::{entry, name, one_line, short_id};
use shim_render::words::{checkpoint_trigger, file_presence, interruption_cause, phrase};
use tonic::Code;

use super::{find, list, observed};
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::output::fields::Fields;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::time::{ago, at};
use crate::remedies::Placeholder;

const TASK_WIDTH: usize = 60;
/// Columns of the names of fields.
const NAME_WIDTH: usize = 11;

/// Which session, and how much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    session: String,
    /// Show the checkpoint of this number instead of the newest intact one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    checkpoint: u64,
    /// How many checkpoints of the history to list
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_PAGE_SIZE)))]
    history: i32,
    /// Print canonical proto JSON, a line each: GetSessionResponse, GetCheckpointResponse, ListCheckpointsResponse
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let session = find::session(&mut service, &args.session).await?;
    let checkpoint = newest(&mut service, &session, args.checkpoint)
        .await
        .map_err(|error| error.about(Placeholder::Session, &session.id))?;
    let history = ListCheckpointsRequest {
        session_id: session.id.clone(),
        page_size: args.history,
        page_token: String::new(),
    };
    let history = call(service.list_checkpoints(request(history))).await?;
    if args.json {
        let found = GetSessionResponse {
            session: Some(session),
        };
        json::write_line(out, &found)?;
        if let Some(checkpoint) = checkpoint {
            json::write_line(out, &checkpoint)?;
        }
        json::write_line(out, &history)?;
    } else {
        print(&session, checkpoint.as_ref(), &history, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print(
    session: &Session,
    checkpoint: Option<&GetCheckpointResponse>,
    history: &ListCheckpointsResponse,
    out: &mut dyn Write,
) -> io::Result<()> {
    about(session, &mut Fields::new(NAME_WIDTH, out))?;
    match checkpoint {
        Some(checkpoint) => content(checkpoint, out)?,
        None => {
            writeln!(out)?;
            writeln!(out, "no checkpoint yet")?;
        }
    }
    other_tasks(session, checkpoint, &mut Fields::new(NAME_WIDTH, out))?;
    print_history(history, out)
}

/// A session without checkpoints is no failure here; a number that does not exist is.
async fn newest(
    service: &mut Checkpoints,
    session: &Session,
    number: u64,
) -> Result<Option<GetCheckpointResponse>, CliError> {
    let asked = GetCheckpointRequest {
        session_id: session.id.clone(),
        number,
        ..GetCheckpointRequest::default()
    };
    match call(service.get_checkpoint(request(asked))).await {
        Ok(found) => Ok(Some(found)),
        Err(status) if number == 0 && status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn about(session: &Session, fields: &mut Fields<'_>) -> io::Result<()> {
    let id = &session.id;
    fields.line("session", format_args!("{id}  (short: {})", short_id(id)))?;
    fields.optional("title", &session.title, 200)?;
    fields.text("project", &session.project, 4_096)?;
    let status = list::status(session);
    fields.line("status", format_args!("{status}, epoch {}", session.epoch))?;
    if let Some(interruption) = &session.interruption {
        let cause = phrase(interruption_cause(interruption.cause()));
        let (when, sure) = (
            ago(interruption.at.as_ref()),
            percent(interruption.confidence),
        );
        fields.line("interrupted", format_args!("{when}: {cause} ({sure} sure)"))?;
        fields.text("", &interruption.evidence, 500)?;
    }
    if let Some(client) = &session.client {
        fields.line("owner", owner(Some(client)))?;
    }
    fields.line("opened", at(session.opened_at.as_ref()))?;
    fields.line("changed", at(session.updated_at.as_ref()))?;
    if session.restore_count > 0 {
        fields.line("restored", count(session.restore_count.into(), "time"))?;
    }
    fields.optional("forked from", &session.forked_from_checkpoint_id, 100)
}

/// A client in words.
pub(super) fn owner(client: Option<&ClientInfo>) -> String {
    let Some(client) = client else {
        return "a client".to_owned();
    };
    let process = client.gateway_process.as_ref();
    let pid = process.map_or(0, |process| process.pid);
    let name = match client.name.as_str() {
        "" => "unnamed client",
        name => name,
    };
    let (version, host) = (&client.version, &client.hostname);
    one_line(
        &format!("{name} {version} on {host}, gateway pid {pid}"),
        300,
    )
}

fn content(found: &GetCheckpointResponse, out: &mut dyn Write) -> io::Result<()> {
    for damaged in &found.damaged_numbers {
        writeln!(out)?;
        writeln!(
            out,
            "warning: checkpoint #{damaged} is damaged or missing and was passed over"
        )?;
    }
    let (Some(checkpoint), Some(state)) = (&found.checkpoint, &found.state) else {
        return Ok(());
    };
    let (trigger, size) = (trigger(checkpoint), bytes(checkpoint.state_bytes));
    let (number, saved) = (checkpoint.number, ago(checkpoint.created_at.as_ref()));
    writeln!(out)?;
    writeln!(out, "checkpoint #{number} ({trigger}, {size}, {saved})")?;
    let mut fields = Fields::new(NAME_WIDTH, out);
    fields.line("", &checkpoint.id)?;
    let task = match state.is_task_observed {
        true => "prompted",
        false => "task",
    };
    fields.paragraph(task, &state.current_task)?;
    fields.optional("task key", &state.task_key, 200)?;
    fields.line("progress", percent(state.progress))?;
    lists(state, &mut fields)?;
    observed::fields(state, &mut fields)?;
    if !state.summary.is_empty() {
        fields.paragraph("summary", &state.summary)?;
    }
    state
        .git
        .as_ref()
        .map_or(Ok(()), |git| repository(git, &mut fields))
}

fn repository(git: &GitState, fields: &mut Fields<'_>) -> io::Result<()> {
    let branch = match git.branch.as_str() {
        "" => "(detached)".to_owned(),
        branch => one_line(branch, 200),
    };
    let tree = match git.work_tree.as_ref().map(|tree| tree.changed_files) {
        None => String::new(),
        Some(0) => ", clean".to_owned(),
        Some(files) => format!(", {} not committed", count(files.into(), "file")),
    };
    fields.line(
        "git",
        format_args!("{branch} at {}{tree}", one_line(&git.head, 64)),
    )
}

/// The unfinished tasks of the session beside the one that is shown.
fn other_tasks(
    session: &Session,
    shown: Option<&GetCheckpointResponse>,
    fields: &mut Fields<'_>,
) -> io::Result<()> {
    let shown = shown.and_then(|shown| shown.checkpoint.as_ref());
    let shown = shown.map(|checkpoint| checkpoint.id.as_str());
    // A version that listed no tasks knew one.
    let listed = session
        .tasks
        .iter()
        .filter(|task| session_tasks::is_open(task));
    let others = listed.filter(|task| Some(task.checkpoint_id.as_str()) != shown);
    for (index, task) in others.enumerate() {
        let name = if index == 0 { "also open" } else { "" };
        let (phrase, number) = (session_tasks::phrase(task), task.checkpoint_number);
        fields.line(name, format_args!("- {phrase}, checkpoint #{number}"))?;
    }
    Ok(())
}

fn trigger(checkpoint: &Checkpoint) -> String {
    phrase(checkpoint_trigger(checkpoint.trigger()))
}

fn lists(state: &CheckpointState, fields: &mut Fields<'_>) -> io::Result<()> {
    let files: Vec<String> = state.active_files.iter().map(file).collect();
    let sections = [
        ("done", &state.completed_steps),
        ("next", &state.next_steps),
        ("left open", &state.left_open_steps),
        ("blockers", &state.blockers),
        ("decisions", &state.decisions),
        ("dropped", &state.dropped_steps),
        ("taken back", &state.retracted_decisions),
        ("files", &files),
    ];
    for (name, items) in sections {
        for (index, item) in items.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            fields.line(name, format_args!("- {}", entry(item, 8_192)))?;
        }
    }
    Ok(())
}

fn file(file: &FileState) -> String {
    let path = name(&file.path, 4_096);
    match file.presence() {
        FilePresence::Present => format!("{path} ({})", bytes(file.size_bytes)),
        FilePresence::Unspecified => path,
        other => format!("{path} ({})", phrase(file_presence(other))),
    }
}

fn print_history(history: &ListCheckpointsResponse, out: &mut dyn Write) -> io::Result<()> {
    if history.checkpoints.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("NO", Align::Right),
        ("SAVED", Align::Left),
        ("TRIGGER", Align::Left),
        ("DONE", Align::Right),
        ("SIZE", Align::Right),
        ("TASK", Align::Left),
    ]);
    for checkpoint in &history.checkpoints {
        table.row(history_row(checkpoint));
    }
    writeln!(out)?;
    table.print(out)?;
    if !history.damaged_numbers.is_empty() {
        writeln!(out, "damaged: {:?}", history.damaged_numbers)?;
    }
    if !history.missing_numbers.is_empty() {
        writeln!(out, "missing: {:?}", history.missing_numbers)?;
    }
    if !history.next_page_token.is_empty() {
        writeln!(out, "older ones: repeat with --history N")?;
    }
    Ok(())
}

fn history_row(checkpoint: &Checkpoint) -> [String; 6] {
    [
        checkpoint.number.to_string(),
        ago(checkpoint.created_at.as_ref()),
        trigger(checkpoint),
        percent(checkpoint.progress),
        if checkpoint.thinned_at.is_some() {
            "dropped".to_owned()
        } else {
            bytes(checkpoint.state_bytes)
        },
        one_line(&checkpoint.current_task, TASK_WIDTH),
    ]
}
