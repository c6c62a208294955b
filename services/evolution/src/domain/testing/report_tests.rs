#![allow(clippy::unwrap_used)]
use super::*;

fn states(report: &Report) -> Vec<(&str, TestState)> {
    let tests = report.tests.iter();
    tests.map(|test| (test.name.as_str(), test.state)).collect()
}

/// As Jest 30.5.2 writes it.
const JEST: &str = r#"{"numFailedTests":1,"numPassedTests":1,"numPendingTests":1,"numTodoTests":1,"numTotalTests":4,"openHandles":[],
"success":false,"testResults":[{"assertionResults":[
{"ancestorTitles":["g"],"duration":2,"failureMessages":[],"fullName":"g ok","status":"passed","title":"ok"},
{"ancestorTitles":["g"],"duration":null,"failureMessages":[],"fullName":"g s","status":"pending","title":"s"},
{"ancestorTitles":["g"],"duration":null,"failureMessages":[],"fullName":"g t","status":"todo","title":"t"},
{"ancestorTitles":["g"],"duration":3,"failureMessages":["Error: expect(received).toBe(expected)\n\nExpected: 2"],"fullName":"g bad","status":"failed","title":"bad"}],
"endTime":1,"message":"  g > bad","name":"/p/a.test.js","startTime":0,"status":"failed","summary":""}],"wasInterrupted":false}"#;

#[test]
fn jest_and_vitest_report_alike() {
    for kind in [RunnerKind::Jest, RunnerKind::Vitest] {
        let report = parse(kind, JEST).unwrap();
        let expected = [
            ("g ok", TestState::Passed),
            ("g s", TestState::Skipped),
            ("g t", TestState::Skipped),
            ("g bad", TestState::Failed),
        ];
        assert_eq!(states(&report), expected);
        assert!(report.tests[3].message.starts_with("Error: expect"));
        assert!(report.broken_files.is_empty() && report.is_complete);
        assert_eq!(parse(kind, &JEST[..JEST.len() - 1]), None);
    }
}

#[test]
fn a_file_that_fails_before_its_tests_is_broken() {
    let text = r#"{"success":false,"testResults":[{"name":"/p/b.test.js","status":"failed",
        "message":"  ● Test suite failed to run\n\n    Cannot find module './nope'","assertionResults":[]},
        {"name":"/p/c.test.js","status":"passed","message":"","assertionResults":[]}]}"#;
    let report = parse(RunnerKind::Jest, text).unwrap();
    assert_eq!(report.broken_files.len(), 1);
    assert!(report.broken_files[0].1.contains("Cannot find module"));
    assert_eq!(report.empty_files, ["/p/c.test.js"]);
}

#[test]
fn mocha_reports_failed_hooks_and_tests_that_never_ended() {
    let test = |title: &str, err: &str| {
        format!(
            r#"{{"title":"{title}","fullTitle":"g {title}","file":"/p/a.js","currentRetry":0,"err":{err}}}"#
        )
    };
    let (ok, open) = (test("ok", "{}"), test("open", "{}"));
    let hook = test("hook", r#"{"message":"no","stack":"Error: no\n  at x"}"#);
    let text = format!(
        r#"{{"stats":{{}},"tests":[{ok},{open}],"pending":[],"failures":[],"passes":[{ok}]}}"#
    );
    let report = parse(RunnerKind::Mocha, &text).unwrap();
    assert_eq!(
        states(&report),
        [
            ("g ok", TestState::Passed),
            ("g open", TestState::Unfinished)
        ]
    );
    let text = format!(
        r#"{{"stats":{{}},"tests":[{ok}],"pending":[],"failures":[{hook}],"passes":[{ok}]}}"#
    );
    let report = parse(RunnerKind::Mocha, &text).unwrap();
    assert_eq!(states(&report)[1], ("g hook", TestState::Failed));
    assert_eq!(report.tests[1].message, "Error: no\n  at x");
}

fn node_line(kind: &str, name: &str, nesting: usize, more: &str) -> String {
    format!(r#"{{"kind":"{kind}","name":"{name}","nesting":{nesting},"file":"/p/a.js"{more}}}"#)
}

#[test]
fn node_reports_suites_subtests_and_files() {
    let failed = r#","message":"no","failure_type":"testCodeFailure""#;
    let by_inner =
        r#","is_suite":true,"message":"1 subtest failed","failure_type":"subtestsFailed""#;
    let lines = [
        node_line("enqueue", "/p/a.js", 0, ""),
        node_line("enqueue", "s", 0, ""),
        node_line("enqueue", "ok", 1, ""),
        node_line("enqueue", "bad", 1, ""),
        node_line("complete", "ok", 1, ""),
        node_line("start", "s", 0, ""),
        node_line("start", "ok", 1, ""),
        node_line("pass", "ok", 1, ""),
        node_line("complete", "bad", 1, ""),
        node_line("start", "bad", 1, ""),
        node_line("fail", "bad", 1, failed),
        node_line("complete", "s", 0, ""),
        node_line("fail", "s", 0, by_inner),
    ];
    let report = parse(RunnerKind::NodeTest, &lines.join("\n")).unwrap();
    assert_eq!(
        states(&report),
        [("s ok", TestState::Passed), ("s bad", TestState::Failed)]
    );
    assert!(
        report.is_complete,
        "every queued test has ended, the process lives on"
    );
    let open = parse(RunnerKind::NodeTest, &lines[..8].join("\n")).unwrap();
    assert!(!open.is_complete);
}

#[test]
fn a_file_of_node_without_tests_is_empty_and_one_that_throws_is_broken() {
    let begun = node_line("enqueue", "/p/a.js", 0, "");
    let passed = format!("{begun}\n{}", node_line("pass", "/p/a.js", 0, ""));
    let report = parse(RunnerKind::NodeTest, &passed).unwrap();
    assert_eq!(report.empty_files, ["/p/a.js"]);
    assert!(report.tests.is_empty());
    let thrown = [
        begun,
        node_line(
            "stderr",
            "",
            0,
            r#","message":"Error [ERR_MODULE_NOT_FOUND]: Cannot find module\n""#,
        ),
        node_line(
            "fail",
            "/p/a.js",
            0,
            r#","message":"test failed","failure_type":"testCodeFailure""#,
        ),
    ];
    let report = parse(RunnerKind::NodeTest, &thrown.join("\n")).unwrap();
    assert!(report.broken_files[0].1.contains("ERR_MODULE_NOT_FOUND"));
}
