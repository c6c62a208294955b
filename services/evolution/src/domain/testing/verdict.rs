//! What a run of tests proves. Passed means that exit code, report and a number of passed tests above 0 agree.

use super::report::{Report, TestCase, TestState};
use super::runner::RunnerKind;

/// How a runner's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it.
    Signalled,
    /// Its report was whole, but the process did not end within the grace, and was killed.
    Lingered,
    /// It was killed at its limit.
    TimedOut,
}

/// What a run left behind.
#[derive(Debug, Clone)]
pub(crate) struct Evidence<'a> {
    /// The runner.
    pub(crate) kind: RunnerKind,
    /// How it ended.
    pub(crate) end: RunEnd,
    /// Its report; `None` if there is none or it cannot be read.
    pub(crate) report: Option<Report>,
    /// Errors outside of tests, which a guard in the runner's process saw.
    pub(crate) faults: &'a [String],
    /// Files without a test of their own that import the runner: they were to have some.
    pub(crate) silent_files: &'a [String],
    /// The end of what it printed.
    pub(crate) output: &'a str,
}

/// What a run proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All tests that ran passed, and at least one did.
    Passed,
    /// A test or a test file failed.
    Failed,
    /// No test ran.
    NoTests,
    /// It was killed at its limit, before its report was whole.
    TimedOut,
    /// Its exit code and its report contradict each other.
    Lied {
        /// How.
        why: String,
    },
    /// It did not come as far as tests.
    CouldNotRun {
        /// What it said.
        why: String,
    },
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A report of the runner.
    Report,
    /// TAP that the program printed.
    Tap,
    /// The exit code alone: how many tests ran is not known.
    ExitCode,
}

/// A run, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestRun {
    /// The runner with its version.
    pub(crate) runner: String,
    /// What the run proves.
    pub(crate) verdict: Verdict,
    /// What that rests on.
    pub(crate) proof: Proof,
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed, and files that failed as a whole.
    pub(crate) failed: usize,
    /// Tests that were left out.
    pub(crate) skipped: usize,
    /// Each test.
    pub(crate) tests: Vec<TestCase>,
    /// Files that failed as a whole, with the reason.
    pub(crate) broken_files: Vec<(String, String)>,
    /// Whether the process had to be killed after its report: something keeps it alive.
    pub(crate) lingered: bool,
    /// How long it ran.
    pub(crate) duration: std::time::Duration,
}

impl TestRun {
    /// Whether all tests passed.
    pub(crate) fn is_passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        let Self {
            runner,
            passed,
            failed,
            ..
        } = self;
        let how = match self.proof {
            Proof::Report => "",
            Proof::Tap => " (by its TAP output)",
            Proof::ExitCode => " (by its exit code alone)",
        };
        match &self.verdict {
            Verdict::Passed if self.proof == Proof::ExitCode => format!("{runner}: passed{how}"),
            Verdict::Passed => format!("{runner}: {passed} tests passed{how}"),
            Verdict::Failed => {
                let first = self.first_failure();
                format!(
                    "{runner}: {failed} of {} failed{how}{first}",
                    passed + failed
                )
            }
            Verdict::NoTests => format!("{runner}: no test ran"),
            Verdict::TimedOut => format!("{runner}: killed at its limit of time"),
            Verdict::Lied { why } => format!("{runner}: not to be trusted: {why}"),
            Verdict::CouldNotRun { why } => format!("{runner}: could not run: {why}"),
        }
    }

    fn first_failure(&self) -> String {
        let test = self
            .tests
            .iter()
            .find(|test| test.state == TestState::Failed);
        let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        match (test, self.broken_files.first()) {
            (Some(test), _) => format!(", first: {}: {}", test.name, line(&test.message)),
            (None, Some((file, why))) => format!(", first: {file}: {}", line(why)),
            (None, None) => String::new(),
        }
    }
}

