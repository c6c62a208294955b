//! `shim state watch`: the entries of a namespace, then a line for every change, until interrupted.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use shim_proto::coordination::v1::watch_state_response::Event;
use shim_proto::coordination::v1::{
    StateChange, StateEntry, WatchStateRequest, WatchStateResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::Site;
use super::list::{table, value};
use crate::caller::Place;
use crate::failure::Failure;
use crate::follow::{Followed, follow};
use crate::output::json;
use crate::output::text::{one_line, variant};

/// What to watch.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) place: Place,
    /// Only keys that begin so
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,
    /// Go on after this version instead of beginning with the entries there are
    #[arg(
        long,
        value_name = "VERSION",
        default_value_t = 0,
        hide_default_value = true
    )]
    after: u64,
    /// Print every event as canonical proto JSON (a WatchStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, site: Site, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let mut watched = Watched {
        args,
        site,
        snapshot: Vec::new(),
        out,
    };
    follow(args.after, &mut watched).await?;
    Ok(ExitCode::SUCCESS)
}

/// The entries of a namespace, told as they change.
struct Watched<'a> {
    args: &'a Args,
    site: Site,
    snapshot: Vec<StateEntry>,
    out: &'a mut dyn Write,
}

impl Followed for Watched<'_> {
    type Event = WatchStateResponse;
    type Position = u64;

    async fn open(
        &self,
        after_version: u64,
    ) -> Result<Response<Streaming<WatchStateResponse>>, Status> {
        let asked = WatchStateRequest {
            namespace: self.site.namespace.clone(),
            key_prefix: self.args.prefix.clone(),
            after_version,
        };
        let mut state = self.site.service.state.clone();
        state.watch_state(Request::new(asked)).await
    }

    fn opened(&mut self) {
        self.snapshot.clear();
    }

    async fn hear(&mut self, told: WatchStateResponse) -> Result<Option<u64>, Failure> {
        let version = match &told.event {
            Some(Event::Synced(synced)) => Some(synced.version),
            Some(Event::Changed(change)) => Some(change.version),
            Some(Event::Resync(_)) => Some(0),
            Some(Event::Entry(_)) | None => None,
        };
        if self.args.json {
            json::write_line(self.out, &told)?;
        } else {
            self.print(told)?;
        }
        self.out.flush()?;
        Ok(version)
    }
}

impl Watched<'_> {
    /// The snapshot is gathered and printed as one table; changes are printed as they come.
    fn print(&mut self, told: WatchStateResponse) -> io::Result<()> {
        match told.event {
            Some(Event::Entry(entry)) => self.snapshot.push(entry),
            Some(Event::Synced(synced)) => {
                if !self.snapshot.is_empty() {
                    table(&self.snapshot).print(self.out)?;
                }
                let (namespace, version) = (&self.site.namespace, synced.version);
                writeln!(
                    self.out,
                    "watching {namespace} after version {version}; Ctrl-C ends"
                )?;
                self.snapshot.clear();
            }
            Some(Event::Changed(change)) => {
                let clock = humantime::format_rfc3339_seconds(SystemTime::now());
                writeln!(self.out, "{clock}  {}", line(&change))?;
            }
            Some(Event::Resync(_)) => self.snapshot.clear(),
            None => {}
        }
        Ok(())
    }
}

fn line(change: &StateChange) -> String {
    let kind = variant(change.kind().as_str_name(), "STATE_CHANGE_KIND");
    let said = format!(
        "{:<8} {}  version {}",
        kind,
        one_line(&change.key, 200),
        change.version
    );
    match &change.entry {
        Some(entry) if entry.writer.is_empty() => format!("{said}  {}", value(entry)),
        Some(entry) => format!(
            "{said} by {}  {}",
            one_line(&entry.writer, 40),
            value(entry)
        ),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_is_told_in_a_line() {
        let mut change = StateChange {
            kind: 1,
            key: "plan".into(),
            version: 12,
            entry: Some(StateEntry {
                value: Some(json::read(r#"{"step":2}"#).unwrap()),
                writer: "me@here".into(),
                ..StateEntry::default()
            }),
            ..StateChange::default()
        };
        assert_eq!(
            line(&change),
            r#"put      plan  version 12 by me@here  {"step":2}"#
        );
        (change.kind, change.entry) = (4, None);
        assert_eq!(line(&change), "expired  plan  version 12");
    }
}
