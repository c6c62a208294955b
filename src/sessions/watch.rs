//! `shim sessions watch`: a line for every change, until interrupted.
//!
//! The contract has no stream of all sessions, so the list is read again every second; only what differs is printed.

use std::collections::HashMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use shim_proto::checkpoint::v1::{Session, SessionStatus};
use shim_render::figures::percent;
use shim_render::text::{one_line, short_id};
use shim_render::words::{interruption_cause, phrase, risk_level};

use super::list::status;
use super::pages::{SessionFilter, list_all};
use crate::connection::Checkpoints;
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::time::clock;
use crate::workspace_args::project;

const INTERVAL: Duration = Duration::from_secs(1);
/// The list begins with the most recently changed sessions, so a session that changes moves into this many.
const WATCHED: usize = 200;

/// What to watch.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only sessions of this project
    #[arg(long, value_name = "PROJECT", value_parser = NonEmptyStringValueParser::new())]
    project: Option<String>,
    /// Print each changed session as canonical proto JSON (a Session)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let filter = SessionFilter {
        project: project(args.project.as_deref())?,
        status: SessionStatus::Unspecified,
    };
    let mut seen: HashMap<String, Session> = HashMap::new();
    let mut first = true;
    loop {
        let sessions = list_all(&mut service, &filter, WATCHED).await?;
        for session in sessions.into_iter().rev() {
            let before = seen.insert(session.id.clone(), session.clone());
            if first || before.as_ref() == Some(&session) {
                continue;
            }
            emit(args.json, &session, out, |out| {
                print_change(before.as_ref(), &session, out)
            })?;
        }
        if first && !args.json {
            writeln!(out, "watching {} sessions; Ctrl-C ends", seen.len())?;
        }
        first = false;
        out.flush()?;
        tokio::time::sleep(INTERVAL).await;
    }
}

fn print_change(before: Option<&Session>, now: &Session, out: &mut dyn Write) -> io::Result<()> {
    let changes = changes(before, now);
    if changes.is_empty() {
        return Ok(());
    }
    let (id, changes) = (short_id(&now.id), changes.join("; "));
    writeln!(out, "{}  {id}  {changes}", clock())
}

/// What differs, in words; heartbeats and other silent updates yield nothing.
fn changes(before: Option<&Session>, now: &Session) -> Vec<String> {
    let mut said = Vec::new();
    if before.is_none() {
        said.push(format!("opened for {}", one_line(&now.project, 60)));
    }
    let was = |read: fn(&Session) -> u64| before.map_or(0, read);
    if now.head_number > was(|session| session.head_number) {
        let task = one_line(&now.current_task, 60);
        said.push(format!(
            "saved #{} at {}: {task}",
            now.head_number,
            percent(now.progress)
        ));
    }
    if before.is_some_and(|before| before.epoch != now.epoch) {
        said.push(format!("restored, epoch {}", now.epoch));
    }
    if before.is_some_and(|before| status(before) != status(now)) {
        let interruption = now.interruption.as_ref();
        let cause = interruption.map(|it| phrase(interruption_cause(it.cause())));
        said.push(match (now.status(), cause) {
            (SessionStatus::Interrupted, Some(cause)) => format!("{}: {cause}", status(now)),
            _ => status(now),
        });
    }
    if before.is_some_and(|before| before.risk_level != now.risk_level) {
        said.push(format!("risk {}", risk_level(now.risk_level())));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_said() {
        let before = Session {
            head_number: 1,
            epoch: 1,
            status: SessionStatus::Active.into(),
            ..Session::default()
        };
        let saved = Session {
            head_number: 2,
            progress: 0.5,
            current_task: "t".into(),
            ..before.clone()
        };
        assert_eq!(changes(Some(&before), &saved), ["saved #2 at 50 %: t"]);
        assert!(changes(Some(&saved), &saved).is_empty());
        let restored = Session {
            epoch: 2,
            ..saved.clone()
        };
        assert_eq!(changes(Some(&saved), &restored), ["restored, epoch 2"]);
    }
}
