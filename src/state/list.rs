//! `shim state list`: the entries of a namespace.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{ListStateResponse, StateEntry};
use shim_render::text::{one_line, title};

use super::client::{KeyArgs, StateClient};
use crate::config::Config;
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::time::ago;
use crate::workspace_args::NamespaceArgs;

const KEY_WIDTH: usize = 60;
const VALUE_WIDTH: usize = 60;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    namespace_args: NamespaceArgs,
    #[command(flatten)]
    keys: KeyArgs,
    /// How many at most
    #[arg(long, default_value_t = 200, value_name = "N")]
    limit: usize,
    /// Print canonical proto JSON (a ListStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut client = StateClient::connect(&args.namespace_args, config).await?;
    let entries = client.entries(&args.keys, args.limit).await?;
    let listed = ListStateResponse {
        entries,
        ..ListStateResponse::default()
    };
    emit(args.json, &listed, out, |out| {
        print(&listed.entries, &client.namespace, out)
    })
}

pub(super) fn print(
    entries: &[StateEntry],
    namespace: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    if entries.is_empty() {
        return writeln!(out, "no state in {namespace}");
    }
    table(entries).print(out)
}

/// Entries as a table.
pub(super) fn table(entries: &[StateEntry]) -> Table {
    let mut table = Table::new(&[
        ("KEY", Align::Left),
        ("VERSION", Align::Right),
        ("WRITTEN", Align::Left),
        ("GOES", Align::Left),
        ("WRITER", Align::Left),
        ("VALUE", Align::Left),
    ]);
    for entry in entries {
        table.row([
            title(&entry.key, KEY_WIDTH),
            entry.version.to_string(),
            ago(entry.updated_at.as_ref()),
            ago(entry.expires_at.as_ref()),
            one_line(&entry.writer, 32),
            value(entry),
        ]);
    }
    table
}

/// The beginning of a value on one line.
pub(super) fn value(entry: &StateEntry) -> String {
    let value = entry.value.as_ref().map(json::free_form);
    one_line(
        &value.map_or_else(String::new, |value| value.to_string()),
        VALUE_WIDTH,
    )
}
