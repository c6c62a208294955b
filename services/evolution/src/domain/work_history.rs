//! What sessions and tasks of a project show: which kinds of task fail, which steps come again and again, where sessions die.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::evolution::v1::{DeathPlace, KindRecord, RepeatedStep, WorkHistory};

/// The most entries of each list.
const MAX_ENTRIES: usize = 20;
/// A step that fewer sessions name is nobody's habit.
const LEAST_SESSIONS: usize = 2;

/// How a task ended, or stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PastTask {
    /// Its kind; empty for none.
    pub(crate) kind: String,
    /// Whether it was completed.
    pub(crate) is_completed: bool,
    /// Why it failed for good; `None` if it did not.
    pub(crate) failure: Option<String>,
    /// How often it was tried.
    pub(crate) attempts: u32,
}

/// What is known of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PastSession {
    /// The next steps that its checkpoints named, in their order, each as often as it was named.
    pub(crate) next_steps: Vec<String>,
    /// What ended it, if it was interrupted.
    pub(crate) death: Option<Death>,
}

/// The end of an interrupted session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Death {
    /// The cause in a word.
    pub(crate) cause: String,
    /// Tokens at its last signal; 0 if there was none.
    pub(crate) tokens: u64,
    /// What it was at.
    pub(crate) task: String,
}

/// Sums up; `same` brings texts that mean the same to one form.
pub(crate) fn work_history(
    tasks: &[PastTask],
    sessions: &[PastSession],
    same: impl Fn(&str) -> String,
) -> WorkHistory {
    WorkHistory {
        kinds: kinds(tasks),
        repeated_steps: repeated_steps(sessions, same),
        deaths: deaths(sessions),
    }
}

fn kinds(tasks: &[PastTask]) -> Vec<KindRecord> {
    let mut found: BTreeMap<&str, (KindRecord, BTreeMap<&str, u64>)> = BTreeMap::new();
    for task in tasks {
        let (record, failures) = found.entry(&task.kind).or_default();
        record.kind.clone_from(&task.kind);
        record.completed += u64::from(task.is_completed);
        record.attempts += u64::from(task.attempts);
        if let Some(reason) = &task.failure {
            record.failed += 1;
            *failures.entry(reason).or_default() += 1;
        }
    }
    let mut kinds: Vec<KindRecord> = found
        .into_values()
        .map(|(mut record, failures)| {
            record.main_failure = most_frequent(failures);
            record
        })
        .collect();
    // Those that fail most stand first.
    kinds.sort_by(|a, b| b.failed.cmp(&a.failed).then_with(|| a.kind.cmp(&b.kind)));
    kinds.truncate(MAX_ENTRIES);
    kinds
}

fn most_frequent(counted: BTreeMap<&str, u64>) -> String {
    // Of equals the first in the alphabet, so that an answer does not change by itself.
    let most = counted.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(text, _)| text.to_owned()).unwrap_or_default()
}

fn repeated_steps(sessions: &[PastSession], same: impl Fn(&str) -> String) -> Vec<RepeatedStep> {
    let mut found: BTreeMap<String, (String, BTreeSet<usize>, u64)> = BTreeMap::new();
    for (number, session) in sessions.iter().enumerate() {
        for step in &session.next_steps {
            let entry = found.entry(same(step));
            let (_, in_sessions, times) =
                entry.or_insert_with(|| (step.clone(), BTreeSet::new(), 0));
            in_sessions.insert(number);
            *times += 1;
        }
    }
    let mut steps: Vec<RepeatedStep> = found
        .into_values()
        .filter(|(_, in_sessions, _)| in_sessions.len() >= LEAST_SESSIONS)
        .map(|(step, in_sessions, times)| RepeatedStep {
            step,
            sessions: in_sessions.len() as u64,
            times,
        })
        .collect();
    steps.sort_by(|a, b| (b.sessions, b.times, &a.step).cmp(&(a.sessions, a.times, &b.step)));
    steps.truncate(MAX_ENTRIES);
    steps
}

