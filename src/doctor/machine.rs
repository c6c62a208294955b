//! What the machine offers: helper programs and a plausible clock.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::check::Check;
use crate::remedies::INSTALL_REDIS;
use crate::up::redis;

/// A clock with an earlier time is wrong: 2025-01-01T00:00:00Z.
const PLAUSIBLE_SINCE: Duration = Duration::from_secs(1_735_689_600);
/// A file with a time in the future is a sign that the clock jumped back.
const TOLERANCE: Duration = Duration::from_secs(120);

/// The scripts of the coordination service use functions that came with this major version.
const OLDEST_REDIS: u32 = 7;

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
    let name = "redis-server";
    let Some(path) = redis::find_program(name) else {
        return Check::warn(
            name,
            "not found: checkpoints and recovery work, coordination needs redis_url",
            INSTALL_REDIS,
        );
    };
    let shown = path.display();
    match redis_version(&path) {
        Some(major) if major < OLDEST_REDIS => Check::warn(
            name,
            format!("{shown} is version {major}, and coordination needs {OLDEST_REDIS}"),
            "install a newer one, or set redis_url",
        ),
        Some(major) => Check::ok(name, format!("{shown}, version {major}")),
        None => Check::warn(
            name,
            format!("{shown} does not tell its version"),
            INSTALL_REDIS,
        ),
    }
}

/// The major version of `redis-server --version`, which says "Redis server v=7.0.15 sha=..."; Valkey says the same of
/// itself with a version of its own that began at 7.
fn redis_version(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    major(&String::from_utf8_lossy(&output.stdout))
}

fn major(said: &str) -> Option<u32> {
    let version = said
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    version.split('.').next()?.parse().ok()
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
    // The kernel wrote this time when the process started; other systems have nothing to compare.
    let started = std::fs::metadata(Path::new("/proc/self")).and_then(|meta| meta.modified());
    match started.map(|started| started.duration_since(now)) {
        Ok(Ok(ahead)) if ahead > TOLERANCE => {
            Check::warn("clock", format!("it jumped back by {ahead:?}"), remedy)
        }
        _ => Check::ok("clock", humantime::format_rfc3339_seconds(now).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_redis_is_read_from_what_it_says() {
        let said = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=a3b5";
        assert_eq!(major(said), Some(7));
        assert_eq!(major("Valkey server v=9.0.0 sha=0"), Some(9));
        assert_eq!(major("not a server"), None);
    }
}
