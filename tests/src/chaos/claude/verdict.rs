//! Whether what is known of the sessions is what they did.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shim_proto::checkpoint::v1::SessionStatus;

use super::plan::{Act, Moment, Plan};
use super::round::Found;

/// Of so many open calls that are certain, this share must be named.
const NAMED_SHARE: f64 = 0.95;
/// What is told of what went wrong.
const MAX_TOLD: usize = 20;

/// The figures of a panel.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Where all chance came from.
    pub seed: u64,
    /// Sessions killed.
    pub rounds: u64,
    /// Those whose model called SHIM's tools.
    pub cooperating: u64,
    /// Those that had ended their work before the kill reached them: nothing is to be brought back of them.
    pub finished: u64,
    /// Those found as interrupted and brought back.
    pub brought_back: u64,
    /// The task is the one told, or else the prompt.
    pub task_right: u64,
    /// The edited files are those that changed; one whose call was open may stand there alone.
    pub files_right: u64,
    /// Sessions killed for certain within a call.
    pub open_calls: u64,
    /// Those of them whose call is named, with its command.
    pub open_calls_named: u64,
    /// Files, calls and tasks that are claimed and were not.
    pub false_claims: u64,
    /// Seconds for all.
    pub seconds: f64,
    /// What went wrong, the first of it.
    pub wrong: Vec<String>,
}

impl Verdict {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            rounds: 0,
            cooperating: 0,
            finished: 0,
            brought_back: 0,
            task_right: 0,
            files_right: 0,
            open_calls: 0,
            open_calls_named: 0,
            false_claims: 0,
            seconds: 0.0,
            wrong: Vec::new(),
        }
    }

    /// Whether everything is right that must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let all = self.rounds - self.finished;
        let named = self.open_calls_named as f64 >= NAMED_SHARE * self.open_calls as f64;
        let right = [self.brought_back, self.task_right, self.files_right];
        right.iter().all(|count| *count == all) && named && self.false_claims == 0
    }

    pub(super) fn add(&mut self, plan: &Plan, found: &Found) {
        self.rounds += 1;
        self.cooperating += u64::from(plan.cooperates);
        if is_finished(plan, found) {
            self.finished += 1;
            return;
        }
        if found.session.is_none() || found.refused.is_some() {
            let why = found
                .refused
                .as_deref()
                .unwrap_or("no session was interrupted");
            return self.tell(plan, why);
        }
        self.brought_back += 1;
        self.judge_task(plan, found);
        self.judge_files(plan, found);
        self.judge_calls(plan, found);
    }

    fn judge_task(&mut self, plan: &Plan, found: &Found) {
        // A save whose result the model saw is kept; one in hand may be.
        let told = plan.acts.iter().take(found.answered).enumerate();
        let mut told = told.filter_map(|(at, act)| match act {
            Act::Save(task) => Some((at, task.as_str())),
            _ => None,
        });
        let (at, told) = told.next_back().unzip();
        let is_sure = at.is_some_and(|at| at < found.shown);
        let is_right = Some(found.task.as_str()) == told || !is_sure && found.task == plan.prompt;
        if is_right && found.observed.last_prompt == plan.prompt {
            self.task_right += 1;
            return;
        }
        self.false_claims += u64::from(!found.task.is_empty() && !is_right);
        self.tell(
            plan,
            &format!(
                "the task is {:?}, the prompt {:?}",
                found.task, found.observed.last_prompt
            ),
        );
    }

    fn judge_files(&mut self, plan: &Plan, found: &Found) {
        let known: BTreeSet<PathBuf> = paths(
            found.observed.edited_files.iter().map(|it| &*it.path),
            plan,
            found,
        );
        let open = found
            .observed
            .open_tool_calls
            .iter()
            .flat_map(|call| &call.files);
        let open = paths(open.map(|file| &*file.path), plan, found);
        let invented: Vec<_> = known.difference(&found.changed).collect();
        let missing: Vec<_> = found.changed.difference(&known).collect();
        let missing: Vec<_> = missing
            .into_iter()
            .filter(|file| !open.contains(*file))
            .collect();
        if invented.is_empty() && missing.is_empty() {
            self.files_right += 1;
            return;
        }
        self.false_claims += invented.len() as u64;
        self.tell(
            plan,
            &format!("files: {invented:?} not changed, {missing:?} not known"),
        );
    }

    fn judge_calls(&mut self, plan: &Plan, found: &Found) {
        let open = &found.observed.open_tool_calls;
        let delivered: Vec<&str> = plan
            .acts
            .iter()
            .take(found.answered)
            .map(Act::tool)
            .collect();
        let is_certain = plan.moment == Moment::InCall;
        let command = plan.endless();
        let is_endless =
            |summary: &str| summary.contains(&command) || summary.contains("a command of the test");
        for call in open {
            let is_last = delivered.last() == Some(&&*call.tool_name);
            let is_it = is_certain && call.tool_name == "Bash" && is_endless(&call.summary);
            if !is_last && !is_it {
                self.false_claims += 1;
                self.tell(
                    plan,
                    &format!("no such call was open: {} {}", call.tool_name, call.summary),
                );
            }
        }
        if is_certain {
            self.open_calls += 1;
            let is_named = open
                .iter()
                .any(|call| call.tool_name == "Bash" && is_endless(&call.summary));
            let is_told = found.resume_prompt.contains("Bash");
            self.open_calls_named += u64::from(is_named && is_told);
            if !(is_named && is_told) {
                self.tell(plan, &format!("the open call is not named: {open:?}"));
            }
        }
    }

    fn tell(&mut self, plan: &Plan, what: &str) {
        if self.wrong.len() < MAX_TOLD {
            self.wrong.push(format!(
                "round {} ({}): {what}",
                plan.number,
                plan.describe()
            ));
        }
    }
}

/// Whether the kill came after the last word, so that nothing was left to do.
fn is_finished(plan: &Plan, found: &Found) -> bool {
    let has_all = found.answered > plan.acts.len() && plan.moment != Moment::InCall;
    let is_ended = |status| status == SessionStatus::Ended;
    has_all
        && found
            .session
            .as_ref()
            .is_none_or(|it| is_ended(it.status()) || found.refused.is_some())
}

/// Absolute paths; those in the project may be told relative to it.
fn paths<'a>(told: impl Iterator<Item = &'a str>, plan: &Plan, found: &Found) -> BTreeSet<PathBuf> {
    let project = found.session.as_ref().map_or("", |it| &*it.project);
    let folder = format!("project-{}", plan.number);
    let project = Path::new(project);
    debug_assert!(project.ends_with(&folder) || project.as_os_str().is_empty());
    told.map(|path| project.join(path)).collect()
}
