//! What a runner reports: its own form read into one.

use serde::Deserialize;

use super::runner::RunnerKind;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestState {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It did not run, by its authors' wish.
    Skipped,
    /// It began, and no end was reported.
    Unfinished,
}

/// One test of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestCase {
    /// Its name with those of its suites, joined by spaces.
    pub(crate) name: String,
    /// Its file as the runner names it; empty if the runner does not.
    pub(crate) file: String,
    /// How it ended.
    pub(crate) state: TestState,
    /// The first lines of what a failed test says.
    pub(crate) message: String,
}

/// A whole report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The tests, in the order of the report.
    pub(crate) tests: Vec<TestCase>,
    /// Files that failed before or beside their tests, with the reason.
    pub(crate) broken_files: Vec<(String, String)>,
    /// Files that ended without a test of their own.
    pub(crate) empty_files: Vec<String>,
    /// Whether the runner had reached its end when the report was read.
    pub(crate) is_complete: bool,
}

const MAX_MESSAGE_CHARS: usize = 600;

/// Reads a report. `None` as long as it is no whole report; a report of Node's runner grows, and each part of it is one.
pub(crate) fn parse(kind: RunnerKind, text: &str) -> Option<Report> {
    match kind {
        RunnerKind::Vitest | RunnerKind::Jest => jest(text),
        RunnerKind::Mocha => mocha(text),
        RunnerKind::NodeTest => Some(node(text)),
        RunnerKind::Script => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JestReport {
    test_results: Vec<JestFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JestFile {
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    assertion_results: Vec<JestTest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JestTest {
    full_name: String,
    status: String,
    #[serde(default)]
    failure_messages: Option<Vec<String>>,
}

fn jest(text: &str) -> Option<Report> {
    let read: JestReport = serde_json::from_str(text).ok()?;
    let mut report = Report {
        is_complete: true,
        ..Report::default()
    };
    for file in read.test_results {
        let has_failed_test = file
            .assertion_results
            .iter()
            .any(|test| test.status == "failed");
        if file.status == "failed" && !has_failed_test {
            let message = shortened(&file.message);
            report.broken_files.push((file.name.clone(), message));
        } else if file.assertion_results.is_empty() {
            report.empty_files.push(file.name.clone());
        }
        for test in file.assertion_results {
            let state = match test.status.as_str() {
                "passed" => TestState::Passed,
                "failed" => TestState::Failed,
                _ => TestState::Skipped,
            };
            let messages = test.failure_messages.unwrap_or_default();
            report.tests.push(TestCase {
                name: test.full_name,
                file: file.name.clone(),
                state,
                message: shortened(&messages.join("\n")),
            });
        }
    }
    Some(report)
}

#[derive(Deserialize)]
struct MochaReport {
    tests: Vec<MochaTest>,
    pending: Vec<MochaTest>,
    failures: Vec<MochaTest>,
    passes: Vec<MochaTest>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct MochaTest {
    full_title: String,
    #[serde(default)]
    file: Option<String>,
    #[serde(default)]
    err: serde_json::Value,
}

/// Mocha lists a failed hook among the failures alone, and a test that was begun and not ended among the tests alone.
fn mocha(text: &str) -> Option<Report> {
    let read: MochaReport = serde_json::from_str(text).ok()?;
    let mut report = Report {
        is_complete: true,
        ..Report::default()
    };
    let ended = read.passes.len() + read.pending.len() + read.failures.len();
    for (tests, state) in [
        (&read.passes, TestState::Passed),
        (&read.pending, TestState::Skipped),
        (&read.failures, TestState::Failed),
    ] {
        report
            .tests
            .extend(tests.iter().map(|test| mocha_test(test, state)));
    }
    if read.tests.len() > ended {
        let is_ended = |test: &&MochaTest| {
            let mut lists = [&read.passes, &read.pending, &read.failures].into_iter();
            lists.any(|list| list.iter().any(|other| other.full_title == test.full_title))
        };
        let open = read.tests.iter().filter(|test| !is_ended(test));
        report
            .tests
            .extend(open.map(|test| mocha_test(test, TestState::Unfinished)));
    }
    Some(report)
}

fn mocha_test(test: &MochaTest, state: TestState) -> TestCase {
    let part = |key: &str| test.err.get(key).and_then(|text| text.as_str());
    let message = part("stack")
        .or_else(|| part("message"))
        .unwrap_or_default();
    TestCase {
        name: test.full_title.clone(),
        file: test.file.clone().unwrap_or_default(),
        state,
        message: shortened(message),
    }
}

/// One line of the reporter that Node's runner is given.
#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeEvent {
    kind: String,
    name: String,
    nesting: usize,
    file: String,
    is_suite: bool,
    is_skipped: bool,
    message: String,
    failure_type: String,
}

#[derive(Default)]
struct NodeFile {
    /// Whether the runner started it; tests of a helper module name that module as theirs.
    is_started: bool,
    /// Suites and tests that contain what is reported now.
    open: Vec<String>,
    /// Tests that were queued and have not ended.
    queued: usize,
    seen: usize,
    has_failed_test: bool,
    /// Once it ended: why it failed, empty if it passed.
    ended: Option<String>,
    /// The last that it wrote as an error.
    said: String,
}

#[derive(Default)]
struct NodeFiles(Vec<(String, NodeFile)>);

impl NodeFiles {
    fn get(&mut self, path: &str) -> &mut NodeFile {
        let at = self.0.iter().position(|(other, _)| other == path);
        let at = at.unwrap_or_else(|| {
            self.0.push((path.to_owned(), NodeFile::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// Node's runner reports a file like a test whose name is the path. A file that ends the process has just that, and passes.
fn node(text: &str) -> Report {
    let mut report = Report::default();
    let mut files = NodeFiles::default();
    let (mut has_plan, mut diagnostics) = (false, String::new());
    for line in text.lines() {
        let Ok(event) = serde_json::from_str::<NodeEvent>(line) else {
            continue;
        };
        match event.kind.as_str() {
            "plan" => has_plan |= event.file.is_empty(),
            "diagnostic" if event.message.starts_with("Error:") => diagnostics = event.message,
            _ if event.file.is_empty() => {}
            "stderr" => {
                let file = files.get(&event.file);
                file.said.push_str(&event.message);
            }
            _ => node_event(&event, files.get(&event.file), &mut report),
        }
    }
    let has_helpers = files.0.iter().any(|(_, file)| !file.is_started);
    for (path, file) in &files.0 {
        match &file.ended {
            Some(why) if !why.is_empty() && !file.has_failed_test => {
                let told = [diagnostics.as_str(), error_line(&file.said), why.as_str()];
                let why = told.into_iter().find(|text| !text.is_empty());
                let why = shortened(why.unwrap_or_default());
                report.broken_files.push((path.clone(), why));
            }
            Some(_) if file.seen == 0 && !has_helpers => report.empty_files.push(path.clone()),
            _ => {}
        }
    }
    let is_done = |file: &NodeFile| file.ended.is_some() || (file.seen > 0 && file.queued == 0);
    let all_done = !files.0.is_empty() && files.0.iter().all(|(_, file)| is_done(file));
    report.is_complete = has_plan || all_done;
    report
}

fn node_event(event: &NodeEvent, file: &mut NodeFile, report: &mut Report) {
    let is_file = event.nesting == 0 && event.name == event.file;
    match event.kind.as_str() {
        "enqueue" if is_file => file.is_started = true,
        "enqueue" => file.queued += 1,
        "complete" if !is_file => file.queued = file.queued.saturating_sub(1),
        "start" if !is_file => {
            file.open.truncate(event.nesting);
            file.open.push(event.name.clone());
        }
        "pass" if is_file => file.ended = Some(String::new()),
        "fail" if is_file => file.ended = Some(event.message.clone()),
        "pass" | "fail" => node_test(event, file, report),
        _ => {}
    }
}

fn node_test(event: &NodeEvent, file: &mut NodeFile, report: &mut Report) {
    let failed = event.kind == "fail";
    let by_inner = event.failure_type == "subtestsFailed";
    file.seen += 1;
    file.has_failed_test |= failed;
    if by_inner || (event.is_suite && !failed) {
        return;
    }
    file.open.truncate(event.nesting);
    let outer = file.open.iter().map(String::as_str);
    let names: Vec<&str> = outer.chain([event.name.as_str()]).collect();
    let state = match (event.is_skipped, failed) {
        (true, _) => TestState::Skipped,
        (false, true) => TestState::Failed,
        (false, false) => TestState::Passed,
    };
    report.tests.push(TestCase {
        name: names.join(" "),
        file: event.file.clone(),
        state,
        message: shortened(&event.message),
    });
}

/// The line of an uncaught error that names it.
fn error_line(said: &str) -> &str {
    let mut lines = said.lines().map(str::trim);
    lines
        .find(|line| line.contains("Error"))
        .unwrap_or_default()
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
