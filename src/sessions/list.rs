//! `shim sessions list`: sessions as a table.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use shim_proto::checkpoint::v1::{
    ListSessionsResponse, MissingCheckpoints, RiskLevel, Session, SessionStatus,
};
use shim_render::figures::percent;
use shim_render::text::{one_line, short_id};
use shim_render::words::{risk_level, session_status};

use super::gaps::{missing_line, set_aside_line};
use super::pages::{SessionFilter, list_checked};
use crate::connection::Checkpoints;
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::ago;
use crate::workspace_args::project;

const TASK_WIDTH: usize = 48;
const PROJECT_WIDTH: usize = 28;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only sessions of this project
    #[arg(long, value_name = "PROJECT", value_parser = NonEmptyStringValueParser::new())]
    project: Option<String>,
    /// Only sessions that stand so
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// Print canonical proto JSON (a ListSessionsResponse)
    #[arg(long)]
    json: bool,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Interrupted,
    Ended,
}

impl From<Status> for SessionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Interrupted => Self::Interrupted,
            Status::Ended => Self::Ended,
        }
    }
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    set_aside: &[PathBuf],
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let filter = SessionFilter {
        project: project(args.project.as_deref())?,
        status: args.status.map_or(SessionStatus::Unspecified, Into::into),
    };
    let (sessions, missing) = list_checked(&mut service, &filter, args.limit).await?;
    let listed = ListSessionsResponse {
        sessions,
        missing,
        ..ListSessionsResponse::default()
    };
    emit(args.json, &listed, out, |out| {
        print(&listed.sessions, out)?;
        print_gaps(&listed.missing, set_aside, out)
    })
}

/// What a person should know is not in the list.
pub(super) fn print_gaps(
    missing: &[MissingCheckpoints],
    set_aside: &[PathBuf],
    out: &mut dyn Write,
) -> io::Result<()> {
    for one in missing {
        writeln!(out, "{}", missing_line(one))?;
    }
    for file in set_aside {
        writeln!(out, "{}", set_aside_line(file))?;
    }
    Ok(())
}

pub(super) fn print(sessions: &[Session], out: &mut dyn Write) -> io::Result<()> {
    if sessions.is_empty() {
        return writeln!(out, "no sessions");
    }
    table(sessions).print(out)
}

/// Sessions as a table.
pub(crate) fn table(sessions: &[Session]) -> Table {
    let mut table = Table::new(&[
        ("SESSION", Align::Left),
        ("STATUS", Align::Left),
        ("CHANGED", Align::Left),
        ("SAVED", Align::Right),
        ("DONE", Align::Right),
        ("RISK", Align::Left),
        ("PROJECT", Align::Left),
        ("TASK", Align::Left),
    ]);
    for session in sessions {
        table.row([
            short_id(&session.id).to_owned(),
            status(session),
            ago(session.updated_at.as_ref()),
            session.head_number.to_string(),
            progress(session),
            risk(session).to_owned(),
            tail(&session.project, PROJECT_WIDTH),
            one_line(task(session), TASK_WIDTH),
        ]);
    }
    table
}

/// How much is done; unknown before the first checkpoint.
fn progress(session: &Session) -> String {
    match session.head_number {
        0 => "-".to_owned(),
        _ => percent(session.progress),
    }
}

/// What a session works on; before its first checkpoint, its title.
pub(super) fn task(session: &Session) -> &str {
    match session.current_task.as_str() {
        "" => &session.title,
        task => task,
    }
}

/// The status of a session in a word or two.
pub(super) fn status(session: &Session) -> String {
    let status = session_status(session.status());
    match session.status() {
        SessionStatus::Active if !session.attached => format!("{status}, alone"),
        SessionStatus::Interrupted if session.dismissed_at.is_some() => "dismissed".to_owned(),
        _ => status.to_owned(),
    }
}

fn risk(session: &Session) -> &'static str {
    match session.risk_level() {
        RiskLevel::Unspecified => "-",
        level => risk_level(level),
    }
}

/// The end of a path says more than its beginning.
fn tail(path: &str, limit: usize) -> String {
    let path = one_line(path, usize::MAX);
    let length = path.chars().count();
    if length <= limit {
        return path;
    }
    format!(
        "…{}",
        path.chars().skip(length + 1 - limit).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(tail("/home/user/work/project", 10), "…k/project");
        assert_eq!(tail("/short", 10), "/short");
    }
}
