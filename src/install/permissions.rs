//! Claude Code's permission for SHIM's tools: without it every call is asked for, and denied where nobody can be asked.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The rule that stands for all tools of the server `shim`.
pub(super) const RULE: &str = "mcp__shim";

/// What a person decided beforehand.
#[derive(Debug, clap::Args)]
pub(super) struct PermissionArgs {
    /// Claude Code: allow SHIM's tools without being asked for each call
    #[arg(long, conflicts_with = "no_allow_tools")]
    allow_tools: bool,
    /// Claude Code: leave the permissions as they are, and do not ask
    #[arg(long)]
    no_allow_tools: bool,
}

impl PermissionArgs {
    /// The decision; at a terminal a person is asked, elsewhere nothing is allowed.
    pub(super) fn decide(&self, file: &Path, out: &mut dyn Write) -> Result<bool, CliError> {
        if self.allow_tools || self.no_allow_tools {
            return Ok(self.allow_tools);
        }
        if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
            writeln!(
                out,
                "Claude Code asks before each use of SHIM's tools, and denies them where nobody can be asked; \
                 `--allow-tools` writes \"{RULE}\" into {}",
                file.display()
            )?;
            return Ok(false);
        }
        write!(
            out,
            "allow SHIM's tools in {} without being asked for each call? [y/N] ",
            file.display()
        )?;
        out.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

/// Where the permissions of a person stand: beside the user's configuration, or of this project alone.
pub(super) fn file(user_configuration: &Path, is_project: bool) -> Result<PathBuf, CliError> {
    if is_project {
        return Ok(std::env::current_dir()?.join(".claude/settings.local.json"));
    }
    // `~/.claude.json` has its settings in `~/.claude`; with CLAUDE_CONFIG_DIR both are in that folder.
    let folder = match std::env::var_os("CLAUDE_CONFIG_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => user_configuration.with_file_name(".claude"),
    };
    Ok(folder.join("settings.json"))
}
