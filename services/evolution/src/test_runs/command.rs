//! The process of one run: the project's own runner, once, with a report in a file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shim_exec::{Launch, find_program, inherited_env};
use shim_runtime::stack::make_private_dir;

use super::RunRequest;
use super::error::TestRunError;
use super::facts::Suite;
use crate::domain::testing::runner::RunnerKind;
use crate::domain::testing::script::without_files;
use crate::domain::testing::words::{Word, plain};

const NODE_REPORTER: &str = include_str!("node_reporter.mjs");
const MOCHA_GUARD: &str = include_str!("mocha_guard.cjs");

/// What a run writes beside the project.
#[derive(Debug)]
pub(super) struct RunFiles {
    folder: PathBuf,
}

impl RunFiles {
    /// A new folder for one run, with what a runner is given.
    pub(super) fn make(folder: PathBuf, tmp: &Path) -> std::io::Result<Self> {
        // It is there before its folder, so that what a full disk cuts short is removed.
        let files = Self { folder };
        make_private_dir(&files.folder)?;
        make_private_dir(tmp)?;
        std::fs::write(files.folder.join("reporter.mjs"), NODE_REPORTER)?;
        std::fs::write(files.folder.join("guard.cjs"), MOCHA_GUARD)?;
        Ok(files)
    }

    pub(super) fn report(&self) -> PathBuf {
        self.folder.join("report")
    }

    pub(super) fn faults(&self) -> PathBuf {
        self.folder.join("faults")
    }

