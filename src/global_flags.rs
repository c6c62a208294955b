//! The flags that every subcommand takes.

use std::path::{Path, PathBuf};

use clap::Args;

/// The flags every subcommand takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalFlags {
    /// Folder of the database, the sockets and the private Redis
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file [default: shim/shim.toml in the platform's configuration folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to log, for example `info,shim_checkpoint=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// The look of log lines: `pretty` or `json`
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl GlobalFlags {
    /// The flags as settings.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let data_dir = self
            .data_dir
            .as_ref()
            .map(|path| absolute(path).display().to_string());
        [
            ("data_dir", data_dir),
            ("log.filter", self.log.clone()),
            ("log.format", self.log_format.clone()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }

    /// The flags that choose a stack, to give to another process.
    pub(crate) fn flags(&self) -> Vec<String> {
        [("--data-dir", &self.data_dir), ("--config", &self.config)]
            .into_iter()
            .filter_map(|(flag, path)| {
                Some([
                    flag.to_owned(),
                    absolute(path.as_ref()?).display().to_string(),
                ])
            })
            .flatten()
            .collect()
    }
}

/// The same path for a process with another working folder.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
