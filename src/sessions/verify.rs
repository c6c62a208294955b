//! `shim sessions verify`: every row of the local database is read and checked against the sealed records, the chain and
//! the other tables; of a service elsewhere, the checkpoints as it answers them. Names the databases that were set aside.
//! Exit code 1 if anything is wrong.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use shim_checkpoint::{Integrity, SealVerdict, VerifyReport, VerifyScope, database_path};
use shim_proto::checkpoint::v1::ListSessionsRequest;
use shim_proto::reasons::DATABASE_REPLACED;
use shim_render::figures::count;
use shim_render::text::{one_line, short_id};
use shim_runtime::client::Endpoint;
use shim_runtime::service_error::decode;
use shim_runtime::stack::StackState;

use super::gaps::set_aside_line;
use super::pages::{SessionFilter, list_all};
use super::{find, verify_remote};
use crate::config::Config;
use crate::connection::{self, request};
use crate::error::CliError;

/// What to verify.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 if everything is intact, 1 if anything is not.")]
pub(crate) struct Args {
    /// Only this session [default: all, and what belongs to none]
    session: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    set_aside: &[PathBuf],
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let is_local =
        config.runtime.endpoints.checkpoint.is_none() && database_path(config.data_dir()).exists();
    let report = if is_local {
        in_database(args, config).await?
    } else {
        through_service(args, config).await?
    };
    if args.json {
        print_json(&report, set_aside, out)?;
    } else {
        print(&report, set_aside, out)?;
    }
    Ok(if report.fault_count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Reads the database itself, whether or not the stack runs: a service does not answer what it cannot read.
async fn in_database(args: &Args, config: &Config) -> Result<VerifyReport, CliError> {
    let session = match &args.session {
        Some(typed) => Some(
            find::session(&mut connection::checkpoints(config).await?, typed)
                .await?
                .id,
        ),
        None => None,
    };
    refuse_useless(config).await?;
    let data_dir = config.data_dir().to_path_buf();
    let seal_key = config
        .checkpoint
        .seal_key(&data_dir)
        .map_err(CliError::new)?;
    let scope = VerifyScope {
        session,
        seal_key,
        deadline: None,
    };
    let reading = tokio::task::spawn_blocking(move || shim_checkpoint::verify(&data_dir, &scope));
    let read = reading.await.map_err(|e| CliError::new(e.to_string()))?;
    read.map_err(|why| {
        CliError::new(format!("the database cannot be read: {why}")).hint("run `shim doctor`")
    })
}

/// A file that no stack opens, or that the running one does not use, holds nothing to be called intact.
async fn refuse_useless(config: &Config) -> Result<(), CliError> {
    let data_dir = config.data_dir().to_path_buf();
    let is_empty = database_path(&data_dir)
        .metadata()
        .is_ok_and(|meta| meta.len() == 0);
    let inspecting = tokio::task::spawn_blocking(move || shim_checkpoint::inspect(&data_dir));
    let verdict = inspecting.await.map_err(|e| CliError::new(e.to_string()))?;
    match verdict {
        Integrity::Refused(why) => {
            return Err(
                CliError::new(format!("the stack refuses the database: {why}"))
                    .hint("run `shim doctor`"),
            );
        }
        Integrity::Damaged(what) if is_empty => {
            return Err(
                CliError::new(format!("the database is damaged: {what}")).hint("run `shim doctor`")
            );
        }
        // Other damage is named row by row.
        _ => {}
    }
    let StackState::Running(info) = config.stack().state() else {
        return Ok(());
    };
    let mut service = connection::checkpoints_at(config, &Endpoint::Unix(info.socket))?;
    let asked = ListSessionsRequest {
        page_size: 1,
        ..ListSessionsRequest::default()
    };
    match service.list_sessions(request(asked)).await {
        Err(status) if decode(&status).reason == DATABASE_REPLACED => Err(status.into()),
        _ => Ok(()),
    }
}

async fn through_service(args: &Args, config: &Config) -> Result<VerifyReport, CliError> {
    let mut service = connection::checkpoints(config).await?;
    let sessions = match &args.session {
        Some(typed) => vec![find::session(&mut service, typed).await?],
        None => list_all(&mut service, &SessionFilter::default(), usize::MAX).await?,
    };
    verify_remote::verify(&mut service, &sessions).await
}

fn print(report: &VerifyReport, set_aside: &[PathBuf], out: &mut dyn Write) -> io::Result<()> {
    for fault in &report.faults {
        let whose = match fault.session.as_str() {
            "" => "database",
            id => short_id(id),
        };
        writeln!(out, "{whose}  {}", one_line(&fault.what, 300))?;
    }
    let named = report.faults.len() as u64;
    if report.fault_count > named {
        writeln!(
            out,
            "and {}",
            count(report.fault_count - named, "more fault")
        )?;
    }
    for file in set_aside {
        writeln!(out, "{}", set_aside_line(file))?;
    }
    if let Some(line) = seal_line(report) {
        writeln!(out, "{line}")?;
    }
    let checkpoints = count(report.checkpoints, "checkpoint");
    let sessions = count(report.sessions, "session");
    let found = verdict(report.fault_count, set_aside.len());
    writeln!(out, "checked {checkpoints} in {sessions}: {found}")
}

fn seal_line(report: &VerifyReport) -> Option<String> {
    let since = report
        .sealed_since
        .and_then(|since| u64::try_from(since).ok());
    let since = since.map(|since| UNIX_EPOCH + Duration::from_secs(since));
    let since = since.map(humantime::format_rfc3339_seconds);
    match (report.seals, since) {
        (SealVerdict::Checked, Some(since)) => Some(format!("seals checked; sealed since {since}")),
        (SealVerdict::NotChecked, _) => Some(
            "the seals were not checked: checkpoint.seal_key_file names the key they were made with".to_owned(),
        ),
        _ => None,
    }
}

/// A database that was set aside is no fault of what is here, but what is here may not be all there was.
fn verdict(faults: u64, set_aside: usize) -> String {
    match (faults, set_aside) {
        (0, 0) => "all intact".to_owned(),
        (0, files) => {
            let files = count(files as u64, "database");
            format!("what is here is intact; {files} set aside may hold more")
        }
        (faults, _) => count(faults, "fault"),
    }
}

fn print_json(report: &VerifyReport, set_aside: &[PathBuf], out: &mut dyn Write) -> io::Result<()> {
    let fault =
        |fault: &shim_checkpoint::Fault| json!({"session": fault.session, "what": fault.what});
    let seals = match report.seals {
        SealVerdict::None => "none",
        SealVerdict::NotChecked => "not_checked",
        SealVerdict::Checked => "checked",
    };
    let answer = json!({
        "intact": report.fault_count == 0,
        "sessions": report.sessions,
        "checkpoints": report.checkpoints,
        "signals": report.signals,
        "other_rows": report.other_rows,
        "fault_count": report.fault_count,
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "set_aside": set_aside,
        "seals": seals,
        "sealed_since": report.sealed_since,
        "checked_at": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    });
    writeln!(out, "{answer}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_checkpoint::Fault;

    use super::*;

    #[test]
    fn faults_are_told_one_a_line_and_counted() {
        let fault = |session: &str, what: &str| Fault {
            session: session.into(),
            what: what.into(),
        };
        let report = VerifyReport {
            sessions: 2,
            checkpoints: 7,
            signals: 3,
            other_rows: 1,
            fault_count: 5,
            faults: vec![
                fault("0199a000-0000-7000-8000-00009a0b1c2d", "#3 is missing"),
                fault("", "has the trigger \"x\", which no SHIM made\nchecked"),
            ],
            is_complete: true,
            seals: SealVerdict::Checked,
            sealed_since: Some(1_000_000_000),
        };
        let mut text = Vec::new();
        print(&report, &[], &mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "9a0b1c2d  #3 is missing\n\
             database  has the trigger \"x\", which no SHIM made checked\n\
             and 3 more faults\n\
             seals checked; sealed since 2001-09-09T01:46:40Z\n\
             checked 7 checkpoints in 2 sessions: 5 faults\n"
        );
        let mut line = Vec::new();
        print_json(&report, &[], &mut line).unwrap();
        let parsed: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            (&parsed["intact"], &parsed["fault_count"], &parsed["seals"]),
            (&json!(false), &json!(5), &json!("checked"))
        );
    }

    #[test]
    fn what_was_set_aside_may_hold_more() {
        assert_eq!(verdict(0, 0), "all intact");
        assert_eq!(verdict(2, 1), "2 faults");
        assert!(verdict(0, 1).contains("what is here is intact; 1 database set aside"));
    }
}
