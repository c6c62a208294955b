//! The Claude clients that can be connected, and the file in which each keeps its list of MCP servers.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::error::CliError;

/// A client that can be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// The desktop application.
    ClaudeDesktop,
    /// The command line.
    ClaudeCode,
}

impl Client {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::ClaudeDesktop, Self::ClaudeCode];

    /// The user's configuration file.
    pub(crate) fn file(self) -> Result<PathBuf, CliError> {
        let home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        let home = home
            .ok_or_else(|| CliError::new("HOME is not set").hint("set HOME to your home folder"))?;
        Ok(match self {
            Self::ClaudeCode => home.join(".claude.json"),
            Self::ClaudeDesktop if cfg!(target_os = "macos") => {
                home.join("Library/Application Support/Claude/claude_desktop_config.json")
            }
            Self::ClaudeDesktop => std::env::var_os("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .unwrap_or_else(|| home.join(".config"))
                .join("Claude/claude_desktop_config.json"),
        })
    }

    /// The next step after the installation.
    pub(super) fn next_step(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => {
                "quit and start Claude Desktop, then look for shim among its tools"
            }
            Self::ClaudeCode => "start a new session; /mcp shows shim",
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
        })
    }
}
