//! A decision about an evolution: turned down, or applied, verified, and committed or discarded.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use shim_proto::evolution::v1::{Check, Evolution, EvolutionState, FileChange, LineRange};
use tokio_util::sync::CancellationToken;

use super::Evolver;
use super::apply::{AppliedFile, outdated};
use super::checks::{CheckedText, check, check_bytes, skipped};
use super::commands::{failure, git, try_git};
use super::repository::Repository;
use super::types::{TypeView, check_types};
use super::worktree::Worktree;
use crate::domain::evolution::{TestFigures, compare_tests};
use crate::error::EvolutionError;
use crate::project::Project;
use crate::store::StateChange;
use crate::test_runs::{RunRequest, Suite, TestRun, TestState, Verdict};
use crate::tool_host::ProgressSink;

/// A decision.
#[derive(Debug, Clone, Default)]
pub(crate) struct Approval {
    /// The evolution's whole id.
    pub(crate) evolution_id: String,
    /// Why it is turned down.
    pub(crate) reason: String,
    /// Only these of its files; all if empty.
    pub(crate) paths: Vec<String>,
    /// The request that decides.
    pub(crate) request_id: String,
}

/// Where an approved evolution ends.
enum End {
    Committed { branch: String, commit: String },
    Discarded { reason: String },
    Outdated { path: String },
}

/// Where progress and checks go, and what ends the work.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) progress: &'a ProgressSink,
    pub(crate) on_check: &'a (dyn Fn(&Check) + Send + Sync),
    pub(crate) cancel: &'a CancellationToken,
}

impl<'a> Watch<'a> {
    fn handles(self) -> (&'a ProgressSink, &'a CancellationToken) {
        (self.progress, self.cancel)
    }
}

/// What the project said before the change.
struct Baseline {
    types: TypeView,
    /// `Err` with the reason why tests do not count.
    tests: Result<(Suite, TestFigures), String>,
}

impl Evolver {
    /// Turns a proposal down.
    ///
    /// # Errors
    /// If it is in another state; the store's failures.
    pub(crate) async fn reject(&self, approval: &Approval) -> Result<Evolution, EvolutionError> {
        let change = change(approval, EvolutionState::Proposed, EvolutionState::Rejected);
        let reason = approval.reason.clone();
        self.store
            .change_state(change, move |evolution| evolution.reason = reason)
            .await
    }

    /// Applies a proposal in a worktree of its own, verifies it, and commits or discards it. If the work fails or is cancelled, it is
    /// a proposal again.
    ///
    /// # Errors
    /// If it is in another state, the project's tests cannot show anything, a tool or git fails, or the call is cancelled.
    pub(crate) async fn approve(
        &self,
        project: &Project,
        approval: &Approval,
        watch: Watch<'_>,
    ) -> Result<Evolution, EvolutionError> {
        let evolution = self
            .store
            .evolution(&approval.evolution_id)
            .await?
            .evolution;
        let files = chosen(&evolution, &approval.paths)?;
        let begun = change(approval, EvolutionState::Proposed, EvolutionState::Applying);
        self.store.change_state(begun, |_| {}).await?;
        let mut checks = Vec::new();
        let end = self
            .carry_out(project, &evolution, &files, &mut checks, watch)
            .await;
        self.ended(approval, end, checks, files).await
    }

    async fn ended(
        &self,
        approval: &Approval,
        end: Result<End, EvolutionError>,
        checks: Vec<Check>,
        files: Vec<FileChange>,
    ) -> Result<Evolution, EvolutionError> {
        let to = match &end {
            Ok(End::Committed { .. }) => EvolutionState::Committed,
            Ok(End::Discarded { .. }) => EvolutionState::Discarded,
            Ok(End::Outdated { .. }) => EvolutionState::Outdated,
            Err(_) => EvolutionState::Proposed,
        };
        let change = change(approval, EvolutionState::Applying, to);
        let end = match end {
            Ok(end) => end,
            Err(error) => {
                self.store.change_state(change, |_| {}).await?;
                return Err(error);
            }
        };
        let kept: BTreeSet<String> = files.into_iter().map(|file| file.path).collect();
        self.store
            .change_state(change, move |evolution| {
                evolution.checks = checks;
                match end {
                    End::Committed { branch, commit } => {
                        evolution.files.retain(|file| kept.contains(&file.path));
                        (evolution.branch, evolution.commit) = (branch, commit);
                    }
                    End::Discarded { reason } => evolution.reason = reason,
                    End::Outdated { path } => {
                        evolution.reason =
                            format!("{path} was committed anew since it was proposed");
                    }
                }
            })
            .await
    }

    async fn carry_out(
        &self,
        project: &Project,
        evolution: &Evolution,
        files: &[FileChange],
        checks: &mut Vec<Check>,
        watch: Watch<'_>,
    ) -> Result<End, EvolutionError> {
        let repository = Repository::of(project)?;
        if let Some(path) = outdated(&repository, files).await? {
            return Ok(End::Outdated { path });
        }
        watch
            .progress
            .tell("worktree", "checking the commit out", 0, 0);
        let id = &evolution.evolution_id;
        let worktree = Worktree::add(self, &repository, id, &repository.head, watch.cancel).await?;
        let root = worktree.folder().join(&repository.prefix);
        let baseline = self.baseline(project, &root, watch).await?;
        watch.progress.tell("apply", "applying the change", 0, 0);
        let applied = self
            .apply(&repository, worktree.folder(), files, watch.cancel)
            .await?;
        if applied
            .iter()
            .all(|file| file.before.as_deref() == Some(file.after.as_str()))
        {
            let reason = "the repository's filters leave nothing of the change".to_owned();
            return Ok(End::Discarded { reason });
        }
        let fault = self
            .verify(project, &root, &applied, baseline, checks, watch)
            .await?;
        if let Some(reason) = fault {
            return Ok(End::Discarded { reason });
        }
        self.commit(&repository, &worktree, evolution, watch.cancel)
            .await
    }

