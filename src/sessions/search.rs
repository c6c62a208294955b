//! `shim sessions search`: full-text search over what was saved.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use shim_proto::checkpoint::v1::{SearchCheckpointsRequest, SearchHit};
use shim_proto::limits::checkpoint::MAX_RESULTS;
use shim_render::text::{one_line, short_id};

use super::find;
use crate::connection::{Checkpoints, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::say;
use crate::output::time::ago;
use crate::workspace_args::project;

/// What to search for, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The words; all must occur; "..." keeps a phrase together
    #[arg(required = true)]
    words: Vec<String>,
    /// Only this project
    #[arg(long, value_name = "PROJECT", value_parser = NonEmptyStringValueParser::new())]
    project: Option<String>,
    /// Only this session
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// How many hits at most
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_RESULTS)))]
    limit: i32,
    /// Print canonical proto JSON (a SearchCheckpointsResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Checkpoints,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let session_id = match &args.session {
        Some(typed) => find::session(&mut service, typed).await?.id,
        None => String::new(),
    };
    let query = SearchCheckpointsRequest {
        query: args.words.join(" "),
        project: project(args.project.as_deref())?,
        session_id,
        limit: args.limit,
    };
    let found = call(service.search_checkpoints(request(query))).await?;
    emit(args.json, &found, out, |out| print(&found.hits, out))?;
    if found.incomplete {
        say::line(format_args!(
            "note: the search took too long to look through older checkpoints; --project or --session makes it shorter"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print(hits: &[SearchHit], out: &mut dyn Write) -> io::Result<()> {
    if hits.is_empty() {
        return writeln!(out, "nothing found");
    }
    for hit in hits {
        let Some(checkpoint) = &hit.checkpoint else {
            continue;
        };
        writeln!(
            out,
            "{}:{}  {}  {}",
            short_id(&checkpoint.session_id),
            checkpoint.number,
            ago(checkpoint.created_at.as_ref()),
            one_line(&hit.project, 60)
        )?;
        writeln!(out, "  > {}", one_line(&hit.snippet, 200))?;
    }
    Ok(())
}
