//! Errors of types, by the native compiler. It writes nothing into the project and runs none of its code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shim_exec::Groups;
use shim_proto::evolution::v1::Finding;
use tokio_util::sync::CancellationToken;

use super::cache::Cache;
use super::configuration::Configuration;
use super::programs::{Finished, Program, ProgramError};
use crate::domain::analysis::tsc;

const LIMIT: Duration = Duration::from_secs(10 * 60);
/// The most configurations that are checked.
const MAX_CONFIGS: usize = 24;
/// A project that another one refers to was not built: what follows from it is not the code's fault.
const NOT_BUILT: &str = "TS6305";

/// The compiler, as it is installed.
pub(super) struct Compiler {
    /// The native program.
    pub(super) program: PathBuf,
    /// Name and version.
    pub(super) tool: String,
}

/// What the compiler said.
#[derive(Debug, Default, Clone)]
pub(super) struct TypesAnswer {
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
}

/// The native compiler of this machine below the tools' folder.
pub(super) fn program(tools: &Path) -> PathBuf {
    let system = if std::env::consts::OS == "macos" {
        "darwin"
    } else {
        std::env::consts::OS
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("typescript-{system}-{machine}");
    tools
        .join("node_modules/@typescript")
        .join(package)
        .join("lib/tsc")
}

/// What the compiler works in.
pub(super) struct CompilerContext<'a> {
    pub(super) root: &'a Path,
    pub(super) groups: &'a Arc<Groups>,
    pub(super) cache: &'a Cache,
    pub(super) cancel: &'a CancellationToken,
}

impl Compiler {
    /// Checks the project's configurations: the one at the root and what it refers to, else those in its folders.
    ///
    /// # Errors
    /// If the compiler does not run.
    pub(super) async fn check(
        &self,
        context: &CompilerContext<'_>,
        configuration: &Configuration,
    ) -> Result<TypesAnswer, ProgramError> {
        let mut answer = TypesAnswer::default();
        let mut open = first_configs(configuration);
        let mut seen = BTreeSet::new();
        while let Some(config) = open.pop() {
            if !seen.insert(config.clone()) {
                continue;
            }
            if seen.len() > MAX_CONFIGS {
                answer.notes.push(format!(
                    "types: only the first {MAX_CONFIGS} configurations of TypeScript were checked"
                ));
                break;
            }
            let shown = self.shown(context, &config).await?;
            open.extend(referred(context.root, &config, &shown));
            // A configuration that only refers to others has no files of its own.
            if shown["files"]
                .as_array()
                .is_none_or(|files| !files.is_empty())
                || !shown["references"].is_array()
            {
                self.check_one(context, &config, &mut answer).await?;
            }
        }
        finish(&mut answer);
        Ok(answer)
    }

    async fn shown(
        &self,
        context: &CompilerContext<'_>,
        config: &str,
    ) -> Result<Value, ProgramError> {
        let finished = self
            .run(
                context,
                ["--showConfig", "-p", config].map(str::to_owned).into(),
            )
            .await?;
        Ok(serde_json::from_slice(&finished.stdout).unwrap_or_default())
    }

    async fn check_one(
        &self,
        context: &CompilerContext<'_>,
        config: &str,
        answer: &mut TypesAnswer,
    ) -> Result<(), ProgramError> {
        let mut args = ["--noEmit", "--pretty", "false", "-p", config]
            .map(str::to_owned)
            .to_vec();
        if let Ok(kept) = context.cache.build_info(context.root, config) {
            args.extend([
                "--incremental".to_owned(),
                "--tsBuildInfoFile".to_owned(),
                kept.display().to_string(),
            ]);
        }
        let finished = self.run(context, args).await?;
        let output = String::from_utf8_lossy(&finished.stdout);
        let findings = tsc::read(&output, &self.tool, |path| relative(context.root, path));
        // Whatever its exit code: a failure without a finding is told as what it said.
        if findings.is_empty() && !finished.status.success() {
            let said = output
                .lines()
                .chain(finished.stderr.lines())
                .find(|line| !line.trim().is_empty());
            answer.notes.push(format!(
                "types of {config} were not checked: {}",
                said.unwrap_or("the compiler failed")
            ));
        }
        if findings.iter().any(tsc::is_syntax) {
            answer.notes.push(format!(
                "{config}: errors of syntax hide all errors of types; mend them first"
            ));
        }
        answer.findings.extend(findings);
        Ok(())
    }

    async fn run(
        &self,
        context: &CompilerContext<'_>,
        args: Vec<String>,
    ) -> Result<Finished, ProgramError> {
        let program = Program {
            file: self.program.clone(),
            args,
            folder: context.root.to_path_buf(),
            env: Vec::new(),
            limit: LIMIT,
        };
        program.run(context.groups, &[], context.cancel).await
    }
}

/// The configuration at the root, else those of its folders.
fn first_configs(configuration: &Configuration) -> Vec<String> {
    let named = |path: &&String| path.rsplit('/').next() == Some("tsconfig.json");
    let root = configuration
        .typescript
        .iter()
        .find(|path| *path == "tsconfig.json");
    match root {
        Some(root) => vec![root.clone()],
        None => configuration
            .typescript
            .iter()
            .filter(named)
            .rev()
            .cloned()
            .collect(),
    }
}

/// The configurations that one refers to, as far as they lie in the project.
fn referred(root: &Path, config: &str, shown: &Value) -> Vec<String> {
    let folder = root
        .join(config)
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let references = shown["references"].as_array().into_iter().flatten();
    let paths = references.filter_map(|reference| reference["path"].as_str());
    let configs = paths.filter_map(|path| {
        let path = folder.join(path);
        let file = if path.is_dir() {
            path.join("tsconfig.json")
        } else {
            path
        };
        let file = file.canonicalize().ok()?;
        Some(file.strip_prefix(root).ok()?.to_str()?.to_owned())
    });
    configs.collect()
}

fn relative(root: &Path, path: &str) -> String {
    let whole = Path::new(path);
    let inner = whole.strip_prefix(root).ok().and_then(Path::to_str);
    inner.unwrap_or(path).trim_start_matches("./").to_owned()
}

/// Configurations may share files: what is said twice counts once.
fn finish(answer: &mut TypesAnswer) {
    let before = answer.findings.len();
    answer.findings.retain(|finding| finding.rule != NOT_BUILT);
    let left_out = before - answer.findings.len();
    if left_out > 0 {
        answer.notes.push(format!("types: {left_out} errors of projects that are referred to and not built were left out; `tsc -b` builds them"));
    }
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    answer.findings.retain(|finding| {
        let place = finding.location.clone().unwrap_or_default();
        let key = format!(
            "{} {} {} {} {}",
            place.path, place.line, place.column, finding.rule, finding.message
        );
        seen.insert(key, ()).is_none()
    });
}
