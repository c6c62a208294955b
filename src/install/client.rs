//! The Claude clients that can be connected, and the file in which each keeps its list of MCP servers.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::error::CliError;
use crate::global_flags::absolute;

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
        let home = home()?;
        Ok(match self {
            Self::ClaudeCode => claude_code_file(&home, std::env::var_os("CLAUDE_CONFIG_DIR")),
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

/// Claude Code's folder of settings and plugins: that of `CLAUDE_CONFIG_DIR`, else `.claude` in the home folder.
///
/// # Errors
/// If there is no home folder.
pub(crate) fn claude_code_folder() -> Result<PathBuf, CliError> {
    if let Some(folder) = std::env::var_os("CLAUDE_CONFIG_DIR").filter(|folder| !folder.is_empty())
    {
        return Ok(absolute(Path::new(&folder)));
    }
    Ok(home()?.join(".claude"))
}

fn home() -> Result<PathBuf, CliError> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    home.filter(|home| home.is_absolute())
        .ok_or_else(|| CliError::new("HOME is not set").hint("set HOME to your home folder"))
}

/// Claude Code keeps its configuration in the folder of `CLAUDE_CONFIG_DIR`, else in the home folder. A relative folder is
/// one of the folder that it is started in.
fn claude_code_file(home: &Path, config_dir: Option<OsString>) -> PathBuf {
    let folder = config_dir.filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        return home.join(".claude.json");
    };
    let folder = absolute(Path::new(&folder));
    // The name that an older version gave it, which it goes on with.
    let older = folder.join(".config.json");
    if older.is_file() {
        older
    } else {
        folder.join(".claude.json")
    }
}

/// Why the folder of `CLAUDE_CONFIG_DIR` is surely not the one that is meant; `None` if it may be. Claude Code takes the value
/// as it is, from the folder that it is started in.
pub(super) fn unlikely_folder(config_dir: Option<OsString>) -> Option<String> {
    let folder = config_dir.filter(|folder| !folder.is_empty())?;
    let typed = folder.to_string_lossy();
    let where_it_is = absolute(Path::new(&folder));
    let why = if typed.starts_with('~') {
        "no shell replaced its ~, and Claude Code does not: write $HOME in its place"
    } else if typed.contains('$') {
        "no shell replaced the variable in it, and Claude Code does not: write the folder in full"
    } else if Path::new(&folder).is_relative() {
        "it is another folder wherever Claude Code is started: write it in full"
    } else {
        return None;
    };
    Some(format!(
        "CLAUDE_CONFIG_DIR is {typed}, which is {} here; {why}",
        where_it_is.display()
    ))
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_is_surely_not_meant_is_told() {
        for (folder, told) in [
            ("~/cc2", Some("$HOME")),
            ("~ada/cc", Some("$HOME")),
            ("$HOME/cc", Some("in full")),
            ("cc", Some("in full")),
            ("/srv/cc", None),
            ("/srv/~cc", None),
            ("", None),
        ] {
            let why = unlikely_folder(Some(folder.into()));
            assert_eq!(why.is_some(), told.is_some(), "{folder}");
            assert!(why.unwrap_or_default().contains(told.unwrap_or_default()));
        }
        assert_eq!(unlikely_folder(None), None);
    }

    #[test]
    fn claude_codes_file_lies_where_claude_code_looks() {
        let home = tempfile::tempdir().unwrap();
        let other = home.path().join("other");
        let file = |folder: &str| claude_code_file(home.path(), Some(folder.into()));
        assert_eq!(
            claude_code_file(home.path(), None),
            home.path().join(".claude.json")
        );
        assert_eq!(file(""), home.path().join(".claude.json"));
        assert_eq!(file(other.to_str().unwrap()), other.join(".claude.json"));
        assert!(file("relative").is_absolute());
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(".config.json"), "{}").unwrap();
        assert_eq!(file(other.to_str().unwrap()), other.join(".config.json"));
    }
}
