//! What a project says before and after a change: messages of its compiler, results of its tests.

use std::collections::{BTreeMap, BTreeSet};

/// Errors of the compiler by file and text, with how often each stands there. Lines are left out: a change moves them.
pub(crate) type Diagnostics = BTreeMap<(String, String), usize>;

/// Reads what `tsc --pretty false` printed: `a.ts(2,26): error TS2339: ...`, or `error TS18003: ...` without a place. Lines that
/// begin with a blank belong to the message above them.
pub(crate) fn parse_tsc(printed: &str) -> Diagnostics {
    let mut found = Diagnostics::new();
    for line in printed.lines() {
        let Some(at) = line.find("error TS").filter(|_| !line.starts_with(' ')) else {
            continue;
        };
        let file = line[..at].split('(').next().unwrap_or_default();
        let key = (
            file.trim_end_matches([':', ' ']).to_owned(),
            line[at..].to_owned(),
        );
        *found.entry(key).or_default() += 1;
    }
    found
}

/// Errors that are there more often than before, one line each.
pub(crate) fn new_diagnostics(before: &Diagnostics, after: &Diagnostics) -> Vec<String> {
    let is_new = |(key, count): &(&(String, String), &usize)| {
        **count > before.get(*key).copied().unwrap_or(0)
    };
    let line = |((file, text), _): (&(String, String), &usize)| format!("{file}: {text}");
    after.iter().filter(is_new).map(line).collect()
}

/// What a run of tests showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TestFigures {
    /// Whether the run passed as a whole.
    pub(crate) is_passed: bool,
    /// How many tests passed.
    pub(crate) passed: usize,
    /// Names of the tests and files that failed.
    pub(crate) failed: BTreeSet<String>,
    /// The run in one line.
    pub(crate) summary: String,
}

/// Why the tests do not show that a change holds.
///
/// # Errors
/// With the reason.
pub(crate) fn compare_tests(before: &TestFigures, after: &TestFigures) -> Result<(), String> {
    if before.is_passed && !after.is_passed {
        return Err(format!("they passed before: {}", after.summary));
    }
    if let Some(broken) = after.failed.difference(&before.failed).next() {
        return Err(format!("{broken} failed, which passed before"));
    }
    if after.passed < before.passed {
        return Err(format!(
            "{} tests passed before, and {} do now",
            before.passed, after.passed
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_compared_without_their_lines() {
        let before =
            parse_tsc("a.ts(2,26): error TS2339: no foo.\n  detail\nb.ts(1,1): error TS1: x\n");
        assert_eq!(before.len(), 2);
        let moved = parse_tsc("a.ts(9,1): error TS2339: no foo.\n");
        assert!(new_diagnostics(&before, &moved).is_empty());
        let more = parse_tsc(
            "a.ts(2,26): error TS2339: no foo.\na.ts(3,1): error TS2339: no foo.\nerror TS5083: no file\n",
        );
        assert_eq!(
            new_diagnostics(&before, &more),
            [": error TS5083: no file", "a.ts: error TS2339: no foo."]
        );
    }

    fn figures(is_passed: bool, passed: usize, failed: &[&str]) -> TestFigures {
        TestFigures {
            is_passed,
            passed,
            failed: failed.iter().map(|&name| name.to_owned()).collect(),
            summary: "it failed".to_owned(),
        }
    }

    #[test]
    fn tests_must_not_get_worse() {
        let held = |before, after| compare_tests(&before, &after).is_ok();
        assert!(held(figures(true, 3, &[]), figures(true, 3, &[])));
        assert!(held(figures(false, 2, &["a"]), figures(false, 2, &["a"])));
        assert!(!held(figures(true, 3, &[]), figures(true, 2, &[])));
        assert!(!held(figures(false, 2, &["a"]), figures(false, 2, &["b"])));
        assert!(!held(figures(true, 3, &[]), figures(false, 3, &[])));
    }
}
