//! `shim evolve PATH`: proposes changes and touches nothing.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use shim_proto::evolution::v1::evolve_code_response::Event;
use shim_proto::evolution::v1::{
    Evolution, EvolveCodeRequest, EvolveCodeSummary, RefusedTransform, UnreadFile,
};
use shim_proto::limits::evolution::{MAX_OPTIONS_BYTES, MAX_PROPOSALS};
use shim_render::figures::count;
use shim_render::text::{name, short_id};
use tonic::Request;

use super::nightly::{self, Nightly};
use super::paths::absolute_path;
use super::progress::ProgressLine;
use super::trust;
use super::words::{confidence, risk, size};
use crate::config::Config;
use crate::connection::{self, Evolution as Service, call, request_id};
use crate::error::CliError;
use crate::json_object::parse_object;
use crate::output::json;
use crate::output::table::{Align, Table};

/// What to propose.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The project, or a file or folder in it
    #[arg(default_value = ".")]
    path: PathBuf,
    /// A transform; may be given again [default: all; `shim evolve transforms` lists them]
    #[arg(long, value_name = "NAME")]
    transform: Vec<String>,
    /// Only this file or folder, relative to PATH; may be given again
    #[arg(long, value_name = "PATH")]
    include: Vec<String>,
    /// A jscodeshift transform of yours; it needs a trusted project, since it runs
    #[arg(long, value_name = "FILE")]
    custom: Option<PathBuf>,
    /// Its options, a JSON object; - reads stdin
    #[arg(long, value_name = "JSON", requires = "custom")]
    options: Option<String>,
    /// The most proposals, best first [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PROPOSALS)))]
    limit: Option<u32>,
    /// Analyze and propose every night instead of now; places that were proposed before are left out
    #[arg(long, conflicts_with_all = ["custom", "json"])]
    nightly: bool,
    /// When, as five cron fields in UTC
    #[arg(
        long,
        value_name = "CRON",
        requires = "nightly",
        default_value = "0 3 * * *"
    )]
    at: String,
    /// Propose nothing at night any more
    #[arg(long, conflicts_with_all = ["nightly", "custom", "json", "transform", "include", "limit"])]
    no_nightly: bool,
    /// Print canonical proto JSON, a line for each message (an EvolveCodeResponse)
    #[arg(long)]
    json: bool,
}

impl Args {
    fn request(&self) -> Result<EvolveCodeRequest, CliError> {
        let options = self.options.as_deref();
        let options = options.map(|it| parse_object("--options", it, MAX_OPTIONS_BYTES));
        Ok(EvolveCodeRequest {
            request_id: request_id(),
            path: absolute_path(&self.path)?,
            include: self.include.clone(),
            transforms: self.transform.clone(),
            custom_transform: match &self.custom {
                Some(custom) => absolute_path(custom)?,
                None => String::new(),
            },
            custom_options: options.transpose()?,
            limit: self.limit.unwrap_or_default(),
        })
    }
}

pub(super) async fn run(
    args: Args,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    if args.no_nightly {
        return nightly::remove(&nightly::project(&args.path)?, config, out).await;
    }
    if args.nightly {
        let wanted = Nightly {
            path: nightly::project(&args.path)?,
            at: args.at,
            limit: args.limit,
            include: args.include,
            transforms: args.transform,
        };
        return nightly::set(&wanted, config, out).await;
    }
    let mut asked = args.request()?;
    let mut service = connection::evolution(config).await?;
    let first = propose(&mut service, asked.clone(), args.json, out).await;
    let (proposals, summary) = match first {
        Err(refused) if trust::ask(&refused, &asked.path, &mut service).await? => {
            asked.request_id = request_id();
            propose(&mut service, asked, args.json, out).await?
        }
        other => other?,
    };
    if !args.json {
        print(&proposals, &summary, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn propose(
    service: &mut Service,
    asked: EvolveCodeRequest,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(Vec<Evolution>, EvolveCodeSummary), CliError> {
    let mut stream = call(service.evolve_code(Request::new(asked))).await?;
    let (mut proposals, mut summary) = (Vec::new(), EvolveCodeSummary::default());
    let mut progress = ProgressLine::new();
    while let Some(message) = stream.message().await? {
        match &message.event {
            Some(Event::Progress(done)) => {
                progress.tell(done);
                continue;
            }
            Some(Event::Evolution(evolution)) => proposals.push(evolution.clone()),
            Some(Event::Summary(end)) => summary = end.clone(),
            None => {}
        }
        if as_json {
            progress.clear();
            json::write_line(out, &message)?;
            out.flush()?;
        }
    }
    progress.clear();
    Ok((proposals, summary))
}

pub(super) fn print(
    proposals: &[Evolution],
    summary: &EvolveCodeSummary,
    out: &mut dyn Write,
) -> io::Result<()> {
    if proposals.is_empty() {
        writeln!(out, "nothing to propose")?;
    } else {
        table(proposals).print(out)?;
        let first = proposals
            .first()
            .map_or("", |it| short_id(&it.evolution_id));
        writeln!(
            out,
            "nothing was changed; `shim evolve show {first}` shows the first one, `shim evolve approve {first}` applies and verifies it"
        )?;
    }
    for refused in &summary.refused {
        print_refused(refused, out)?;
    }
    let nothing = summary.without_changes.iter();
    let nothing = nothing.filter(|name| !summary.refused.iter().any(|it| it.transform == **name));
    let nothing = nothing.count() as u64;
    if nothing > 0 {
        writeln!(out, "{} found nothing", count(nothing, "transform"))?;
    }
    summary
        .unread_files
        .iter()
        .try_for_each(|unread| print_unread(unread, out))
}

fn print_unread(unread: &UnreadFile, out: &mut dyn Write) -> io::Result<()> {
    let tool = if unread.tool.is_empty() {
        "all tools"
    } else {
        &unread.tool
    };
    writeln!(
        out,
        "left out by {tool}: {} ({})",
        name(&unread.path, 200),
        shim_render::text::one_line(&unread.reason, 200)
    )
}

/// What a transform that changes nothing found, and why it left it.
fn print_refused(refused: &RefusedTransform, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} leaves {}, since nothing proves that meaning stays",
        name(&refused.transform, 40),
        count(refused.places, "place")
    )?;
    for example in &refused.examples {
        let location = example.location.clone().unwrap_or_default();
        writeln!(
            out,
            "  {}:{}: {}",
            name(&location.path, 160),
            location.line,
            shim_render::text::one_line(&example.reason, 200)
        )?;
    }
    Ok(())
}

fn table(proposals: &[Evolution]) -> Table {
    let mut table = Table::new(&[
        ("EVOLUTION", Align::Left),
        ("TRANSFORM", Align::Left),
        ("CHANGES", Align::Left),
        ("RISK", Align::Left),
        ("KEPT BEFORE", Align::Left),
    ]);
    for proposal in proposals {
        table.row([
            short_id(&proposal.evolution_id).to_owned(),
            name(&proposal.transform, 40),
            size(proposal),
            risk(proposal.risk()).to_owned(),
            confidence(proposal.confidence.as_ref()),
        ]);
    }
    table
}
