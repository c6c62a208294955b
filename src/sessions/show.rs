//! `shim sessions show`: one session, what its newest (or a given) checkpoint holds, and its history.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{
    Checkpoint, CheckpointState, ClientInfo, FilePresence, GetCheckpointRequest,
    GetCheckpointResponse, GetSessionResponse, ListCheckpointsRequest, ListCheckpointsResponse,
    Session,
};
use tonic::Code;

use super::{find, list};
use crate::connection::{Checkpoints, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::text::{bytes, count, one_line, percent, printable, short_id, variant};
use crate::output::time::{ago, at};

const TASK_WIDTH: usize = 60;

/// Which session, and how much of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The session
    session: String,
    /// Show the checkpoint of this number instead of the newest intact one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    checkpoint: u64,
    /// How many checkpoints of the history to list
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1000))]
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
    let checkpoint = newest(&mut service, &session, args.checkpoint).await?;
    let history = ListCheckpointsRequest {
        session_id: session.id.clone(),
        page_size: args.history,
        page_token: String::new(),
    };
    let history = service
        .list_checkpoints(request(history))
        .await?
        .into_inner();
    if args.json {
        json::write_line(
            out,
            &GetSessionResponse {
                session: Some(session),
            },
        )?;
        if let Some(checkpoint) = checkpoint {
            json::write_line(out, &checkpoint)?;
        }
        json::write_line(out, &history)?;
    } else {
        about(&session, out)?;
        match &checkpoint {
            Some(checkpoint) => content(checkpoint, out)?,
            None => writeln!(out, "\nno checkpoint yet")?,
        }
        print_history(&history, out)?;
    }
    Ok(ExitCode::SUCCESS)
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
    match service.get_checkpoint(request(asked)).await {
        Ok(found) => Ok(Some(found.into_inner())),
        Err(status) if number == 0 && status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn about(session: &Session, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "session     {}  (short: {})",
        session.id,
        short_id(&session.id)
    )?;
    if !session.title.is_empty() {
        writeln!(out, "title       {}", one_line(&session.title, 200))?;
    }
    writeln!(out, "project     {}", one_line(&session.project, 4_096))?;
    writeln!(
        out,
        "status      {}, epoch {}",
        list::status(session),
        session.epoch
    )?;
    if let Some(interruption) = &session.interruption {
        let cause = variant(interruption.cause().as_str_name(), "INTERRUPTION_CAUSE");
        let sure = percent(interruption.confidence);
        writeln!(
            out,
            "interrupted {}: {cause} ({sure} sure)",
            ago(interruption.at.as_ref())
        )?;
        writeln!(out, "            {}", one_line(&interruption.evidence, 500))?;
    }
    if let Some(client) = &session.client {
        writeln!(out, "owner       {}", owner(client))?;
    }
    writeln!(out, "opened      {}", at(session.opened_at.as_ref()))?;
    writeln!(out, "changed     {}", at(session.updated_at.as_ref()))?;
    if session.restore_count > 0 {
        writeln!(
            out,
            "restored    {}",
            count(u64::from(session.restore_count), "time")
        )?;
    }
    if !session.forked_from_checkpoint_id.is_empty() {
        writeln!(out, "forked from {}", session.forked_from_checkpoint_id)?;
    }
    Ok(())
}

fn owner(client: &ClientInfo) -> String {
    let pid = client
        .gateway_process
        .as_ref()
        .map_or(0, |process| process.pid);
    let name = if client.name.is_empty() {
        "unnamed client"
    } else {
        &client.name
    };
    one_line(
        &format!(
            "{name} {} on {}, gateway pid {pid}",
            client.version, client.hostname
        ),
        300,
    )
}

fn content(found: &GetCheckpointResponse, out: &mut dyn Write) -> io::Result<()> {
    for damaged in &found.damaged_numbers {
        writeln!(
            out,
            "\nwarning: checkpoint #{damaged} is damaged and was passed over"
        )?;
    }
    let (Some(checkpoint), Some(state)) = (&found.checkpoint, &found.state) else {
        return Ok(());
    };
    let trigger = variant(checkpoint.trigger().as_str_name(), "CHECKPOINT_TRIGGER");
    writeln!(
        out,
        "\ncheckpoint #{} ({trigger}, {}, {})\n            {}",
        checkpoint.number,
        bytes(checkpoint.state_bytes),
        ago(checkpoint.created_at.as_ref()),
        checkpoint.id
    )?;
    writeln!(
        out,
        "task        {}",
        printable(&state.current_task).replace('\n', "\n            ")
    )?;
    writeln!(out, "progress    {}", percent(state.progress))?;
    lists(state, out)?;
    if !state.summary.is_empty() {
        writeln!(
            out,
            "summary     {}",
            printable(&state.summary).replace('\n', "\n            ")
        )?;
    }
    if let Some(git) = &state.git {
        let branch = if git.branch.is_empty() {
            "(detached)"
        } else {
            &git.branch
        };
        writeln!(
            out,
            "git         {} at {}",
            one_line(branch, 200),
            one_line(&git.head, 64)
        )?;
    }
    Ok(())
}

fn lists(state: &CheckpointState, out: &mut dyn Write) -> io::Result<()> {
    let files: Vec<String> = state
        .active_files
        .iter()
        .map(|file| match file.presence() {
            FilePresence::Present => format!("{} ({})", file.path, bytes(file.size_bytes)),
            FilePresence::Unspecified => file.path.clone(),
            other => format!(
                "{} ({})",
                file.path,
                variant(other.as_str_name(), "FILE_PRESENCE")
            ),
        })
        .collect();
    let sections = [
        ("done", &state.completed_steps),
        ("next", &state.next_steps),
        ("blockers", &state.blockers),
        ("decisions", &state.decisions),
        ("files", &files),
    ];
    for (name, items) in sections {
        for (index, item) in items.iter().enumerate() {
            writeln!(
                out,
                "{:<11} - {}",
                if index == 0 { name } else { "" },
                one_line(item, 8_192)
            )?;
        }
    }
    Ok(())
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
    if !history.next_page_token.is_empty() {
        writeln!(out, "older ones: repeat with --history N")?;
    }
    Ok(())
}

fn history_row(checkpoint: &Checkpoint) -> [String; 6] {
    [
        checkpoint.number.to_string(),
        ago(checkpoint.created_at.as_ref()),
        variant(checkpoint.trigger().as_str_name(), "CHECKPOINT_TRIGGER"),
        percent(checkpoint.progress),
        if checkpoint.thinned_at.is_some() {
            "dropped".to_owned()
        } else {
            bytes(checkpoint.state_bytes)
        },
        one_line(&checkpoint.current_task, TASK_WIDTH),
    ]
}
