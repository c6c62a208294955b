//! The check `types`: messages of the native compiler before and after.

use std::path::Path;
use std::time::{Duration, Instant};

use shim_exec::{ExitCause, Launch, inherited_env};
use shim_proto::evolution::v1::Check;
use tokio_util::sync::CancellationToken;

use super::checks::{check, skipped};
use super::commands;
use super::context::Evolver;
use crate::domain::evolution::{Diagnostics, new_diagnostics, parse_tsc};
use crate::error::EvolutionError;
use crate::programs::Finished;
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
        let launch = self.compiler(folder, &config, (progress, cancel)).await?;
        let mut finished =
            commands::run(&self.runs, launch.clone(), self.limits.tool, cancel).await;
        // A compiler that was killed says nothing about the change; its start script lives on and fails.
        if finished.as_ref().is_ok_and(|it| !has_answer(it)) {
            finished = commands::run(&self.runs, launch, self.limits.tool, cancel).await;
        }
        if cancel.is_cancelled() {
            return Err(EvolutionError::Cancelled);
        }
        Ok(match finished {
            Ok(finished) => view(&finished, self.limits.tool),
            Err(why) => Err(format!("the compiler cannot be started: {why}")),
        })
    }

    async fn compiler(
        &self,
        folder: &Path,
        config: &Path,
        (progress, cancel): (&ProgressSink, &CancellationToken),
    ) -> Result<Launch, EvolutionError> {
        let tools = self.host.tools_dir(progress, cancel).await?;
        let args = [
            tools.join(COMPILER).display().to_string(),
            "--noEmit".to_owned(),
            "--pretty".to_owned(),
            "false".to_owned(),
            "-p".to_owned(),
            config.display().to_string(),
        ];
        Ok(Launch {
            file: self.host.node().await?,
            args: args.into(),
            folder: folder.to_path_buf(),
            env: inherited_env([]).collect(),
            work_id: uuid::Uuid::now_v7().to_string(),
        })
    }
}

/// Whether the compiler came to its end, or must be given up.
fn has_answer(finished: &Finished) -> bool {
    match finished.end {
        ExitCause::Exited(status) => status.success() || !parse_tsc(&finished.stdout).is_empty(),
        ExitCause::Lingered | ExitCause::TimedOut | ExitCause::Stopped => true,
    }
}

/// What a run of the compiler says; its exit code and its messages must agree.
fn view(finished: &Finished, limit: Duration) -> TypeView {
    let found = parse_tsc(&finished.stdout);
    match finished.end {
        ExitCause::Exited(status)
            if status.success() == found.is_empty() && status.code().is_some() =>
        {
            Ok(found)
        }
        ExitCause::TimedOut => Err(format!("the compiler took longer than {limit:?}")),
        _ => {
            let said = || shim_exec::first_line(&finished.stderr, 200);
            let why = finished.ended_by().unwrap_or_else(said);
            Err(format!("the compiler ended without an answer: {why}"))
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