    /// What the compiler and the tests say before the change.
    async fn baseline(
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
    ) -> Result<Result<(Suite, TestFigures), String>, EvolutionError> {
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
    async fn verify(
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
        let meant: Vec<(CheckedText<'_>, &[LineRange])> = applied
            .iter()
            .map(|file| (file.text(), file.meant.as_slice()))
            .collect();
        let [parse, exports] = self.check_syntax(project, &texts, watch.handles()).await?;
        for made in [parse, exports, check_bytes(&meant)] {
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
        watch.progress.tell("types", "after the change", 0, 0);
        let began = Instant::now();
        let types = match &baseline.types {
            Ok(_) => self.types_of(root, watch.handles()).await?,
            Err(why) => Err(why.clone()),
        };
        if let Some(fault) = add(check_types(&baseline.types, types, began)) {
            return Ok(Some(fault));
        }
        let tests = self.check_tests(root, baseline.tests, watch).await?;
        Ok(add(tests))
    }

    async fn check_tests(
        &self,
        root: &Path,
        before: Result<(Suite, TestFigures), String>,
        watch: Watch<'_>,
    ) -> Result<Check, EvolutionError> {
        let (suite, before) = match before {
            Ok(before) => before,
            Err(why) => return Ok(skipped("tests", &why)),
        };
        let began = Instant::now();
        watch.progress.tell("tests", "after the change", 0, 0);
        let mut after = figures(
            &self
                .runs
                .run(
                    &suite,
                    RunRequest::all(root, self.limits.tests),
                    watch.cancel,
                )
                .await?,
        );
        let mut held = compare_tests(&before, &after);
        let first = held.clone().err();
        if held.is_err() {
            // Some tests fail now and then: what fails twice is broken.
            watch
                .progress
                .tell("tests", "after the change, once more", 0, 0);
            after = figures(
                &self
                    .runs
                    .run(
                        &suite,
                        RunRequest::all(root, self.limits.tests),
                        watch.cancel,
                    )
                    .await?,
            );
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

    /// Commits what is staged on a branch that begins to exist with it.
    async fn commit(
        &self,
        repository: &Repository,
        worktree: &Worktree,
        evolution: &Evolution,
        cancel: &CancellationToken,
    ) -> Result<End, EvolutionError> {
        let message = super::recover::message(evolution);
        self.commit_staged(worktree.folder(), &message, cancel)
            .await?;
        let commit = git(
            &self.runs,
            worktree.folder(),
            &["rev-parse", "HEAD"],
            cancel,
        )
        .await?;
        let commit = commit.trim().to_owned();
        let branch = self
            .branch(
                repository,
                &super::recover::branch_names(evolution),
                &commit,
                cancel,
            )
            .await?;
        Ok(End::Committed { branch, commit })
    }

    /// Commits what is staged, under the user's name if git knows one.
    pub(super) async fn commit_staged(
        &self,
        folder: &Path,
        message: &str,
        cancel: &CancellationToken,
    ) -> Result<(), EvolutionError> {
        let has_name = try_git(&self.runs, folder, &["var", "GIT_COMMITTER_IDENT"], cancel)
            .await?
            .is_success();
        let mut args = if has_name {
            vec![]
        } else {
            vec!["-c", "user.name=SHIM", "-c", "user.email=shim@localhost"]
        };
        args.extend([
            "commit",
            "--quiet",
            "--no-verify",
            "--cleanup=verbatim",
            "-m",
            message,
        ]);
        git(&self.runs, folder, &args, cancel).await.map(|_| ())
    }

    /// Makes the first branch of these names that can be made.
    pub(super) async fn branch(
        &self,
        repository: &Repository,
        names: &[String],
        commit: &str,
        cancel: &CancellationToken,
    ) -> Result<String, EvolutionError> {
        let mut refused = None;
        for name in names {
            let reference = format!("refs/heads/{name}");
            let unborn = "0".repeat(commit.len());
            let args = ["update-ref", &reference, commit, &unborn];
            let made = try_git(&self.runs, &repository.work_tree, &args, cancel).await?;
            if made.is_success() {
                return Ok(name.clone());
            }
            refused = Some(failure(&args, &made));
        }
        Err(refused.unwrap_or(EvolutionError::Stopping))
    }
}

fn change(approval: &Approval, from: EvolutionState, to: EvolutionState) -> StateChange {
    StateChange {
        evolution_id: approval.evolution_id.clone(),
        from,
        to,
        request_id: approval.request_id.clone(),
    }
}

/// The files of an evolution that are approved.
fn chosen(evolution: &Evolution, paths: &[String]) -> Result<Vec<FileChange>, EvolutionError> {
    if paths.is_empty() {
        return Ok(evolution.files.clone());
    }
    let has = |path: &&String| !evolution.files.iter().any(|file| file.path == **path);
    if let Some(unknown) = paths.iter().find(has) {
        return Err(EvolutionError::PathUnknown(unknown.clone()));
    }
    let files = evolution
        .files
        .iter()
        .filter(|file| paths.contains(&file.path));
    Ok(files.cloned().collect())
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
