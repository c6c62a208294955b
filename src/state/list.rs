//! `shim state list`: the entries of a namespace.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{ListStateRequest, ListStateResponse, StateEntry};

use super::StateClient;
use crate::connection::request;
use crate::error::CliError;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::text::one_line;
use crate::output::time::ago;
use crate::workspace_args::NamespaceArgs;

const PAGE: i32 = 1_000;
const KEY_WIDTH: usize = 60;
const VALUE_WIDTH: usize = 60;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) namespace_args: NamespaceArgs,
    /// Only keys that begin so
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    prefix: String,
    /// How many at most
    #[arg(long, default_value_t = 200, value_name = "N")]
    limit: usize,
    /// Print canonical proto JSON (a ListStateResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut client: StateClient,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let entries = list_all(&mut client, args).await?;
    if args.json {
        let listed = ListStateResponse {
            entries,
            ..ListStateResponse::default()
        };
        json::write_line(out, &listed)?;
    } else if entries.is_empty() {
        writeln!(out, "no state in {}", client.namespace)?;
    } else {
        table(&entries).print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list_all(client: &mut StateClient, args: &Args) -> Result<Vec<StateEntry>, CliError> {
    let mut entries = Vec::new();
    let mut page_token = String::new();
    while entries.len() < args.limit {
        let page = ListStateRequest {
            namespace: client.namespace.clone(),
            key_prefix: args.prefix.clone(),
            page_size: i32::try_from(args.limit - entries.len())
                .unwrap_or(PAGE)
                .min(PAGE),
            page_token,
        };
        let listed = client.service.state.list_state(request(page)).await?;
        let page = listed.into_inner();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(entries)
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
            one_line(&entry.key, KEY_WIDTH),
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
