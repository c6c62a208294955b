//! A small git repository to work in: real files, real commits.

use std::path::{Path, PathBuf};

use shim_runtime::git;

use crate::error::CliError;

/// The file that is edited and, behind the session's back, changed.
pub(super) const CHANGED: &str = "src/limiter.rs";
/// A file that stays as it was saved.
pub(super) const KEPT: &str = "src/main.rs";

const LIMITER: &str = "pub struct Limiter { tokens: u32 }\n";
const MAIN: &str = "mod limiter;\nfn main() {}\n";
const REFILL: &str = "impl Limiter { pub fn refill(&mut self) { self.tokens = 100; } }\n";
const UNSAVED_EDIT: &str = "// edited in another window while the session was dead\n";

/// The repository.
pub(super) struct Project(PathBuf);

impl Project {
    /// Makes it in `folder` with a first commit.
    pub(super) fn make(folder: &Path) -> Result<Self, CliError> {
        let project = Self(folder.join("rate-limiter"));
        std::fs::create_dir_all(project.0.join("src"))?;
        std::fs::write(project.0.join(CHANGED), LIMITER)?;
        std::fs::write(project.0.join(KEPT), MAIN)?;
        project.git(&["init", "--quiet", "--initial-branch=main"])?;
        project.commit("A token bucket")?;
        Ok(project)
    }

    /// Its folder.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Does a piece of work and commits it.
    pub(super) fn implement_refill(&self) -> Result<String, CliError> {
        append(&self.0.join(CHANGED), REFILL)?;
        self.commit("Refill the bucket")
    }

    /// Changes the file without a checkpoint.
    pub(super) fn edit_outside_session(&self) -> Result<(), CliError> {
        append(&self.0.join(CHANGED), UNSAVED_EDIT)
    }

    fn commit(&self, message: &str) -> Result<String, CliError> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        self.git(&["log", "--oneline", "--max-count=1"])
    }

    /// Runs git without the user's configuration: its identity, hooks and signing have no place in a demo.
    fn git(&self, arguments: &[&str]) -> Result<String, CliError> {
        let output = git::command(&self.0)
            .args([
                "-c",
                "user.name=SHIM demo",
                "-c",
                "user.email=demo@localhost",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .map_err(|e| CliError::new(format!("git cannot be run: {e}")).hint("install git"))?;
        if !output.status.success() {
            return Err(CliError::new(format!(
                "git {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn append(path: &Path, text: &str) -> Result<(), CliError> {
    let whole = std::fs::read_to_string(path)? + text;
    Ok(std::fs::write(path, whole)?)
}