    fn text(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The installed runner of a project.
pub(super) struct Installed {
    /// The file that Node runs; empty for a runner that needs none.
    file: PathBuf,
    /// Its version; empty if it has none.
    pub(super) version: String,
}

/// Finds the project's own runner, in its folder or above it.
pub(super) fn installed(folder: &Path, kind: RunnerKind) -> Result<Installed, TestRunError> {
    let Some(package) = kind.package() else {
        return Ok(Installed {
            file: PathBuf::new(),
            version: String::new(),
        });
    };
    let homes = folder
        .ancestors()
        .map(|above| above.join("node_modules").join(package));
    let mut found = homes.filter_map(|home| {
        let text = std::fs::read_to_string(home.join("package.json")).ok()?;
        let manifest: Value = serde_json::from_str(&text).ok()?;
        let bin = manifest.get("bin")?;
        let file = bin.as_str().or_else(|| bin.get(package)?.as_str())?;
        let version = manifest
            .get("version")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Some(Installed {
            file: home.join(file),
            version: version.to_owned(),
        })
    });
    found.next().ok_or_else(|| TestRunError::RunnerMissing {
        runner: kind.name(),
        folder: folder.display().to_string(),
    })
}

/// The process of a run.
pub(super) fn launch(
    suite: &Suite,
    installed: &Installed,
    request: &RunRequest<'_>,
    files: &RunFiles,
    tmp: &Path,
) -> Result<Launch, TestRunError> {
    let node = find_program(Path::new("node")).map_err(TestRunError::NodeMissing)?;
    let kind = suite.kind();
    let words = if kind == RunnerKind::Script {
        suite.detected.command.arguments.clone()
    } else {
        runner_words(suite, &node, installed, request, files)
    };
    let line: Vec<&str> = words.iter().map(|word| word.raw.as_str()).collect();
    let line = line.join(" ");
    // A shell expands the patterns of the authors' script.
    let line = if kind == RunnerKind::Script {
        with_tap(&line)
    } else {
        format!("exec {line}")
    };
    Ok(Launch {
        file: "/bin/sh".into(),
        args: vec!["-c".to_owned(), line],
        folder: request.folder.to_path_buf(),
        env: environment(suite, request, files, tmp),
        work_id: "tests".to_owned(),
    })
}

/// AVA prints TAP if it is asked for it.
fn with_tap(script: &str) -> String {
    let is_ava = script == "ava" || script.starts_with("ava ");
    if is_ava {
        format!("{script} --tap")
    } else {
        script.to_owned()
    }
}

fn runner_words(
    suite: &Suite,
    node: &Path,
    installed: &Installed,
    request: &RunRequest<'_>,
    files: &RunFiles,
) -> Vec<Word> {
    let kind = suite.kind();
    let command = &suite.detected.command;
    let mut words = vec![quoted(&node.to_string_lossy())];
    words.extend(command.node_options.iter().cloned());
    if kind != RunnerKind::NodeTest {
        words.push(quoted(&installed.file.to_string_lossy()));
    }
    words.extend(
        once(kind, &installed.version, request, files)
            .iter()
            .map(|text| quoted(text)),
    );
    let named = request.files.iter().map(|file| quoted(file));
    if request.files.is_empty() {
        words.extend(command.arguments.iter().cloned());
    } else {
        words.extend(without_files(kind, &command.arguments));
        if kind == RunnerKind::Jest {
            words.push(plain("--runTestsByPath"));
        }
        words.extend(named);
    }
    words
}

/// What makes a runner run once and write its report.
fn once(
    kind: RunnerKind,
    version: &str,
    request: &RunRequest<'_>,
    files: &RunFiles,
) -> Vec<String> {
    let ends_at_report = request.ends_at_report;
    match kind {
        RunnerKind::Vitest => vitest_once(version, files),
        RunnerKind::Jest => {
            let mut words = owned(&["--ci", "--json", "--watchAll=false", "--coverage=false"]);
            words.push(format!("--outputFile={}", files.text("report")));
            words.extend(ends_at_report.then(|| "--forceExit".to_owned()));
            words
        }
        RunnerKind::Mocha => {
            let mut words = owned(&["--no-watch", "--reporter", "json", "--reporter-option"]);
            words.push(format!("output={}", files.text("report")));
            words.extend(["--require".to_owned(), files.text("guard.cjs")]);
            words.extend(ends_at_report.then(|| "--exit".to_owned()));
            words
        }
        RunnerKind::NodeTest => vec![
            "--test".to_owned(),
            format!("--test-reporter={}", files.text("reporter.mjs")),
            format!("--test-reporter-destination={}", files.text("report")),
        ],
        RunnerKind::Script => Vec::new(),
    }
}

fn vitest_once(version: &str, files: &RunFiles) -> Vec<String> {
    let mut words = owned(&[
        "run",
        "--watch=false",
        "--coverage.enabled=false",
        "--reporter=json",
    ]);
    // The other reporters of Vitest 5 crash on Node 20; those of 4 show errors that the JSON leaves out.
    if version.starts_with("4.") || version.starts_with("3.") || version.starts_with("2.") {
        words.push("--reporter=default".to_owned());
    }
    words.push(format!("--outputFile={}", files.text("report")));
    words
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Nothing of this process but what programs need, no token, and a home and a temporary folder of its own.
fn environment(
    suite: &Suite,
    request: &RunRequest<'_>,
    files: &RunFiles,
    tmp: &Path,
) -> Vec<(OsString, OsString)> {
    let kept = inherited_env([]).filter(|(name, _)| name != "HOME" && name != "TERM");
    let mut env: Vec<(OsString, OsString)> = kept.collect();
    for (name, value) in &mut env {
        if name == "PATH" {
            let bins = request
                .folder
                .ancestors()
                .map(|above| above.join("node_modules/.bin"));
            let bins = bins.filter(|bin| bin.is_dir()).map(PathBuf::into_os_string);
            let mut path = bins.collect::<Vec<_>>().join(&OsString::from(":"));
            path.push(if path.is_empty() { "" } else { ":" });
            path.push(&value);
            *value = path;
        }
    }
    let own = [
        ("CI", OsString::from("1")),
        ("NO_COLOR", "1".into()),
        ("FORCE_COLOR", "0".into()),
        ("HOME", tmp.into()),
        ("TMPDIR", tmp.into()),
        ("SHIM_TEST_FAULTS", files.faults().into()),
    ];
    env.extend(own.map(|(name, value)| (name.into(), value)));
    let named = suite.detected.command.env.iter().chain(&request.env);
    env.extend(named.map(|(name, value)| (name.into(), value.into())));
    env
}

fn quoted(text: &str) -> Word {
    let raw = format!("'{}'", text.replace('\'', r"'\''"));
    Word {
        raw,
        text: text.to_owned(),
    }
}
