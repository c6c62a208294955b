//! `shim evolve show`: one evolution with its diff, its risk and what verification said.

use std::io::{self, Write};
use std::process::ExitCode;

use shim_proto::evolution::v1::{Check, Evolution, EvolutionState, GetEvolutionRequest};
use shim_render::text::{name, one_line, short_id};
use shim_render::time::{ago, moment};

use super::diff;
use super::words::{confidence, risk, size, state};
use crate::connection::{Evolution as Service, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::fields::Fields;
use crate::output::time::now;

const REFUSALS: usize = 20;

/// Which evolution.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The evolution: an id, or its last eight digits
    evolution: String,
    /// Print the diff alone, as `git apply` takes it
    #[arg(long, conflicts_with = "json")]
    diff: bool,
    /// Print canonical proto JSON (a GetEvolutionResponse)
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &Args,
    mut service: Service,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let asked = GetEvolutionRequest {
        evolution_id: args.evolution.clone(),
    };
    let found = call(service.get_evolution(request(asked))).await?;
    let evolution = found.evolution.clone().unwrap_or_default();
    emit(args.json, &found, out, |out| {
        if !args.diff {
            print(&evolution, out)?;
            writeln!(out)?;
        }
        diff::print(&evolution, out)
    })
}

pub(super) fn print(evolution: &Evolution, out: &mut dyn Write) -> io::Result<()> {
    let at = moment(evolution.updated_at.as_ref());
    let at = at.map_or(String::new(), |at| format!(", {}", ago(at, now())));
    let mut fields = Fields::new(11, out);
    fields.line("evolution", &evolution.evolution_id)?;
    fields.line("state", format_args!("{}{at}", state(evolution.state())))?;
    fields.text("transform", &evolution.transform, 64)?;
    let root = evolution.project.as_ref().map_or("", |it| &it.root);
    fields.text("project", root, 200)?;
    fields.line("changes", size(evolution))?;
    fields.line("risk", risk(evolution.risk()))?;
    fields.paragraph("why", &evolution.why)?;
    fields.line("kept before", confidence(evolution.confidence.as_ref()))?;
    if let Some(it) = &evolution.confidence {
        fields.optional("", &it.explanation, 300)?;
    }
    fields.optional("branch", &evolution.branch, 200)?;
    fields.optional("commit", &evolution.commit, 64)?;
    fields.optional("reason", &evolution.reason, 1_000)?;
    print_files(evolution, &mut fields)?;
    print_refusals(evolution, &mut fields)?;
    for check in &evolution.checks {
        print_check(check, out)?;
    }
    print_next_step(evolution, out)
}

fn print_files(evolution: &Evolution, fields: &mut Fields<'_>) -> io::Result<()> {
    for file in &evolution.files {
        let functions = file
            .functions
            .iter()
            .map(|it| name(it, 60))
            .collect::<Vec<_>>();
        let functions = match functions.is_empty() {
            true => String::new(),
            false => format!(" in {}", functions.join(", ")),
        };
        fields.line(
            "file",
            format_args!(
                "{} +{} -{}{functions}",
                name(&file.path, 200),
                file.added_lines,
                file.deleted_lines
            ),
        )?;
    }
    Ok(())
}

fn print_refusals(evolution: &Evolution, fields: &mut Fields<'_>) -> io::Result<()> {
    for refusal in evolution.refusals.iter().take(REFUSALS) {
        let place = refusal.location.clone().unwrap_or_default();
        fields.line(
            "left",
            format_args!(
                "{}:{} {}",
                name(&place.path, 200),
                place.line,
                one_line(&refusal.reason, 200)
            ),
        )?;
    }
    if evolution.refusals.len() > REFUSALS {
        fields.line(
            "left",
            format_args!("and {} more", evolution.refusals.len() - REFUSALS),
        )?;
    }
    Ok(())
}

/// One check of a verification in a line.
pub(super) fn print_check(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let verdict = match (check.skipped.is_empty(), check.passed) {
        (false, _) => "skipped",
        (true, true) => "passed",
        (true, false) => "FAILED",
    };
    let figures = match (check.before.is_empty(), check.after.is_empty()) {
        (true, true) => String::new(),
        _ => format!(
            " ({} before, {} after)",
            one_line(&check.before, 60),
            one_line(&check.after, 60)
        ),
    };
    let detail = if check.skipped.is_empty() {
        &check.detail
    } else {
        &check.skipped
    };
    let detail = match detail.is_empty() {
        true => String::new(),
        false => format!(": {}", one_line(detail, 500)),
    };
    writeln!(
        out,
        "check {:<8} {verdict}{figures}{detail}",
        one_line(&check.name, 40)
    )
}

/// The command that goes on from here.
pub(super) fn print_next_step(evolution: &Evolution, out: &mut dyn Write) -> io::Result<()> {
    let id = short_id(&evolution.evolution_id);
    match evolution.state() {
        EvolutionState::Proposed => writeln!(
            out,
            "`shim evolve approve {id}` applies and verifies it; `shim evolve reject {id}` turns it down"
        ),
        EvolutionState::Committed => writeln!(
            out,
            "merge its branch when you like; `shim evolve revert {id}` takes it back"
        ),
        EvolutionState::Outdated => writeln!(out, "`shim evolve PATH` proposes anew"),
        _ => Ok(()),
    }
}
