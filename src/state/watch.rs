//! `shim state watch`: the entries of a namespace, then a line for every change, until interrupted.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::watch_state_response::Event;
use shim_proto::coordination::v1::{
    StateChange, StateEntry, WatchStateRequest, WatchStateResponse,
};
use shim_render::text::one_line;
use shim_render::words::state_change_kind;
use tonic::{Request, Response, Status, Streaming};

use super::client::{KeyArgs, StateClient};
use super::list::{table, value};
use crate::config::Config;
use crate::error::CliError;
use crate::event_stream::{EventStream, follow};
use crate::output::json;
use crate::output::time::clock;
use crate::workspace_args::NamespaceArgs;

/// What to watch.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    #[command(flatten)]
    keys: KeyArgs,
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

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let client = StateClient::connect(&args.namespace_args, config).await?;
    let mut printer = StatePrinter {
        args,
        client,
        snapshot: Vec::new(),
        out,
    };
    follow(args.after, &mut printer).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the entries of a namespace, then every change.
struct StatePrinter<'a> {
    args: &'a Args,
    client: StateClient,
    snapshot: Vec<StateEntry>,
    out: &'a mut dyn Write,
}

impl EventStream for StatePrinter<'_> {
    type Event = WatchStateResponse;
    type Position = u64;

    async fn open(
        &self,
        after_version: u64,
    ) -> Result<Response<Streaming<WatchStateResponse>>, Status> {
        let asked = WatchStateRequest {
            namespace: self.client.namespace.clone(),
            key_prefix: self.args.keys.prefix.clone(),
            after_version,
        };
        let mut state = self.client.service.state.clone();
        state.watch_state(Request::new(asked)).await
    }

    fn on_open(&mut self) {
        self.snapshot.clear();
    }

    async fn on_event(&mut self, response: WatchStateResponse) -> Result<Option<u64>, CliError> {
        let version = match &response.event {
            Some(Event::Synced(synced)) => Some(synced.version),
            Some(Event::Changed(change)) => Some(change.version),
            Some(Event::Resync(_)) => Some(0),
            Some(Event::Entry(_)) | None => None,
        };
        if self.args.json {
            json::write_line(self.out, &response)?;
        } else {
            self.print(response)?;
        }
        self.out.flush()?;
        Ok(version)
    }
}

impl StatePrinter<'_> {
    /// The snapshot is gathered and printed as one table; changes are printed as they come.
    fn print(&mut self, response: WatchStateResponse) -> io::Result<()> {
        match response.event {
            Some(Event::Entry(entry)) => self.snapshot.push(entry),
            Some(Event::Synced(synced)) => {
                if !self.snapshot.is_empty() {
                    table(&self.snapshot).print(self.out)?;
                }
                let (namespace, version) = (&self.client.namespace, synced.version);
                writeln!(
                    self.out,
                    "watching {namespace} after version {version}; Ctrl-C ends"
                )?;
                self.snapshot.clear();
            }
            Some(Event::Changed(change)) => {
                writeln!(self.out, "{}  {}", clock(), line(&change))?;
            }
            Some(Event::Resync(_)) => self.snapshot.clear(),
            None => {}
        }
        Ok(())
    }
}

fn line(change: &StateChange) -> String {
    let kind = state_change_kind(change.kind());
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
