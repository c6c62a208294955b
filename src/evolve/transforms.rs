//! `shim evolve transforms`: the transforms there are.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::evolution::v1::{ListTransformsRequest, ListTransformsResponse};
use shim_render::text::one_line;

use super::words::risk;
use crate::connection::{Evolution as Service, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};

/// How to print them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print canonical proto JSON (a ListTransformsResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Service,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let listed = call(service.list_transforms(request(ListTransformsRequest {}))).await?;
    emit(args.json, &listed, out, |out| print(&listed, out))
}

pub(super) fn print(listed: &ListTransformsResponse, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("TRANSFORM", Align::Left),
        ("RISK", Align::Left),
        ("ENGINE", Align::Left),
        ("WHAT IT DOES", Align::Left),
    ]);
    for transform in &listed.transforms {
        table.row([
            one_line(&transform.name, 64),
            risk(transform.risk()).to_owned(),
            one_line(&transform.engine, 20),
            one_line(&transform.description, 200),
        ]);
    }
    table.print(out)
}
