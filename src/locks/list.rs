//! `shim locks list`: the held locks of a namespace.

use std::io::Write;
use std::process::ExitCode;

use shim_proto::coordination::v1::{ListLocksRequest, ListLocksResponse, Lock};

use crate::connection::{Coordination, request};
use crate::error::CliError;
use crate::output::json;
use crate::output::table::{Align, Table};
use crate::output::text::one_line;
use crate::output::time::ago;
use crate::workspace_args::NamespaceArgs;

const PAGE: i32 = 1_000;
const NAME_WIDTH: usize = 48;

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) namespace_args: NamespaceArgs,
    /// Print canonical proto JSON (a ListLocksResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    namespace: String,
    mut service: Coordination,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let locks = list_all(&mut service, &namespace).await?;
    if args.json {
        let listed = ListLocksResponse {
            locks,
            ..ListLocksResponse::default()
        };
        json::write_line(out, &listed)?;
    } else if locks.is_empty() {
        writeln!(out, "no locks are held in {namespace}")?;
    } else {
        table(&locks).print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list_all(service: &mut Coordination, namespace: &str) -> Result<Vec<Lock>, CliError> {
    let mut locks = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = ListLocksRequest {
            namespace: namespace.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = service.locks.list_locks(request(page)).await?.into_inner();
        locks.extend(page.locks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(locks);
        }
    }
}

fn table(locks: &[Lock]) -> Table {
    let mut table = Table::new(&[
        ("LOCK", Align::Left),
        ("OWNER", Align::Left),
        ("TOKEN", Align::Right),
        ("ACQUIRED", Align::Left),
        ("GOES", Align::Left),
        ("PURPOSE", Align::Left),
    ]);
    for lock in locks {
        table.row([
            one_line(&lock.name, NAME_WIDTH),
            one_line(&lock.owner, NAME_WIDTH),
            lock.fencing_token.to_string(),
            ago(lock.acquired_at.as_ref()),
            ago(lock.expires_at.as_ref()),
            one_line(&lock.purpose, NAME_WIDTH),
        ]);
    }
    table
}
