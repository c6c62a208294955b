//! The data folder and the database in it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use shim_checkpoint::{
    Fault, Integrity, VerifyReport, VerifyScope, database_path, inspect, set_aside, verify,
    was_opened,
};
use shim_exec::Artifacts;
use shim_render::figures::{bytes, count};
use shim_render::text::{one_line, short_id};
use shim_runtime::data_dir::{Coverage, Untrusted};

use super::check::Check;
use crate::config::Config;
use crate::sessions::set_aside_line;

const FAIL_BELOW_BYTES: u64 = 20 * 1024 * 1024;
/// Above this share of its bound something may soon go before its time.
const FULL_ABOVE: f64 = 0.8;
const WARN_BELOW_BYTES: u64 = 500 * 1024 * 1024;
/// Reading all rows of a large database takes longer than a person waits for a check.
const MAX_READING: Duration = Duration::from_secs(2);

/// `is_replaced`: the stack has another database open than the one in the folder, and says so itself.
pub(super) fn check(config: &Config, is_replaced: bool) -> Vec<Check> {
    let folder = config.data_dir();
    if !folder.exists() {
        let detail = format!("{} is not there yet", folder.display());
        return vec![
            Check::ok("data folder", format!("{detail}; the first start makes it")),
            space(folder),
        ];
    }
    let mut checks = vec![
        permissions(folder),
        space(folder),
        database(folder, is_replaced),
    ];
    checks.extend(history(config));
    checks.extend(set_aside(folder).iter().map(|file| {
        Check::warn(
            "database",
            set_aside_line(file),
            "`shim sessions verify` says what is missing here; remove the file once you need nothing of it",
        )
    }));
    checks
}

/// A folder in which somebody else has a hand.
pub(super) fn untrusted(why: &Untrusted) -> Check {
    let remedy = "do what it says, or choose another --data-dir";
    Check::fail("data folder", format!("not safe to use: {why}"), remedy)
}

/// What a start does not look at either.
pub(super) fn not_looked_at(coverage: &Coverage) -> Option<Check> {
    let folder = coverage.ended_in.as_ref()?.display();
    let number = count(coverage.entries as u64, "file");
    Some(Check::warn(
        "data folder",
        format!("{number} were looked at; whose the rest in {folder} is, is not known"),
        format!(
            "`find {folder} ! -user $(id -u) -o -perm /022 -o -type l` lists what should not be there"
        ),
    ))
}

fn permissions(folder: &Path) -> Check {
    let shown = folder.display();
    let Ok(meta) = std::fs::metadata(folder) else {
        return Check::fail(
            "data folder",
            format!("{shown} cannot be read"),
            "mend its permissions or choose another --data-dir",
        );
    };
    if !meta.is_dir() {
        return Check::fail(
            "data folder",
            format!("{shown} is not a folder"),
            "move it away or choose another --data-dir",
        );
    }
    if access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        let remedy = format!(
            "chown it to yourself, or choose another --data-dir (its owner is uid {})",
            meta.uid()
        );
        return Check::fail("data folder", format!("{shown} cannot be written"), remedy);
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Check::warn(
            "data folder",
            format!("others may enter {shown} (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        );
    }
    Check::ok("data folder", format!("{shown} (mode {mode:o})"))
}

/// How much of the room for files of output is used.
pub(super) fn artifacts(folder: &Path, max: u64) -> Option<Check> {
    let files = Artifacts::in_folder(folder);
    if files.number == 0 {
        return None;
    }
    let detail = format!(
        "{} of output, {} of at most {}",
        count(files.number, "file"),
        bytes(files.bytes),
        bytes(max)
    );
    let remedy = "`shim tasks prune --older-than 1d` removes older ones, or raise worker.max_artifacts: above it the oldest \
                  make room for newer ones";
    Some(match files.bytes as f64 >= max as f64 * FULL_ABOVE {
        true => Check::warn("artifacts", detail, remedy),
        false => Check::ok("artifacts", detail),
    })
}

/// Free space on the file system of the folder; of the nearest existing folder above it before the first start.
fn space(folder: &Path) -> Check {
    let Some(stat) = folder.ancestors().find_map(|path| statvfs(path).ok()) else {
        return Check::warn("disk space", "cannot be told", "look with `df`");
    };
    #[allow(
        clippy::useless_conversion,
        reason = "the width of these counts differs between platforms"
    )]
    let free = u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size()));
    let (detail, remedy) = (
        format!("{} free", bytes(free)),
        "free space, or drop old contents with `shim sessions prune`",
    );
    match free {
        0..FAIL_BELOW_BYTES => Check::fail("disk space", detail, remedy),
        FAIL_BELOW_BYTES..WARN_BELOW_BYTES => Check::warn("disk space", detail, remedy),
        _ => Check::ok("disk space", detail),
    }
}

