//! `shim sessions list`, and reading all pages of the list for other commands.

use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;
use shim_proto::checkpoint::v1::{
    ListSessionsRequest, ListSessionsResponse, RiskLevel, Session, SessionStatus,
};

use crate::connection::{Checkpoints, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::text::{one_line, percent, short_id, variant};
use crate::output::time::ago;

const PAGE: i32 = 1_000;
const TASK_WIDTH: usize = 48;
const PROJECT_WIDTH: usize = 28;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only sessions of this project
    #[arg(long, value_name = "PROJECT")]
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

/// Which sessions are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionFilter {
    /// Only this project; empty means all.
    pub(crate) project: String,
    /// Only this status; unspecified means all.
    pub(crate) status: SessionStatus,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let filter = SessionFilter {
        project: args.project.clone().unwrap_or_default(),
        status: args.status.map_or(SessionStatus::Unspecified, Into::into),
    };
    let sessions = list_all(&mut service, &filter, args.limit).await?;
    if args.json {
        json::write_line(
            out,
            &ListSessionsResponse {
                sessions,
                ..ListSessionsResponse::default()
            },
        )?;
    } else if sessions.is_empty() {
        writeln!(out, "no sessions")?;
    } else {
        table(&sessions).print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All sessions that pass the filter, up to `limit`, most recently changed first.
///
/// # Errors
/// If the service fails.
pub(crate) async fn list_all(
    service: &mut Checkpoints,
    filter: &SessionFilter,
    limit: usize,
) -> Result<Vec<Session>, CliError> {
    let mut sessions = Vec::new();
    let mut page_token = String::new();
    while sessions.len() < limit {
        let wanted = i32::try_from(limit - sessions.len())
            .unwrap_or(PAGE)
            .min(PAGE);
        let page = ListSessionsRequest {
            project: filter.project.clone(),
            status: filter.status.into(),
            page_size: wanted,
            page_token,
        };
        let page = service.list_sessions(request(page)).await?.into_inner();
        if page.damaged > 0 {
            eprintln!(
                "warning: {} damaged session rows were left out; run `shim doctor`",
                page.damaged
            );
        }
        sessions.extend(page.sessions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(sessions)
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
            if session.head_number == 0 {
                "-".to_owned()
            } else {
                percent(session.progress)
            },
            risk(session),
            tail(&session.project, PROJECT_WIDTH),
            one_line(
                if session.current_task.is_empty() {
                    &session.title
                } else {
                    &session.current_task
                },
                TASK_WIDTH,
            ),
        ]);
    }
    table
}

/// Where a session stands, in a word or two.
pub(super) fn status(session: &Session) -> String {
    let status = variant(session.status().as_str_name(), "SESSION_STATUS");
    match session.status() {
        SessionStatus::Active if !session.attached => format!("{status}, alone"),
        SessionStatus::Interrupted if session.dismissed_at.is_some() => "dismissed".to_owned(),
        _ => status,
    }
}

fn risk(session: &Session) -> String {
    match session.risk_level() {
        RiskLevel::Unspecified => "-".to_owned(),
        level => variant(level.as_str_name(), "RISK_LEVEL"),
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
