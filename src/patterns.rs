//! `shim patterns`: what became of evolutions, by transform, and how sure the next ones are by it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_proto::evolution::v1::{ListPatternsRequest, ListPatternsResponse, Pattern};
use shim_render::figures::percent;
use shim_render::text::{name, one_line};
use shim_render::time::{ago, moment};

use crate::config::Config;
use crate::connection::{self, call, request};
use crate::error::CliError;
use crate::evolve::paths::absolute_path;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::now;

/// Which patterns.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Of this project, beside those of all projects [default: of every project]
    path: Option<PathBuf>,
    /// Of this transform [default: of all]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    transform: String,
    /// Say where each figure comes from, too
    #[arg(long)]
    explain: bool,
    /// Print canonical proto JSON (a ListPatternsResponse)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim patterns
  shim patterns . --explain
  shim patterns --transform dead-code --json

KEPT is the mean of a Beta posterior, LIKELY its 90 % interval: before anything is known every share is as likely as any
other. An outcome counts half after 90 days.";

/// Lists them.
pub(crate) async fn run(
    args: Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let path = args.path.as_deref().map(absolute_path).transpose()?;
    let asked = ListPatternsRequest {
        path: path.unwrap_or_default(),
        transform: args.transform,
    };
    let mut service = connection::evolution(config).await?;
    let listed = call(service.list_patterns(request(asked))).await?;
    emit(args.json, &listed, out, |out| {
        print(&listed, args.explain, out)
    })
}

fn print(listed: &ListPatternsResponse, explain: bool, out: &mut dyn Write) -> io::Result<()> {
    if listed.patterns.is_empty() {
        return writeln!(
            out,
            "nothing is known yet; what is approved, rejected or taken back is remembered"
        );
    }
    let mut table = Table::new(&[
        ("TRANSFORM", Align::Left),
        ("KEPT", Align::Right),
        ("LIKELY", Align::Left),
        ("ACCEPTED", Align::Right),
        ("REJECTED", Align::Right),
        ("REVERTED", Align::Right),
        ("BROKEN", Align::Right),
        ("LAST", Align::Left),
        ("WHERE", Align::Left),
    ]);
    for pattern in &listed.patterns {
        let it = pattern.confidence.clone().unwrap_or_default();
        let at = moment(pattern.last_at.as_ref());
        table.row([
            one_line(&pattern.transform, 64),
            percent(it.mean),
            format!("{}..{}", percent(it.low), percent(it.high)),
            it.accepted.to_string(),
            it.rejected.to_string(),
            it.reverted.to_string(),
            it.broken.to_string(),
            at.map_or("-".to_owned(), |at| ago(at, now())),
            name(&pattern.context, 120),
        ]);
    }
    table.print(out)?;
    if explain {
        print_explanations(&listed.patterns, out)?;
    }
    Ok(())
}

/// Where each figure comes from.
fn print_explanations(patterns: &[Pattern], out: &mut dyn Write) -> io::Result<()> {
    for pattern in patterns {
        let why = pattern.confidence.as_ref().map_or("", |it| &it.explanation);
        let (transform, context) = (&pattern.transform, &pattern.context);
        writeln!(
            out,
            "{} in {}: {}",
            one_line(transform, 64),
            name(context, 120),
            one_line(why, 400)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shim_proto::evolution::v1::Confidence;

    use super::*;
    use crate::samples::both_faces;

    #[test]
    fn patterns_are_listed_with_their_counts() {
        let listed = ListPatternsResponse {
            patterns: vec![Pattern {
                transform: "no-var".into(),
                context: "all projects".into(),
                confidence: Some(Confidence {
                    mean: 0.75,
                    low: 0.5,
                    high: 0.9,
                    accepted: 5,
                    rejected: 1,
                    explanation: "in all projects 5 of 6 were kept".into(),
                    ..Confidence::default()
                }),
                ..Pattern::default()
            }],
        };
        insta::assert_snapshot!(both_faces(&listed, |out| print(&listed, true, out)));
        let none = ListPatternsResponse::default();
        insta::assert_snapshot!(
            "none",
            crate::samples::printed(|out| print(&none, true, out))
        );
    }
}
