//! Writing the plugin, or showing what would be written.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::super::args::Args;
use super::super::rules::Server;
use super::super::write::{Edit, Written, read, without_mark, write_all};
use super::call::Call;
use super::location::{Location, without_ours};
use super::record::{RECORD_FILE, Record};
use super::status_line;
use crate::config::Config;
use crate::error::CliError;

/// Writes the plugin.
pub(crate) fn install(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let location = Location::of(args.project)?;
    let call = Call::of(config, args.project)?;
    // A project's status line would hide that of everybody who works on it.
    let has_status_line = !args.project && !args.no_status_line;
    if args.print {
        let permission = args.permissions.of_print(Server::Plugin);
        let edits = location.edits(&call, &permission, has_status_line)?;
        edits.iter().try_for_each(|edit| edit.preview(out))?;
        return Ok(ExitCode::SUCCESS);
    }
    // Everything is looked at before anything is written.
    let plan = &args.permissions;
    let permission = plan.plan(Server::Plugin, &location.settings, out)?;
    let edits = location.edits(&call, &permission, has_status_line)?;
    let written = write_all(&edits.iter().collect::<Vec<_>>(), out)?;
    if !args.project {
        remember(&location, &written)?;
    }
    if written.is_empty() {
        let folder = location.folder.display();
        writeln!(out, "Claude Code has the plugin already: {folder}")?;
    } else {
        writeln!(out, "{}", next_step(args.project))?;
    }
    if has_status_line && is_foreign(&location.settings) {
        writeln!(
            out,
            "the status line in the settings is no command; it was left as it is"
        )?;
    }
    if let Some(said) = permission.said {
        writeln!(out, "{said}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn next_step(is_project: bool) -> &'static str {
    match is_project {
        false => {
            "Claude Code has the plugin; start a new session: /mcp shows its server, /shim:status what is kept"
        }
        true => {
            "the project has the plugin; Claude Code loads it in this folder for everybody who has `shim` on the PATH and \
             trusts the folder, in the next session"
        }
    }
}

/// Whether the settings have a status line that cannot be wrapped.
fn is_foreign(settings: &Path) -> bool {
    let text = read(settings).unwrap_or_default();
    let settings: Value = serde_json::from_str(without_mark(&text)).unwrap_or_default();
    status_line::found(&settings) == status_line::Found::Unknown
}

/// Keeps what is known of the settings as they were.
fn remember(location: &Location, written: &[Written]) -> Result<(), CliError> {
    let changes = written.iter().filter(|it| it.path == location.settings);
    let record = changes.fold(Record::read(&location.folder), |record, change| {
        let had_ours = without_ours(&change.before).is_ok_and(|left| left != change.before);
        record.with(change, had_ours)
    });
    let path = location.folder.join(RECORD_FILE);
    let edit = match record.is_empty() {
        true => Edit::removal(&path)?,
        false => Edit::own(&path, |_| record.text())?,
    };
    let edits = [&edit].into_iter().filter(|edit| edit.changes());
    write_all(&edits.collect::<Vec<_>>(), &mut io::sink()).map(drop)
}
