//! `shim doctor --fix`: what can be mended without a decision of a person, with a copy of what was there.
//!
//! One thing is: an append-only file of the private Redis whose end is no command, as a loss of power leaves it. Redis's own
//! tool cuts the end off.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Config;
use crate::error::CliError;
use crate::hold::HeldFolder;
use crate::up::{redis, redis_log};

/// Redis's tool, and the one of its relative.
const CHECKERS: [&str; 2] = ["redis-check-aof", "valkey-check-aof"];
const APPEND_ONLY_FOLDER: &str = "appendonlydir";
const MANIFEST: &str = "appendonly.aof.manifest";
const RESTORE: &str = "put a copy of appendonlydir from your backup in its place, or move it away to begin with an empty Redis";

/// Mends what can be mended, and says what was done.
///
/// # Errors
/// If the tool is missing or fails; the files are as they were then.
pub(super) async fn run(config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let folder = redis_log::folder(config.data_dir()).join(APPEND_ONLY_FOLDER);
    let manifest = folder.join(MANIFEST);
    if config.runtime.redis_url.is_some() || !manifest.exists() {
        return Ok(writeln!(
            out,
            "nothing to fix: there is no Redis of the stack's own here"
        )?);
    }
    let checker = CHECKERS.into_iter().find_map(redis::find_program);
    let checker = checker.ok_or_else(|| {
        CliError::new("redis-check-aof, which mends an append-only file, is not installed")
            .hint("install it with `apt-get install redis-tools` or `brew install redis`")
    })?;
    // A Redis that answers has read its file, which changes under the tool.
    if redis::answers(&redis::socket(config.data_dir())).await {
        return Ok(writeln!(
            out,
            "nothing to fix: Redis runs, so its files are whole"
        )?);
    }
    let held = HeldFolder::take(config, "Redis's append-only file is being mended", out).await?;
    let mended = mend(&checker, &folder, &manifest, out);
    held.release(config, out).await?;
    mended
}

fn mend(
    checker: &Path,
    folder: &Path,
    manifest: &Path,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if check(checker, manifest, false)?.status.success() {
        return Ok(writeln!(
            out,
            "nothing to fix: Redis's append-only file is whole"
        )?);
    }
    let copy = copy_name(folder);
    copy_folder(folder, &copy)
        .map_err(|e| CliError::from(e).while_doing("Redis's files could not be copied"))?;
    writeln!(
        out,
        "a copy of Redis's files as they were: {}",
        copy.display()
    )?;
    let fixed = check(checker, manifest, true)?;
    if !fixed.status.success() {
        // The tool refuses to cut anything but the end of the newest file.
        let said = String::from_utf8_lossy(&fixed.stdout);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        return Err(CliError::new(format!(
            "the append-only file cannot be mended: {}",
            last.unwrap_or("its tool says nothing")
        ))
        .hint(RESTORE));
    }
    judge_cut(&copy, folder, manifest, out)
}

/// Says how much was cut off. The tool also cuts all that follows a damage near the beginning, and an empty manifest is
/// whole to it: such a cut is taken back.
fn judge_cut(
    copy: &Path,
    folder: &Path,
    manifest: &Path,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let (before, after) = (bytes_in(copy)?, bytes_in(folder)?);
    if manifest.metadata()?.len() == 0 || after < before / 2 {
        copy_files(copy, folder)?;
        return Err(CliError::new(format!(
            "the append-only file cannot be mended: {after} of {before} bytes would be left; nothing was changed"
        ))
        .hint(RESTORE));
    }
    Ok(writeln!(
        out,
        "Redis's append-only file ends with its last whole command again: {} bytes were cut off, {after} are left",
        before.saturating_sub(after)
    )?)
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    std::fs::read_dir(folder)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

fn check(checker: &Path, manifest: &Path, fix: bool) -> io::Result<Output> {
    let mut command = Command::new(checker);
    if fix {
        command.arg("--fix");
    }
    let mut child = command
        .arg(manifest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It asks before it cuts; a tool that does not ask may be gone.
        let _ = stdin.write_all(b"y\n");
    }
    child.wait_with_output()
}

fn copy_name(folder: &Path) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (seconds..)
        .map(|number| folder.with_extension(format!("damaged-{number}")))
        .find(|name| !name.exists())
        .unwrap_or_else(|| folder.with_extension("damaged"))
}

/// The folder holds files only.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    copy_files(from, to)
}

fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
