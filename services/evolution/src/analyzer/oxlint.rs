//! The fast linter: oxlint over the very files of the analysis, by our configuration alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shim_exec::Groups;
use shim_proto::evolution::v1::UnreadFile;
use tokio_util::sync::CancellationToken;

use super::programs::{Finished, Program, ProgramError};
use super::standby::Standby;
use crate::domain::analysis::oxlint::{self, OxlintAnswer};

/// Rules that find what is wrong, not what is unusual. A configuration of the project would execute code, and would hide files.
pub(super) const CONFIG: &str = r#"{"categories": {"correctness": "warn"}, "plugins": ["eslint", "typescript", "unicorn", "oxc"]}"#;
const LIMIT: Duration = Duration::from_secs(120);
/// Bytes of names in one command, far below what systems take.
const MAX_ARGUMENT_BYTES: usize = 512 << 10;
/// How often it may crash in one analysis: enough to find some files among many that it crashes on.
const MAX_CRASHES: usize = 64;
const NAME: &str = "oxlint";

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
    /// Lints the files, each with its text. A file that it crashes on is told, and the others are linted all the same.
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
        let mut open = commands(texts.keys().copied());
        let mut crashes = 0;
        while let Some(names) = open.pop() {
            let input = self.input(root, names.clone());
            let read = match self.ask(&input, texts, groups, cancel).await {
                Err(ProgramError::Killed(_, signal)) if crashes < MAX_CRASHES => {
                    crashes += 1;
                    match halves(names) {
                        Ok(halves) => open.extend(halves),
                        Err(name) => answer.unparsed.push(self.crashed_on(&name, signal)),
                    }
                    continue;
                }
                Err(ProgramError::Killed(_, signal)) => {
                    return Err(ProgramError::Killed(NAME.to_owned(), signal));
                }
                read => read?,
            };
            answer.findings.extend(read.findings);
            answer.unparsed.extend(read.unparsed);
        }
        self.standby.want(self.program());
        Ok(answer)
    }

    /// One run, in the program that waits if there is one. One that somebody killed is run once more.
    async fn ask(
        &self,
        input: &[u8],
        texts: &BTreeMap<&str, &str>,
        groups: &Arc<Groups>,
        cancel: &CancellationToken,
    ) -> Result<OxlintAnswer, ProgramError> {
        if let Some(read) = self.by_the_waiting(input, texts, cancel).await? {
            return Ok(read);
        }
        let finished = self.program().run(groups, input, cancel).await?;
        // It exits with 1 for findings as well as for failures: its JSON tells them apart.
        let read = oxlint::read(&finished.stdout, &self.tool, texts);
        read.map_err(|why| misread(&finished, &why))
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

    fn crashed_on(&self, name: &str, signal: i32) -> UnreadFile {
        UnreadFile {
            path: name.trim_start_matches("./").to_owned(),
            tool: self.tool.clone(),
            reason: format!("{NAME} crashed on it twice, by signal {signal}"),
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
    ProgramError::Failed(NAME.to_owned(), format!("{said} ({why})"))
}

/// The names in two parts; `Err` with the name if it is one alone.
fn halves(mut names: Vec<String>) -> Result<[Vec<String>; 2], String> {
    let second = names.split_off(names.len().div_ceil(2));
    match names.pop() {
        Some(only) if names.is_empty() && second.is_empty() => Err(only),
        last => {
            names.extend(last);
            Ok([names, second])
        }
    }
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

    #[tokio::test]
    async fn a_file_that_it_crashes_on_is_told_and_the_others_are_linted() {
        let folder = tempfile::tempdir().unwrap();
        // In the place of oxlint: it crashes whenever one file is among those it is asked for.
        let script = folder.path().join("linter.js");
        let code = "const asked = require('fs').readFileSync(0, 'utf8'); if (asked.includes('./b.js')) { process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 60000); } else console.log('{\"diagnostics\": []}');";
        std::fs::write(&script, code).unwrap();
        let standby = Standby::default();
        let oxlint = Oxlint {
            node: shim_exec::find_program(Path::new("node")).unwrap(),
            script,
            package: folder.path().to_path_buf(),
            config: folder.path().join("none.json"),
            tool: "oxlint 0".to_owned(),
            standby: &standby,
        };
        let groups =
            Arc::new(Groups::open(&folder.path().join("groups"), "SHIM_EVOLUTION").unwrap());
        let names = ["a.js", "b.js", "c.js", "d.js", "e.js"];
        let texts = names.map(|name| (name, "")).into();
        let cancel = CancellationToken::new();
        let answer = oxlint
            .lint(folder.path(), &texts, &groups, &cancel)
            .await
            .unwrap();
        let [unread] = answer.unparsed.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(
            (unread.path.as_str(), unread.tool.as_str()),
            ("b.js", "oxlint 0")
        );
        assert!(unread.reason.contains("by signal 11"), "{}", unread.reason);
    }
}
