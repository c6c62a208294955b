//! The service of file leases and the workspace that a command is run in, as its arguments name them.

use clap::builder::NonEmptyStringValueParser;

use crate::config::Config;
use crate::connection::{self, Coordination};
use crate::error::CliError;
use crate::remedies::{Placeholder, shell_word};
use crate::workspace_args::CurrentWorkspace;

/// The workspace of the files.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkspaceArgs {
    /// Workspace [default: the git repository around]
    #[arg(short, long, value_name = "WORKSPACE", value_parser = NonEmptyStringValueParser::new())]
    pub(super) workspace: Option<String>,
}

impl WorkspaceArgs {
    /// Names the workspace in the hint of a failure, if one was named.
    pub(super) fn named_in(&self, failure: impl Into<CliError>) -> CliError {
        let name = self.workspace.as_deref();
        let flag = name.map_or_else(String::new, |name| format!(" -w {}", shell_word(name)));
        failure.into().about(Placeholder::Workspace, flag)
    }
}

/// The holder of files: a session, task or worker id, or any name.
#[derive(Debug, clap::Args)]
pub(crate) struct HolderArgs {
    /// In whose name: a session, task or worker id, or any name
    #[arg(long, value_name = "HOLDER", env = "SHIM_HOLDER")]
    pub(super) holder: String,
}

/// The service, and the folder that the command is run in.
pub(super) struct FilesClient {
    pub(super) service: Coordination,
    pub(super) current: CurrentWorkspace,
}

impl FilesClient {
    /// Finds the workspace, then the service.
    pub(super) async fn connect(args: &WorkspaceArgs, config: &Config) -> Result<Self, CliError> {
        let current = CurrentWorkspace::find(args.workspace.as_deref(), config)?;
        let service = connection::coordination(config).await?;
        Ok(Self { service, current })
    }

    /// The workspace's name.
    pub(super) fn workspace(&self) -> String {
        self.current.workspace.name.clone()
    }
}