/// Judges a run.
pub(crate) fn judge(evidence: Evidence<'_>) -> TestRun {
    let proof = match (&evidence.report, evidence.kind) {
        (Some(_), RunnerKind::Script) => Proof::Tap,
        (None, RunnerKind::Script) => Proof::ExitCode,
        _ => Proof::Report,
    };
    let verdict = verdict(&evidence);
    let report = evidence.report.unwrap_or_default();
    let count = |state| {
        report
            .tests
            .iter()
            .filter(|test| test.state == state)
            .count()
    };
    TestRun {
        runner: evidence.kind.name().to_owned(),
        verdict,
        proof,
        passed: count(TestState::Passed),
        failed: count(TestState::Failed) + report.broken_files.len(),
        skipped: count(TestState::Skipped),
        tests: report.tests,
        broken_files: report.broken_files,
        lingered: evidence.end == RunEnd::Lingered,
        duration: std::time::Duration::ZERO,
    }
}

fn verdict(evidence: &Evidence<'_>) -> Verdict {
    let Some(report) = &evidence.report else {
        return without_report(evidence);
    };
    if evidence.end == RunEnd::TimedOut && !report.is_complete {
        return Verdict::TimedOut;
    }
    let has = |state| report.tests.iter().any(|test| test.state == state);
    if has(TestState::Failed) || !report.broken_files.is_empty() {
        return Verdict::Failed;
    }
    if let Some(contradiction) = contradiction(evidence, report) {
        return Verdict::Lied { why: contradiction };
    }
    if !has(TestState::Passed) {
        return Verdict::NoTests;
    }
    Verdict::Passed
}

/// Why a report without a failure is not believed.
fn contradiction(evidence: &Evidence<'_>, report: &Report) -> Option<String> {
    if let Some(fault) = evidence.faults.first() {
        return Some(format!("an error outside of the tests: {fault}"));
    }
    if let Some(file) = evidence.silent_files.first() {
        return Some(format!(
            "{file} has tests and ended without reporting any: did one end the process?"
        ));
    }
    let open = report
        .tests
        .iter()
        .find(|test| test.state == TestState::Unfinished);
    if let Some(test) = open {
        return Some(format!("the test `{}` began and never ended", test.name));
    }
    if !report.is_complete {
        return Some("its report ends in the middle".to_owned());
    }
    let is_empty = report.tests.is_empty();
    match evidence.end {
        RunEnd::Exited(code) if code != 0 && !is_empty => Some(format!(
            "its report has no failure, and it exited with code {code}: {}",
            last_lines(evidence.output)
        )),
        RunEnd::Signalled => Some("its report has no failure, and a signal ended it".to_owned()),
        _ => None,
    }
}

fn without_report(evidence: &Evidence<'_>) -> Verdict {
    let is_script = evidence.kind == RunnerKind::Script;
    let said = last_lines(evidence.output);
    match evidence.end {
        RunEnd::TimedOut | RunEnd::Lingered => Verdict::TimedOut,
        RunEnd::Exited(0) if is_script => Verdict::Passed,
        RunEnd::Exited(_) | RunEnd::Signalled if is_script => Verdict::Failed,
        RunEnd::Exited(0) => Verdict::Lied {
            why: "it exited with code 0 and left no report: did a test end the process?".to_owned(),
        },
        _ if says_no_tests(evidence.output) => Verdict::NoTests,
        RunEnd::Exited(code) => Verdict::CouldNotRun {
            why: format!("exit code {code} without a report: {said}"),
        },
        RunEnd::Signalled => Verdict::CouldNotRun {
            why: format!("a signal ended it before its report: {said}"),
        },
    }
}

fn says_no_tests(output: &str) -> bool {
    let sentences = ["No test files found", "No tests found"];
    sentences.iter().any(|sentence| output.contains(sentence))
}

/// The last lines that say something, in one.
fn last_lines(output: &str) -> String {
    let lines = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let is_frame = |line: &&str| line.starts_with("at ") || line.starts_with("Node.js v");
    let lines: Vec<&str> = lines.filter(|line| !is_frame(line)).collect();
    let last = lines.len().saturating_sub(4);
    let text: String = lines[last..].join(" / ").chars().take(400).collect();
    if text.is_empty() {
        "it printed nothing".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