fn deaths(sessions: &[PastSession]) -> Vec<DeathPlace> {
    let mut found: BTreeMap<&str, Vec<&Death>> = BTreeMap::new();
    for death in sessions.iter().filter_map(|session| session.death.as_ref()) {
        found.entry(&death.cause).or_default().push(death);
    }
    let mut deaths: Vec<DeathPlace> = found
        .into_iter()
        .map(|(cause, deaths)| {
            let mut tasks: BTreeMap<&str, u64> = BTreeMap::new();
            for death in deaths.iter().filter(|death| !death.task.is_empty()) {
                *tasks.entry(&death.task).or_default() += 1;
            }
            DeathPlace {
                cause: cause.to_owned(),
                sessions: deaths.len() as u64,
                median_tokens: median(deaths.iter().map(|death| death.tokens)),
                task: most_frequent(tasks),
            }
        })
        .collect();
    deaths.sort_by(|a, b| {
        b.sessions
            .cmp(&a.sessions)
            .then_with(|| a.cause.cmp(&b.cause))
    });
    deaths.truncate(MAX_ENTRIES);
    deaths
}

/// The median of the known figures, the lower of two; 0 if none is known.
fn median(figures: impl Iterator<Item = u64>) -> u64 {
    let mut known: Vec<u64> = figures.filter(|figure| *figure > 0).collect();
    known.sort_unstable();
    let middle = known.len().saturating_sub(1) / 2;
    known.get(middle).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(kind: &str, failure: Option<&str>) -> PastTask {
        PastTask {
            kind: kind.to_owned(),
            is_completed: failure.is_none(),
            failure: failure.map(str::to_owned),
            attempts: 2,
        }
    }

    fn session(steps: &[&str], death: Option<(&str, u64, &str)>) -> PastSession {
        PastSession {
            next_steps: steps.iter().map(|step| (*step).to_owned()).collect(),
            death: death.map(|(cause, tokens, task)| Death {
                cause: cause.to_owned(),
                tokens,
                task: task.to_owned(),
            }),
        }
    }

    #[test]
    fn the_kind_that_fails_most_stands_first_with_its_main_reason() {
        let tasks = [
            task("port", None),
            task("lint", Some("TIMED_OUT")),
            task("lint", Some("EXECUTOR_FAILED")),
            task("lint", Some("TIMED_OUT")),
            task("lint", None),
        ];
        let history = work_history(&tasks, &[], str::to_owned);
        let lint = &history.kinds[0];
        assert_eq!(
            (lint.kind.as_str(), lint.completed, lint.failed),
            ("lint", 1, 3)
        );
        assert_eq!(
            (lint.attempts, lint.main_failure.as_str()),
            (8, "TIMED_OUT")
        );
        assert_eq!(history.kinds[1].main_failure, "");
    }

    #[test]
    fn a_step_is_repeated_if_two_sessions_name_it_however_it_is_spelled() {
        let sessions = [
            session(&["Run the tests", "run the tests", "write docs"], None),
            session(&["run the tests"], None),
        ];
        let history = work_history(&[], &sessions, str::to_lowercase);
        assert_eq!(history.repeated_steps.len(), 1);
        let step = &history.repeated_steps[0];
        assert_eq!(
            (step.step.as_str(), step.sessions, step.times),
            ("Run the tests", 2, 3)
        );
    }

    #[test]
    fn deaths_have_a_median_that_ignores_what_is_not_known() {
        let sessions = [
            session(&[], Some(("killed", 0, "a"))),
            session(&[], Some(("killed", 150_000, "b"))),
            session(&[], Some(("killed", 170_000, "b"))),
            session(&[], Some(("reboot", 0, ""))),
            session(&[], None),
        ];
        let history = work_history(&[], &sessions, str::to_owned);
        let killed = &history.deaths[0];
        assert_eq!((killed.cause.as_str(), killed.sessions), ("killed", 3));
        assert_eq!((killed.median_tokens, killed.task.as_str()), (150_000, "b"));
        assert_eq!(
            (
                history.deaths[1].median_tokens,
                history.deaths[1].task.as_str()
            ),
            (0, "")
        );
    }
}
