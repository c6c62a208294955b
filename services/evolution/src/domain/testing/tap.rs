//! The Test Anything Protocol, as far as a verdict needs it.

use super::report::{Report, TestCase, TestState};

/// Reads TAP from what a program printed. `None` if it is none: neither a version nor a plan is there.
pub(crate) fn parse(text: &str) -> Option<Report> {
    let mut report = Report::default();
    let mut planned = None;
    let mut has_version = false;
    for line in text.lines().map(str::trim_end) {
        if line.starts_with("TAP version ") {
            has_version = true;
        } else if let Some(plan) = line.strip_prefix("1..") {
            planned = plan
                .split_whitespace()
                .next()
                .and_then(|count| count.parse::<usize>().ok());
        } else if let Some(why) = line.strip_prefix("Bail out!") {
            report
                .broken_files
                .push((String::new(), why.trim().to_owned()));
        } else if let Some(test) = test_of(line) {
            report.tests.push(test);
        }
    }
    if !has_version && planned.is_none() {
        return None;
    }
    let missing = planned.unwrap_or(0).saturating_sub(report.tests.len());
    if missing > 0 {
        let why = format!("{missing} of the planned tests are not reported");
        report.broken_files.push((String::new(), why));
    }
    report.is_complete = planned.is_some();
    Some(report)
}

fn test_of(line: &str) -> Option<TestCase> {
    let (failed, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest
        .trim_start()
        .trim_start_matches(|c: char| c.is_ascii_digit());
    let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
    let directive = directive.trim_start().to_ascii_uppercase();
    let is_left_out = directive.starts_with("SKIP") || directive.starts_with("TODO");
    let state = match (is_left_out, failed) {
        (true, _) => TestState::Skipped,
        (false, true) => TestState::Failed,
        (false, false) => TestState::Passed,
    };
    Some(TestCase {
        name: name.trim().trim_start_matches("- ").to_owned(),
        file: String::new(),
        state,
        message: String::new(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tap_is_read_with_its_plan() {
        let text = "TAP version 13\n# sums\nok 1 adds\nnot ok 2 - breaks\n  ---\n  operator: equal\n  ...\nok 3 later # SKIP\n\n1..3\n";
        let report = parse(text).unwrap();
        let states: Vec<_> = report
            .tests
            .iter()
            .map(|test| (test.name.as_str(), test.state))
            .collect();
        let expected = [
            ("adds", TestState::Passed),
            ("breaks", TestState::Failed),
            ("later", TestState::Skipped),
        ];
        assert_eq!(states, expected);
        assert!(report.is_complete && report.broken_files.is_empty());
    }

    #[test]
    fn what_was_planned_and_is_missing_is_told() {
        let report = parse("1..3\nok 1\n").unwrap();
        assert_eq!(
            report.broken_files[0].1,
            "2 of the planned tests are not reported"
        );
        assert!(parse("ok then\nokay 1\n").is_none());
        let cut = parse("TAP version 14\nok 1 a\n").unwrap();
        assert!(!cut.is_complete);
    }
}
