//! `shim sessions diff`: what changed between two checkpoints.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::checkpoint::v1::{DiffCheckpointsRequest, FieldChange};
use shim_render::text::entry;

use super::find;
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::output::emit::emit;

const VALUE_WIDTH: usize = 200;

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The older checkpoint: its id, or SESSION:NUMBER
    from: String,
    /// The newer checkpoint: its id, or SESSION:NUMBER, or SESSION for its newest
    to: String,
    /// Print canonical proto JSON (a DiffCheckpointsResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = DiffCheckpointsRequest {
        from_checkpoint_id: find::checkpoint(&mut service, &args.from).await?.id,
        to_checkpoint_id: find::checkpoint(&mut service, &args.to).await?.id,
    };
    let diff = call(service.diff_checkpoints(request(asked))).await?;
    emit(args.json, &diff, out, |out| print(&diff.changes, out))
}

pub(super) fn print(changes: &[FieldChange], out: &mut dyn Write) -> io::Result<()> {
    if changes.is_empty() {
        return writeln!(out, "no difference");
    }
    changes
        .iter()
        .try_for_each(|change| print_change(change, out))
}

fn print_change(change: &FieldChange, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", change.field)?;
    let before = Some(&change.before).filter(|value| !value.is_empty());
    let after = Some(&change.after).filter(|value| !value.is_empty());
    for value in before.into_iter().chain(&change.removed) {
        writeln!(out, "  - {}", entry(value, VALUE_WIDTH))?;
    }
    for value in after.into_iter().chain(&change.added) {
        writeln!(out, "  + {}", entry(value, VALUE_WIDTH))?;
    }
    Ok(())
}
