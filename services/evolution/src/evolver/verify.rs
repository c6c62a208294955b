//! The verification of a change: what the project says before it, and all checks of what would be committed.

use std::path::Path;
use std::time::Instant;

use shim_proto::evolution::v1::{Check, LineRange};

use super::apply::AppliedFile;
use super::checks::{CheckedText, check, check_bytes, skipped};
use super::context::{Evolver, Watch};
use super::types::{TypeView, check_types};
use crate::domain::evolution::{TestFigures, compare_tests};
use crate::error::EvolutionError;
use crate::project::Project;
use crate::test_runs::{RunRequest, Suite, TestRun, TestState, Verdict};

/// The tests of a project before the change; `Err` with the reason why they do not count.
type TestsBefore = Result<(Suite, TestFigures), String>;

/// What the project said before the change.
pub(super) struct Baseline {
    types: TypeView,
    tests: TestsBefore,
}

impl Evolver {
    /// What the compiler and the tests say before the change.
    ///
    /// # Errors
    /// If the tests cannot show anything, a tool fails, or the call is cancelled.
    pub(super) async fn baseline(
        &self,
        project: &Project,
        root: &Path,
        watch: Watch<'_>,
    ) -> Result<Baseline, EvolutionError> {
        watch.progress.tell("types", "before the change", 0, 0);
        let types = self.types_of(root, watch.handles()).await?;
        let tests = self.tests_before(project, root, watch).await?;
        Ok(Baseline { types, tests })
    }

    async fn tests_before(
        &self,
        project: &Project,
        root: &Path,
        watch: Watch<'_>,
    ) -> Result<TestsBefore, EvolutionError> {
        if !project.is_trusted() {
            return Ok(Err(
                "the project is not trusted, so its tests did not run".to_owned()
            ));
        }
        let Some(suite) = Suite::find(root) else {
            return Ok(Err("the project has no tests".to_owned()));
        };
        watch.progress.tell("tests", "before the change", 0, 0);
        let run = self
            .runs
            .run(
                &suite,
                RunRequest::all(root, self.limits.tests),
                watch.cancel,
            )
            .await?;
        match run.verdict {
            Verdict::Passed | Verdict::Failed => Ok(Ok((suite, figures(&run)))),
            Verdict::NoTests => Ok(Err("the project has no tests".to_owned())),
            Verdict::TimedOut | Verdict::Lied { .. } | Verdict::CouldNotRun { .. } => {
                Err(EvolutionError::TestsUnusable(run.summary()))
            }
        }
    }

    /// Runs all checks, the cheap ones first; the first failure ends them, and is answered.
    ///
    /// # Errors
    /// If a tool fails or the call is cancelled.
    pub(super) async fn verify(
        &self,
        project: &Project,
        root: &Path,
        applied: &[AppliedFile],
        baseline: Baseline,
        checks: &mut Vec<Check>,
        watch: Watch<'_>,
    ) -> Result<Option<String>, EvolutionError> {
        let texts: Vec<CheckedText<'_>> = applied.iter().map(AppliedFile::text).collect();
        let mut add = |check: Check| {
            (watch.on_check)(&check);
            let fault = (!check.passed).then(|| format!("{}: {}", check.name, check.detail));
            checks.push(check);
            fault
        };
        watch
            .progress
            .tell("verify", "syntax, exports, bytes, lint", 0, 0);
        let [parse, exports] = self.check_syntax(project, &texts, watch.handles()).await?;
        for made in [parse, exports, bytes_of(applied)] {
            if let Some(fault) = add(made) {
                return Ok(Some(fault));
            }
        }
        let lint = self
            .check_lint(project, root, &texts, watch.handles())
            .await?;
        if let Some(fault) = add(lint) {
            return Ok(Some(fault));
        }
        let types = self.types_after(root, &baseline.types, watch).await?;
        if let Some(fault) = add(types) {
            return Ok(Some(fault));
        }
        let tests = self.tests_after(root, baseline.tests, watch).await?;
        Ok(add(tests))
    }

    /// The check `types`.
    async fn types_after(
        &self,
        root: &Path,
        before: &TypeView,
        watch: Watch<'_>,
    ) -> Result<Check, EvolutionError> {
        watch.progress.tell("types", "after the change", 0, 0);
        let began = Instant::now();
        let after = match before {
            Ok(_) => self.types_of(root, watch.handles()).await?,
            Err(why) => Err(why.clone()),
        };
        Ok(check_types(before, after, began))
    }

    /// The check `tests`. Some tests fail now and then: what fails twice is broken.
    async fn tests_after(
        &self,
        root: &Path,
        before: TestsBefore,
        watch: Watch<'_>,
    ) -> Result<Check, EvolutionError> {
        let (suite, before) = match before {
            Ok(before) => before,
            Err(why) => return Ok(skipped("tests", &why)),
        };
        let began = Instant::now();
        watch.progress.tell("tests", "after the change", 0, 0);
        let mut after = self.run_tests(root, &suite, watch).await?;
        let mut held = compare_tests(&before, &after);
        let first = held.clone().err();
        if held.is_err() {
            watch
                .progress
                .tell("tests", "after the change, once more", 0, 0);
            after = self.run_tests(root, &suite, watch).await?;
            held = compare_tests(&before, &after);
        }
        let mut made = check("tests", held.err().as_slice(), began);
        if made.passed {
            made.detail = match first {
                Some(first) => format!("{}; the first of two runs failed: {first}", after.summary),
                None => after.summary.clone(),
            };
        }
        (made.before, made.after) = (before.summary, after.summary);
        Ok(made)
    }

    async fn run_tests(
        &self,
        root: &Path,
        suite: &Suite,
        watch: Watch<'_>,
    ) -> Result<TestFigures, EvolutionError> {
        let request = RunRequest::all(root, self.limits.tests);
        let run = self.runs.run(suite, request, watch.cancel).await?;
        Ok(figures(&run))
    }
}

/// The check `bytes` of what was applied.
fn bytes_of(applied: &[AppliedFile]) -> Check {
    let meant: Vec<(CheckedText<'_>, &[LineRange])> = applied
        .iter()
        .map(|file| (file.text(), file.meant.as_slice()))
        .collect();
    check_bytes(&meant)
}

fn figures(run: &TestRun) -> TestFigures {
    let failed = run
        .tests
        .iter()
        .filter(|test| matches!(test.state, TestState::Failed | TestState::Unfinished));
    let failed = failed.map(|test| format!("{} {}", test.file, test.name).trim().to_owned());
    TestFigures {
        is_passed: run.is_passed(),
        passed: run.passed,
        failed: failed
            .chain(run.broken_files.iter().map(|(file, _)| file.clone()))
            .collect(),
        summary: run.summary(),
    }
}
