//! What hooks could not do: events that wait for a stack, and errors of the last day.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use shim_render::figures::{bytes, count};
use shim_render::text::one_line;
use shim_runtime::data_dir::{open_own, read_bounded};

use super::check::Check;
use crate::hook::{LOG_NAME, SPOOL_NAME};

const NAME: &str = "hooks";
/// Errors that are older were mended, or are told again.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);
/// What the log is at most, and a little more.
const MAX_LOG_BYTES: u64 = 2 << 20;
const MAX_LINE: usize = 200;

/// What hooks left in the data folder; nothing if no hook ever ran.
pub(super) fn check(data_dir: &Path, is_served: bool) -> Vec<Check> {
    let waiting = spooled_bytes(&data_dir.join(SPOOL_NAME));
    let mut found = Vec::new();
    if waiting > 0 && !is_served {
        found.push(Check::warn(
            NAME,
            format!("{} of events wait for a stack to read them", bytes(waiting)),
            "`shim up --detach` reads them; so does the next session",
        ));
    }
    found.extend(errors(&data_dir.join(LOG_NAME), SystemTime::now()));
    found
}

/// Bytes of events; the notes on single conversations beside them are none.
fn spooled_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_events = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name == "active")
            || path.extension().is_some_and(|kind| kind == "events")
    };
    let files = entries.map(|entry| entry.path()).filter(is_events);
    let sizes = files.filter_map(|path| path.symlink_metadata().ok());
    sizes
        .filter(std::fs::Metadata::is_file)
        .map(|it| it.len())
        .sum()
}

/// The errors of the last day. Lines of events that were kept tell of no loss.
fn errors(log: &Path, now: SystemTime) -> Option<Check> {
    let file = open_own(log, OpenOptions::new().read(true)).ok()?;
    let text = String::from_utf8_lossy(&read_bounded(file, MAX_LOG_BYTES).ok()?).into_owned();
    let is_late = |line: &&str| {
        let at = line
            .split(' ')
            .next()
            .and_then(|at| at.parse::<Timestamp>().ok());
        let at = at.and_then(|at| SystemTime::try_from(at).ok());
        at.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age < LATELY))
    };
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" error: "))
        .filter(is_late)
        .collect();
    let last = errors.last()?;
    let what = last.split_once(" error: ").map_or(*last, |(_, what)| what);
    Some(Check::warn(
        NAME,
        format!(
            "{} in the last day, the last one: {}",
            count(errors.len() as u64, "error"),
            one_line(what, MAX_LINE)
        ),
        format!("read {}", log.display()),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn what_waits_and_what_failed_lately_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(check(folder.path(), false).is_empty(), "no hook ever ran");
        std::fs::create_dir(path(SPOOL_NAME)).unwrap();
        std::fs::write(path("hook-spool/active"), "").unwrap();
        std::fs::write(path("hook-spool/c0ffee.start"), "x").unwrap();
        assert!(check(folder.path(), false).is_empty(), "all was read");
        std::fs::write(path("hook-spool/1.events"), "12345").unwrap();
        let found = check(folder.path(), false);
        assert!(
            found[0].detail.starts_with("5 B of events"),
            "{:?}",
            found[0]
        );
        assert!(
            check(folder.path(), true).is_empty(),
            "the stack reads them"
        );
        let at = |age: u64| {
            let then = SystemTime::now() - Duration::from_secs(age);
            shim_render::time::rfc3339(Some(&then.into()))
        };
        let log = format!(
            "{} 1 Stop c error: long ago\n{} 2 Stop c spooled: away\n{} 3 Stop c error: no\u{1b} room\nno line\n",
            at(100_000),
            at(30),
            at(20)
        );
        std::fs::write(path(LOG_NAME), log).unwrap();
        let found = check(folder.path(), true);
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Warn));
        assert_eq!(
            found[0].detail,
            "1 error in the last day, the last one: no\\u{1b} room"
        );
    }
}