fn database(folder: &Path, is_replaced: bool) -> Check {
    let path = database_path(folder);
    match inspect(folder) {
        verdict if is_replaced => Check::warn(
            "database",
            format!(
                "the file there now, which the stack does not use, is {}",
                in_words(&verdict)
            ),
            "see the check `service`",
        ),
        Integrity::Absent if was_opened(folder) && !path.exists() => Check::warn(
            "database",
            "the one that was here is gone; the next start begins with an empty one",
            "put it back, or go back to a backup with `shim sessions restore-backup FILE`",
        ),
        Integrity::Absent => Check::ok("database", "none yet; the first start makes it"),
        Integrity::Intact => {
            let size = std::fs::metadata(&path).map_or(0, |meta| meta.len());
            Check::ok("database", format!("intact, {}", bytes(size)))
        }
        Integrity::Damaged(what) => Check::fail(
            "database",
            format!("damaged: {what}"),
            "restart the stack: it sets the file aside and carries over what can be read",
        ),
        Integrity::Refused(why) => Check::fail(
            "database",
            format!("the stack refuses {}: {why}", path.display()),
            "mend that, update SHIM if a newer one wrote it, or go back with `shim sessions restore-backup FILE`",
        ),
    }
}

fn in_words(verdict: &Integrity) -> String {
    match verdict {
        Integrity::Absent => "none or an empty one".to_owned(),
        Integrity::Intact => "whole".to_owned(),
        Integrity::Damaged(what) => format!("damaged: {what}"),
        Integrity::Refused(why) => format!("of no use: {why}"),
    }
}

/// What is wrong with the rows, read in the database itself, whether or not the stack runs; as far as the time suffices.
fn history(config: &Config) -> Option<Check> {
    let folder = config.data_dir();
    let seal_key = match config.checkpoint.seal_key(folder) {
        Ok(seal_key) => seal_key,
        Err(why) => {
            return Some(Check::fail(
                "seal key",
                why,
                "mend that, or no stack starts",
            ));
        }
    };
    let scope = VerifyScope {
        session: None,
        seal_key,
        deadline: Some(Instant::now() + MAX_READING),
    };
    let report = verify(folder, &scope).ok()?;
    match report.faults.first() {
        Some(first) => Some(faults(&report, first)),
        None if report.is_complete => None,
        None => {
            let read = count(report.checkpoints, "checkpoint");
            let detail = format!("{read} read and intact; there are more");
            let more = "which `shim sessions verify` reads";
            Some(Check::ok("history", format!("{detail}, {more}")))
        }
    }
}

fn faults(report: &VerifyReport, first: &Fault) -> Check {
    let whose = match first.session.as_str() {
        "" => String::new(),
        id => format!("session {}: ", short_id(id)),
    };
    let number = count(report.fault_count, "fault");
    let detail = format!("{number}: {whose}{}", one_line(&first.what, 200));
    let remedy = "`shim sessions verify` names them all; a backup may have what is missing";
    let is_missing = |fault: &Fault| fault.what.ends_with("missing");
    if report.faults.iter().all(is_missing) {
        Check::warn("history", detail, remedy)
    } else {
        Check::fail("history", detail, remedy)
    }
}
