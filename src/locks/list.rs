//! `shim locks list`: the held locks of a namespace.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::coordination::v1::{ListLocksRequest, ListLocksResponse, Lock};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_render::text::{one_line, title};

use crate::connection::{Coordination, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::ago;
use crate::pages::pages;
use crate::workspace_args::NamespaceArgs;

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
    let listed = ListLocksResponse {
        locks,
        ..ListLocksResponse::default()
    };
    emit(args.json, &listed, out, |out| {
        print(&listed.locks, &namespace, out)
    })
}

pub(super) fn print(locks: &[Lock], namespace: &str, out: &mut dyn Write) -> io::Result<()> {
    if locks.is_empty() {
        return writeln!(out, "no locks are held in {namespace}");
    }
    table(locks).print(out)
}

async fn list_all(service: &mut Coordination, namespace: &str) -> Result<Vec<Lock>, CliError> {
    pages(usize::MAX, MAX_PAGE_SIZE, async |size, page_token| {
        let page = ListLocksRequest {
            namespace: namespace.to_owned(),
            page_size: size.cast_signed(),
            page_token,
        };
        let page = call(service.locks.list_locks(request(page))).await?;
        Ok((page.locks, page.next_page_token))
    })
    .await
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
            title(&lock.name, NAME_WIDTH),
            one_line(&lock.owner, NAME_WIDTH),
            lock.fencing_token.to_string(),
            ago(lock.acquired_at.as_ref()),
            ago(lock.expires_at.as_ref()),
            one_line(&lock.purpose, NAME_WIDTH),
        ]);
    }
    table
}
