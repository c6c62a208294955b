//! The fast linter: oxlint over the very files of the analysis, by our configuration alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shim_exec::Groups;
use tokio_util::sync::CancellationToken;

use super::programs::{Finished, Program, ProgramError};
use super::standby::Standby;
use crate::domain::analysis::oxlint::{self, OxlintAnswer};

/// Rules that find what is wrong, not what is unusual. A configuration of the project would execute code, and would hide files.
pub(super) const CONFIG: &str = r#"{"categories": {"correctness": "warn"}, "plugins": ["eslint", "typescript", "unicorn", "oxc"]}"#;
const LIMIT: Duration = Duration::from_secs(120);
/// Bytes of names in one command, far below what systems take.
const MAX_ARGUMENT_BYTES: usize = 512 << 10;

/// Oxlint, as it is installed.
pub(super) struct Oxlint<'a> {
    /// Node, which loads it.
    pub(super) node: PathBuf,
    /// Our script that waits for a run.
    pub(super) script: PathBuf,
    /// Its package.
    pub(super) package: PathBuf,
    /// Our configuration.
    pub(super) config: PathBuf,
    /// Name and version.
    pub(super) tool: String,
    /// Where it may wait, loaded.
    pub(super) standby: &'a Standby,
}

impl Oxlint<'_> {
    /// Lints the files, each with its text.
    ///
    /// # Errors
    /// If it does not run, or writes something else than its JSON.
    pub(super) async fn lint(
        &self,
        root: &Path,
        texts: &BTreeMap<&str, &str>,
        groups: &Arc<Groups>,
        cancel: &CancellationToken,
    ) -> Result<OxlintAnswer, ProgramError> {
        let mut answer = OxlintAnswer::default();
        for names in commands(texts.keys().copied()) {
            let input = self.input(root, names);
            let known = self.by_the_waiting(&input, texts, cancel).await?;
            let read = match known {
                Some(read) => read,
                None => {
                    let finished = self.program().run(groups, &input, cancel).await?;
                    // It exits with 1 for findings as well as for failures: its JSON tells them apart.
                    let read = oxlint::read(&finished.stdout, &self.tool, texts);
                    read.map_err(|why| misread(&finished, &why))?
                }
            };
            answer.findings.extend(read.findings);
            answer.unparsed.extend(read.unparsed);
        }
        self.standby.want(self.program());
        Ok(answer)
    }

    /// What the linter that waits answers; `None` if none does, or it died since.
    async fn by_the_waiting(
        &self,
        input: &[u8],
        texts: &BTreeMap<&str, &str>,
        cancel: &CancellationToken,
    ) -> Result<Option<OxlintAnswer>, ProgramError> {
        let Some(started) = self.standby.take(&self.program()) else {
            return Ok(None);
        };
        match started.finish(input, cancel).await {
            Ok(finished) => Ok(oxlint::read(&finished.stdout, &self.tool, texts).ok()),
            Err(why @ (ProgramError::Cancelled | ProgramError::TimedOut(..))) => Err(why),
            Err(_) => Ok(None),
        }
    }

    /// The program that waits for [`Self::input`].
    fn program(&self) -> Program {
        let paths = [&self.script, &self.package];
        Program {
            file: self.node.clone(),
            args: paths.map(|path| path.display().to_string()).into(),
            folder: self.package.clone(),
            env: Vec::new(),
            limit: LIMIT,
        }
    }

    /// A run over files of these names.
    fn input(&self, root: &Path, names: Vec<String>) -> Vec<u8> {
        let mut args = vec!["--format=json".to_owned()];
        args.push(format!("--config={}", self.config.display()));
        args.extend(["--disable-nested-config", "--no-ignore"].map(str::to_owned));
        args.extend(names);
        json!({ "folder": root, "args": args })
            .to_string()
            .into_bytes()
    }
}

/// The failure of a run whose output is not oxlint's JSON: the first line it said.
fn misread(finished: &Finished, why: &str) -> ProgramError {
    let output = String::from_utf8_lossy(&finished.stdout);
    let said = [finished.stderr.as_str(), &output].concat();
    let said = said.lines().next().unwrap_or_default();
    let failure = std::io::Error::other(format!("{said} ({why})"));
    ProgramError::Start("oxlint".to_owned(), failure)
}

/// The names in as few commands as fit. A leading `./` keeps a name from being an option.
fn commands<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let (mut commands, mut bytes) = (Vec::new(), MAX_ARGUMENT_BYTES);
    for name in names {
        let name = format!("./{name}");
        bytes += name.len() + 9;
        if bytes > MAX_ARGUMENT_BYTES {
            commands.push(Vec::new());
            bytes = name.len() + 9;
        }
        if let Some(last) = commands.last_mut() {
            last.push(name);
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_one_command() {
        assert!(commands(std::iter::empty()).is_empty());
        let names: Vec<String> = (0..20_000)
            .map(|at| format!("{}{at}.js", "x".repeat(60)))
            .collect();
        let commands = commands(names.iter().map(String::as_str));
        assert!(commands.len() > 1);
        assert_eq!(commands.iter().map(Vec::len).sum::<usize>(), names.len());
        assert!(commands.iter().flatten().all(|name| name.starts_with("./")));
    }
}
