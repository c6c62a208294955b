//! `shim doctor --fix` and `--new-redis`: what can be mended without a decision of a person, and the one step for the rest.
//!
//! Mended are files of the private Redis: an append-only file whose end is no command, as a loss of power leaves it, and a
//! manifest that is damaged while the parts that it names are there. It is done on a copy; a Redis is started on the copy, and
//! only what it serves takes the place of the files, which are kept.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use shim_render::figures::count;

use super::redis_trial::{self, Trial};
use crate::config::Config;
use crate::error::CliError;
use crate::hold::HeldFolder;
use crate::remedies::INSTALL_REDIS;
use crate::up::redis;
use crate::up::redis_files::{self, APPEND_ONLY_FOLDER, MANIFEST};
use crate::up::redis_trouble::{RedisTrouble, TroubleKind};

/// Redis's tool, and the one of its relative.
const CHECKERS: [&str; 2] = ["redis-check-aof", "valkey-check-aof"];
/// A damaged manifest may hide a damaged part; a third damage would be one that mending made.
const MAX_STEPS: usize = 2;

/// Mends what can be mended, and says what was done.
///
/// # Errors
/// With the reason and the step, if it cannot be mended; the files are as they were then.
pub(super) async fn run(config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let Some(program) = private_redis(config, out).await? else {
        return Ok(());
    };
    let held = HeldFolder::take(config, "Redis's files are being mended", out).await?;
    let redis = redis_files::folder(config.data_dir());
    let scratch = redis_trial::folder(&redis);
    let mended = mend(&program, &redis, &scratch, out);
    let _ = std::fs::remove_dir_all(&scratch);
    held.release(config, out).await?;
    mended
}

/// Sets the files of the private Redis aside, so that it begins without their data.
///
/// # Errors
/// If Redis runs, or the files cannot be moved.
pub(super) async fn begin_anew(config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let folder = redis_files::append_only(config.data_dir());
    if config.runtime.redis_url.is_some() || !folder.exists() {
        return Ok(writeln!(
            out,
            "there are no files of a Redis of the stack's own here"
        )?);
    }
    if redis::answers(&redis::socket(config.data_dir())).await {
        return Err(
            CliError::new("Redis runs and serves its data; nothing was set aside")
                .hint("only a Redis that cannot start is begun anew"),
        );
    }
    let held = HeldFolder::take(config, "Redis's files are being set aside", out).await?;
    let aside = unused_name(&folder, "set-aside");
    let moved = std::fs::rename(&folder, &aside);
    held.release(config, out).await?;
    moved.map_err(|e| CliError::from(e).while_doing("Redis's files could not be set aside"))?;
    Ok(writeln!(
        out,
        "Redis begins without its data; its files from before: {}",
        aside.display()
    )?)
}

/// The program, if there are files of the stack's own Redis and it does not run with them; says so otherwise.
async fn private_redis(config: &Config, out: &mut dyn Write) -> Result<Option<PathBuf>, CliError> {
    let folder = redis_files::append_only(config.data_dir());
    if config.runtime.redis_url.is_some() || !folder.exists() {
        writeln!(
            out,
            "nothing to fix: there is no Redis of the stack's own here"
        )?;
        return Ok(None);
    }
    let program = redis::find_program("redis-server");
    let program =
        program.ok_or_else(|| CliError::new("there is no redis-server").hint(INSTALL_REDIS))?;
    // A Redis that answers has read its files, which change under a tool.
    if redis::answers(&redis::socket(config.data_dir())).await {
        writeln!(out, "nothing to fix: Redis runs and serves its data")?;
        return Ok(None);
    }
    Ok(Some(program))
}

fn mend(program: &Path, redis: &Path, scratch: &Path, out: &mut dyn Write) -> Result<(), CliError> {
    let files = redis.join(APPEND_ONLY_FOLDER);
    let copy = scratch.join(APPEND_ONLY_FOLDER);
    copied(&files, scratch, &copy).map_err(uncopied)?;
    let (done, keys) = mend_copy(program, scratch, &copy)?;
    let keys = count(keys, "key");
    if done.is_empty() {
        return Ok(writeln!(
            out,
            "nothing to fix in Redis's files: a Redis started on a copy of them, and holds {keys}"
        )?);
    }
    let kept = unused_name(&files, "damaged");
    exchange(&files, &kept, &copy)
        .map_err(|e| CliError::from(e).while_doing("the mended files could not be put in place"))?;
    writeln!(
        out,
        "a copy of Redis's files as they were: {}",
        kept.display()
    )?;
    for step in done {
        writeln!(out, "{step}")?;
    }
    Ok(writeln!(
        out,
        "a Redis started on the mended files, and holds {keys}"
    )?)
}

