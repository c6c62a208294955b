//! The coverage report of a project, if one is there.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crate::domain::analysis::coverage::{self, CoverageFacts, REPORTS};

/// A larger report is none that is read for a figure.
const MAX_BYTES: u64 = 256 << 20;

/// What was found: the facts, or which report could not be read and why.
pub(super) fn find(
    root: &Path,
    sources: impl Iterator<Item = String>,
) -> (Option<CoverageFacts>, Vec<(String, String)>) {
    let mut failures = Vec::new();
    let found = REPORTS
        .iter()
        .filter_map(|report| Some((*report, root.join(report).metadata().ok()?)));
    for (report, meta) in found {
        let read = if meta.len() > MAX_BYTES || !meta.is_file() {
            Err("too large, or no file".to_owned())
        } else {
            std::fs::read_to_string(root.join(report)).map_err(|why| why.to_string())
        };
        match read.and_then(|text| coverage::read(report, &text)) {
            Ok(mut facts) => {
                facts.files = of_project(root, facts.files);
                let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                facts.total.is_stale = is_newer_than(root, sources, written);
                return (Some(facts), failures);
            }
            Err(why) => failures.push((report.to_owned(), why)),
        }
    }
    (None, failures)
}

/// What decides about the answer of [`find`], beside the sources.
pub(super) fn key(root: &Path) -> String {
    let stat = |report: &&str| {
        let meta = root.join(report).metadata().ok()?;
        let written = meta
            .modified()
            .ok()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        Some(format!("{report} {} {};", meta.len(), written.as_nanos()))
    };
    REPORTS.iter().filter_map(stat).collect()
}

/// Reports name files by absolute paths or by those below the root.
fn of_project(root: &Path, files: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let relative = |path: String| {
        let inner = Path::new(&path)
            .strip_prefix(root)
            .ok()
            .and_then(Path::to_str)
            .map(str::to_owned);
        inner.unwrap_or_else(|| path.trim_start_matches("./").replace('\\', "/"))
    };
    files
        .into_iter()
        .map(|(path, share)| (relative(path), share))
        .collect()
}

fn is_newer_than(root: &Path, sources: impl Iterator<Item = String>, written: SystemTime) -> bool {
    let mut times = sources.filter_map(|path| root.join(path).metadata().ok()?.modified().ok());
    times.any(|modified| modified > written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_report_that_is_older_than_a_source_is_stale() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("coverage")).unwrap();
        let report = root.path().join("coverage/lcov.info");
        let source = root.path().join("a.js");
        std::fs::write(&source, "1").unwrap();
        std::fs::write(
            &report,
            format!("SF:{}\nDA:1,1\nend_of_record\n", source.display()),
        )
        .unwrap();
        let find = || {
            find(root.path(), ["a.js".to_owned()].into_iter())
                .0
                .unwrap()
        };
        let now = SystemTime::now();
        let set = |path: &Path, time| {
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(time)
                .unwrap()
        };
        set(&report, now);
        set(&source, now - Duration::from_secs(9));
        assert!(!find().total.is_stale);
        assert_eq!(find().files["a.js"], 1.0);
        set(&source, now + Duration::from_secs(9));
        assert!(find().total.is_stale);
    }

    #[test]
    fn an_unreadable_report_is_told_and_the_next_one_is_taken() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("coverage")).unwrap();
        std::fs::write(root.path().join("coverage/coverage-final.json"), "{").unwrap();
        std::fs::write(
            root.path().join("coverage/lcov.info"),
            "SF:a.js\nDA:1,0\nend_of_record\n",
        )
        .unwrap();
        let (facts, failures) = find(root.path(), std::iter::empty());
        assert_eq!(facts.unwrap().total.report, "coverage/lcov.info");
        assert_eq!(failures.len(), 1);
    }
}
