//! What the machine offers: helper programs and a clock that can be right.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Check;
use crate::up::redis;

/// No clock shows an earlier time and is right: 2025-01-01T00:00:00Z.
const PLAUSIBLE_SINCE: Duration = Duration::from_secs(1_735_689_600);
/// A file written in the future tells that the clock jumped back.
const TOLERANCE: Duration = Duration::from_secs(120);

pub(super) fn check() -> Vec<Check> {
    vec![git(), redis_server(), clock()]
}

fn git() -> Check {
    match redis::find_program("git") {
        Some(path) => Check::ok("git", path.display().to_string()),
        None => Check::warn(
            "git",
            "not found: checkpoints will not record branch and commit",
            "install git",
        ),
    }
}

fn redis_server() -> Check {
    match redis::find_program("redis-server") {
        Some(path) => Check::ok("redis-server", path.display().to_string()),
        None => Check::warn(
            "redis-server",
            "not found: checkpoints and recovery work, coordination will not",
            redis::REMEDY,
        ),
    }
}

fn clock() -> Check {
    let remedy = "set the clock, for example with `timedatectl set-ntp true`";
    let now = SystemTime::now();
    if now < UNIX_EPOCH + PLAUSIBLE_SINCE {
        return Check::fail(
            "clock",
            format!("it says {}", humantime::format_rfc3339_seconds(now)),
            remedy,
        );
    }
    // Written when this process started, by the kernel's own clock; elsewhere there is nothing to compare.
    let started = std::fs::metadata(Path::new("/proc/self")).and_then(|meta| meta.modified());
    match started.map(|started| started.duration_since(now)) {
        Ok(Ok(ahead)) if ahead > TOLERANCE => {
            Check::warn("clock", format!("it jumped back by {ahead:?}"), remedy)
        }
        _ => Check::ok("clock", humantime::format_rfc3339_seconds(now).to_string()),
    }
}