/// Mends the copy until a Redis serves it. Answers what was done, and how many keys there are.
fn mend_copy(program: &Path, scratch: &Path, copy: &Path) -> Result<(Vec<String>, u64), CliError> {
    let mut done = Vec::new();
    loop {
        let trial = match redis_files::silent_loss(copy) {
            Some(trouble) => Trial::Refused(trouble),
            None => redis_trial::run(program, scratch)?,
        };
        match trial {
            Trial::Serves(keys) => return Ok((done, keys)),
            Trial::Refused(trouble) if done.len() < MAX_STEPS => {
                done.push(mend_one(&trouble, copy)?);
            }
            Trial::Refused(trouble) => return Err(unmended(&trouble, "")),
        }
    }
}

fn uncopied(error: io::Error) -> CliError {
    let kind = error.kind();
    let failure = CliError::from(error).while_doing("Redis's files could not be copied");
    match kind {
        io::ErrorKind::PermissionDenied => failure.hint(TroubleKind::Permission.step()),
        io::ErrorKind::StorageFull => failure.hint(TroubleKind::DiskFull.step()),
        _ => failure,
    }
}

/// Does the one thing that mends this trouble, in the copy. Answers what was done.
fn mend_one(trouble: &RedisTrouble, copy: &Path) -> Result<String, CliError> {
    match trouble.kind {
        TroubleKind::DamagedAppendOnlyFile => cut_off(trouble, copy),
        TroubleKind::DamagedManifest => {
            let manifest = redis_files::manifest_of(copy)?.map_err(|why| unmended(trouble, why))?;
            std::fs::write(copy.join(MANIFEST), manifest)?;
            Ok("the manifest names the parts that are there again".to_owned())
        }
        _ => Err(unmended(trouble, "")),
    }
}

fn unmended(trouble: &RedisTrouble, why: &str) -> CliError {
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    // What the step of these would do was done, and did not help.
    let kind = match trouble.kind {
        TroubleKind::DamagedAppendOnlyFile | TroubleKind::DamagedManifest => {
            TroubleKind::DamagedSnapshot
        }
        other => other,
    };
    CliError::new(format!(
        "Redis's files cannot be mended{why}; nothing was changed. A Redis on a copy of them says: {}",
        trouble.said
    ))
    .hint(kind.step())
}

/// Lets Redis's tool cut off what is no command. The tool also cuts all that follows a damage near the beginning: such a cut
/// is not taken.
fn cut_off(trouble: &RedisTrouble, copy: &Path) -> Result<String, CliError> {
    let checker = CHECKERS.into_iter().find_map(redis::find_program);
    let checker = checker.ok_or_else(|| {
        CliError::new("redis-check-aof, which mends an append-only file, is not installed")
            .hint("install it with `apt-get install redis-tools` or `brew install redis`")
    })?;
    let before = bytes_in(copy)?;
    let fixed = run_checker(&checker, &copy.join(MANIFEST))?;
    if !fixed.status.success() {
        // The tool refuses to cut anything but the end of the newest file.
        let said = String::from_utf8_lossy(&fixed.stdout);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        return Err(unmended(
            trouble,
            last.unwrap_or("redis-check-aof says nothing"),
        ));
    }
    let after = bytes_in(copy)?;
    if after < before / 2 {
        let why = format!("{after} of {before} bytes would be left");
        return Err(unmended(trouble, &why));
    }
    Ok(format!(
        "Redis's append-only file ends with its last whole command again: {} bytes were cut off, {after} are left",
        before.saturating_sub(after)
    ))
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    std::fs::read_dir(folder)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

fn run_checker(checker: &Path, manifest: &Path) -> io::Result<Output> {
    let mut child = Command::new(checker)
        .arg("--fix")
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

/// Keeps the files under another name, and puts the copy in their place; what was done half is taken back.
fn exchange(files: &Path, kept: &Path, copy: &Path) -> io::Result<()> {
    std::fs::rename(files, kept)?;
    std::fs::rename(copy, files).inspect_err(|_| {
        let _ = std::fs::rename(kept, files);
    })
}

fn unused_name(folder: &Path, kind: &str) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (seconds..)
        .map(|number| folder.with_extension(format!("{kind}-{number}")))
        .find(|name| !name.exists())
        .unwrap_or_else(|| folder.with_extension(kind))
}

/// The folder holds files only; a folder in the place of one is left for Redis to name.
fn copied(from: &Path, scratch: &Path, to: &Path) -> io::Result<()> {
    if scratch.exists() {
        std::fs::remove_dir_all(scratch)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.metadata()?.is_dir() {
            std::fs::create_dir(target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
