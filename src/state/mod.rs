//! `shim state`: the shared state of a project, for people.

mod delete;
mod get;
mod list;
mod patch;
mod put;
mod watch;

use std::io::{Read, Write};
use std::process::ExitCode;

use clap::Subcommand;
use prost_types::Struct;

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::output::json;
use crate::workspace_args::NamespaceArgs;

/// What can be done with shared state.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// List the entries of a namespace
    List(list::Args),
    /// Print an entry's value as JSON, and on stderr its version, writer and end
    Get(get::Args),
    /// Write an entry whole
    Put(put::Args),
    /// Set and remove single fields of an entry
    Patch(patch::Args),
    /// Delete an entry
    Delete(delete::Args),
    /// Print the entries, then a line for every change as it happens
    Watch(watch::Args),
}

const EXAMPLES: &str = "\
Examples:
  shim state put plan '{\"step\": 1, \"owner\": \"window 2\"}' --ttl 1d
  shim state get plan | jq .step
  shim state patch plan '{\"step\": 2}' --remove owner --expect 17
  shim state watch --prefix build/

Every change gives an entry a higher version; --expect makes a write fail if somebody else wrote since.

The namespace is -n, else `workspace` of the configuration (SHIM_WORKSPACE), else the path of the git repository the
command is run in, else \"default\".";

/// Where to call: the service and the namespace meant.
pub(crate) struct StateClient {
    service: Coordination,
    namespace: String,
}

impl StateClient {
    async fn connect(namespace_args: &NamespaceArgs, config: &Config) -> Result<Self, CliError> {
        let namespace = namespace_args.resolve(config)?;
        let service = connection::coordination(config).await?;
        Ok(Self { service, namespace })
    }
}

/// Runs one of them.
pub(crate) async fn run(
    command: Command,
    config: &Config,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    match command {
        Command::List(args) => {
            list::run(
                &args,
                StateClient::connect(&args.namespace_args, config).await?,
                out,
            )
            .await
        }
        Command::Get(args) => {
            get::run(
                &args,
                StateClient::connect(&args.namespace_args, config).await?,
                out,
            )
            .await
        }
        Command::Put(args) => {
            put::run(
                &args,
                StateClient::connect(&args.namespace_args, config).await?,
                out,
            )
            .await
        }
        Command::Patch(args) => {
            patch::run(
                &args,
                StateClient::connect(&args.namespace_args, config).await?,
                out,
            )
            .await
        }
        Command::Delete(args) => {
            delete::run(
                &args,
                StateClient::connect(&args.namespace_args, config).await?,
                out,
            )
            .await
        }
        Command::Watch(args) => {
            watch::run(
                &args,
                StateClient::connect(&args.namespace_args, config).await?,
                out,
            )
            .await
        }
    }
}

/// A JSON object as typed, or from stdin if it is `-`.
pub(crate) fn parse_object(typed: &str) -> Result<Struct, CliError> {
    let mut piped = String::new();
    let text = if typed == "-" {
        std::io::stdin().read_to_string(&mut piped)?;
        piped.as_str()
    } else {
        typed
    };
    json::read(text).map_err(|failure| {
        failure
            .while_doing("the value is no JSON object")
            .hint("quote it for the shell: '{\"field\": 1}', or give - and pipe it in")
    })
}
