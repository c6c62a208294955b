#![allow(clippy::unwrap_used)]
use super::*;

fn test(name: &str, state: TestState) -> TestCase {
    TestCase {
        name: name.to_owned(),
        file: "a.test.js".to_owned(),
        state,
        message: String::new(),
    }
}

fn report(states: &[TestState]) -> Option<Report> {
    Some(Report {
        tests: states.iter().map(|state| test("t", *state)).collect(),
        is_complete: true,
        ..Report::default()
    })
}

fn evidence(end: RunEnd, report: Option<Report>) -> Evidence<'static> {
    Evidence {
        kind: RunnerKind::Jest,
        end,
        report,
        faults: &[],
        silent_files: &[],
        output: "some text\n    at frame (x.js:1:1)\nError: it broke\n",
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NoTests => "no tests",
        Verdict::TimedOut => "timed out",
        Verdict::Lied { .. } => "lied",
        Verdict::CouldNotRun { .. } => "could not run",
    }
}

fn incomplete() -> Option<Report> {
    report(&[TestState::Passed]).map(|report| Report {
        is_complete: false,
        ..report
    })
}

fn broken() -> Option<Report> {
    report(&[TestState::Passed]).map(|report| Report {
        broken_files: vec![("b.js".to_owned(), "no such module".to_owned())],
        ..report
    })
}

#[test]
fn passed_means_that_exit_code_report_and_tests_agree() {
    use RunEnd::{Exited, Lingered, Signalled, TimedOut};
    use TestState::{Failed, Passed, Skipped, Unfinished};
    let cases = [
        (Exited(0), report(&[Passed, Skipped]), "passed"),
        (Lingered, report(&[Passed]), "passed"),
        (TimedOut, report(&[Passed]), "passed"),
        (Exited(1), report(&[Passed, Failed]), "failed"),
        (Exited(0), report(&[Passed, Failed]), "failed"),
        (Lingered, report(&[Failed]), "failed"),
        (Exited(0), broken(), "failed"),
        (Exited(1), report(&[Passed]), "lied"),
        (Exited(7), report(&[Passed]), "lied"),
        (Signalled, report(&[Passed]), "lied"),
        (Exited(0), report(&[Passed, Unfinished]), "lied"),
        (Exited(0), incomplete(), "lied"),
        (TimedOut, incomplete(), "timed out"),
        (Exited(0), None, "lied"),
        (Exited(1), None, "could not run"),
        (Signalled, None, "could not run"),
        (TimedOut, None, "timed out"),
        (Exited(0), report(&[Skipped]), "no tests"),
        (Exited(0), report(&[]), "no tests"),
        (Exited(1), report(&[]), "no tests"),
    ];
    for (end, report, expected) in cases {
        let run = judge(evidence(end, report.clone()));
        assert_eq!(name(&run.verdict), expected, "{end:?} {report:?}");
    }
}

#[test]
fn a_fault_beside_the_tests_and_a_silent_file_are_told() {
    let faults = ["unhandled rejection: Error: lost".to_owned()];
    let run = judge(Evidence {
        faults: &faults,
        ..evidence(RunEnd::Exited(0), report(&[TestState::Passed]))
    });
    assert!(
        run.summary().contains("unhandled rejection: Error: lost"),
        "{}",
        run.summary()
    );
    let silent = ["b.test.js".to_owned()];
    let run = judge(Evidence {
        silent_files: &silent,
        ..evidence(RunEnd::Exited(0), report(&[TestState::Passed]))
    });
    assert!(run.summary().contains("b.test.js"), "{}", run.summary());
}

#[test]
fn a_script_is_judged_by_its_exit_code_and_says_so() {
    let script = |end, report| {
        judge(Evidence {
            kind: RunnerKind::Script,
            ..evidence(end, report)
        })
    };
    let passed = script(RunEnd::Exited(0), None);
    assert_eq!(
        (passed.verdict.clone(), passed.proof),
        (Verdict::Passed, Proof::ExitCode)
    );
    assert_eq!(passed.summary(), "script: passed (by its exit code alone)");
    assert_eq!(script(RunEnd::Exited(3), None).verdict, Verdict::Failed);
    assert_eq!(script(RunEnd::TimedOut, None).verdict, Verdict::TimedOut);
    let tap = script(RunEnd::Exited(0), report(&[TestState::Passed]));
    assert_eq!(tap.summary(), "script: 1 tests passed (by its TAP output)");
}

#[test]
fn what_it_said_is_in_the_reason_without_frames() {
    let run = judge(evidence(RunEnd::Exited(2), None));
    let expected = "jest: could not run: exit code 2 without a report: some text / Error: it broke";
    assert_eq!(run.summary(), expected);
}
