//! `shim evolve list`: evolutions, the newest first.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use shim_proto::evolution::v1::{
    Evolution, EvolutionState, ListEvolutionsRequest, ListEvolutionsResponse,
};
use shim_proto::limits::MAX_PAGE_SIZE;
use shim_render::text::{name, short_id};
use shim_render::time::{ago, moment};

use super::paths::absolute_path;
use super::words::{confidence, risk, size, state};
use crate::connection::{Evolution as Service, call, request};
use crate::error::CliError;
use crate::output::emit::emit;
use crate::output::table::{Align, Table};
use crate::output::time::now;
use crate::pages::pages;

/// Which evolutions.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of this project [default: of all]
    path: Option<PathBuf>,
    /// In this state; may be given again [default: in all]
    #[arg(long, value_enum)]
    state: Vec<State>,
    /// The most evolutions
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print canonical proto JSON (a ListEvolutionsResponse)
    #[arg(long)]
    json: bool,
}

/// A state as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Proposed,
    Applying,
    Committed,
    Rejected,
    Discarded,
    Reverted,
    Outdated,
}

impl From<State> for EvolutionState {
    fn from(typed: State) -> Self {
        match typed {
            State::Proposed => Self::Proposed,
            State::Applying => Self::Applying,
            State::Committed => Self::Committed,
            State::Rejected => Self::Rejected,
            State::Discarded => Self::Discarded,
            State::Reverted => Self::Reverted,
            State::Outdated => Self::Outdated,
        }
    }
}

pub(super) async fn run(
    args: &Args,
    service: Service,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let path = args.path.as_deref().map(absolute_path).transpose()?;
    let path = path.unwrap_or_default();
    let states: Vec<i32> = args
        .state
        .iter()
        .map(|it| EvolutionState::from(*it).into())
        .collect();
    let evolutions = pages(args.limit, MAX_PAGE_SIZE, async |page_size, page_token| {
        let asked = ListEvolutionsRequest {
            path: path.clone(),
            states: states.clone(),
            page_size,
            page_token,
        };
        let mut service = service.clone();
        let page = call(service.list_evolutions(request(asked))).await?;
        Ok((page.evolutions, page.next_page_token))
    });
    let listed = ListEvolutionsResponse {
        evolutions: evolutions.await?,
        ..ListEvolutionsResponse::default()
    };
    emit(args.json, &listed, out, |out| {
        print(&listed.evolutions, out)
    })
}

pub(super) fn print(evolutions: &[Evolution], out: &mut dyn Write) -> io::Result<()> {
    if evolutions.is_empty() {
        return writeln!(out, "no evolutions; `shim evolve PATH` proposes some");
    }
    let mut table = Table::new(&[
        ("EVOLUTION", Align::Left),
        ("STATE", Align::Left),
        ("TRANSFORM", Align::Left),
        ("CHANGES", Align::Left),
        ("RISK", Align::Left),
        ("KEPT BEFORE", Align::Left),
        ("CHANGED", Align::Left),
        ("PROJECT", Align::Left),
    ]);
    for evolution in evolutions {
        let at = moment(evolution.updated_at.as_ref());
        table.row([
            short_id(&evolution.evolution_id).to_owned(),
            state(evolution.state()).to_owned(),
            name(&evolution.transform, 40),
            size(evolution),
            risk(evolution.risk()).to_owned(),
            confidence(evolution.confidence.as_ref()),
            at.map_or("-".to_owned(), |at| ago(at, now())),
            name(evolution.project.as_ref().map_or("", |it| &it.root), 120),
        ]);
    }
    table.print(out)
}
