//! The check `types`: messages of the native compiler before and after.

use std::path::Path;
use std::time::Instant;

use shim_exec::{ExitCause, Launch, inherited_env};
use shim_proto::evolution::v1::Check;
use tokio_util::sync::CancellationToken;

use super::Evolver;
use super::checks::{check, skipped};
use super::commands;
use crate::domain::evolution::{Diagnostics, new_diagnostics, parse_tsc};
use crate::error::EvolutionError;
use crate::tool_host::ProgressSink;

/// The native compiler among the pinned packages.
const COMPILER: &str = "node_modules/typescript-7/bin/tsc";

/// What the compiler says of a project; `Err` with the reason why it cannot be asked.
pub(super) type TypeView = Result<Diagnostics, String>;

impl Evolver {
    /// What the compiler says of the project in a folder.
    pub(super) async fn types_of(
        &self,
        folder: &Path,
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<TypeView, EvolutionError> {
        let config = folder.join("tsconfig.json");
        if !config.is_file() {
            return Ok(Err("the project has no tsconfig.json".to_owned()));
        }
        let tools = self.host.tools_dir(progress, cancel).await?;
        let args = [
            tools.join(COMPILER).display().to_string(),
            "--noEmit".to_owned(),
            "--pretty".to_owned(),
            "false".to_owned(),
            "-p".to_owned(),
            config.display().to_string(),
        ];
        let launch = Launch {
            file: self.host.node().await?,
            args: args.into(),
            folder: folder.to_path_buf(),
            env: inherited_env([]).collect(),
            work_id: uuid::Uuid::now_v7().to_string(),
        };
        let finished = commands::run(&self.runs, launch, self.limits.tool, cancel).await;
        if cancel.is_cancelled() {
            return Err(EvolutionError::Cancelled);
        }
        let finished = match finished {
            Ok(finished) => finished,
            Err(why) => return Ok(Err(format!("the compiler cannot be started: {why}"))),
        };
        let found = parse_tsc(&finished.stdout);
        match finished.end {
            ExitCause::Exited(status)
                if status.success() == found.is_empty() && status.code().is_some() =>
            {
                Ok(Ok(found))
            }
            ExitCause::TimedOut => Ok(Err(format!(
                "the compiler took longer than {:?}",
                self.limits.tool
            ))),
            _ => Ok(Err(format!(
                "the compiler ended without an answer: {}",
                shim_exec::first_line(&finished.stderr, 200)
            ))),
        }
    }
}

/// Compares what the compiler says before and after.
pub(super) fn check_types(before: &TypeView, after: TypeView, began: Instant) -> Check {
    match (before, after) {
        (Err(why), _) => skipped("types", why),
        (Ok(_), Err(why)) => check("types", &[why], began),
        (Ok(before), Ok(after)) => {
            let mut made = check("types", &new_diagnostics(before, &after), began);
            made.before = before.values().sum::<usize>().to_string();
            made.after = after.values().sum::<usize>().to_string();
            made
        }
    }
}
