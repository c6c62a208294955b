//! The arguments of `shim install` and `shim uninstall`.

use super::client::Client;
use super::permissions::PermissionArgs;

/// Which client.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The client to connect
    #[arg(value_enum)]
    pub(super) client: Client,
    /// Only print what would be written, and where
    #[arg(long)]
    pub(super) print: bool,
    /// Claude Code: for the project in this folder and everybody who works on it, instead of for all your projects
    #[arg(long)]
    pub(super) project: bool,
    /// Claude Code: only the server in the list of MCP servers, without hooks, commands and status line
    #[arg(long)]
    pub(super) mcp_only: bool,
    /// Claude Code: leave the status line as it is
    #[arg(long)]
    pub(super) no_status_line: bool,
    #[command(flatten)]
    pub(super) permissions: PermissionArgs,
}

/// Which client to take SHIM out of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Sessions and their checkpoints stay where they are.")]
pub(crate) struct UninstallArgs {
    /// The client to disconnect
    #[arg(value_enum)]
    pub(super) client: Client,
    /// Claude Code: of the project in this folder instead of all your projects
    #[arg(long)]
    pub(super) project: bool,
}

const EXAMPLES: &str = "\
Examples:
  shim install claude-code                 the plugin, for all your projects
  shim install claude-code --allow-tools   and allow its tools without being asked for each call
  shim install claude-code --project       the plugin, for who works on the project in this folder
  shim install claude-code --mcp-only      only the MCP server
  shim install claude-desktop --print      only show what would be written";
