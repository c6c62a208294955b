//! Holds what the store tells of every job against what workers and resource told meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use shim_proto::coordination::v1::{Task, TaskCounts, TaskEventKind, TaskState, WorkerKind};

use super::history::{JobHistory, LoggedEvent};
use super::resource::FencedResource;
use super::submitter::{SubmittedJob, has_ended};
use super::verdict::TasksVerdict;
use super::worker_reports::WorkerReports;

/// After so many deaths a task has failed.
const TOO_MANY_DEATHS: u32 = 10;

/// What is judged by.
pub(super) struct Evidence<'a> {
    pub(super) reports: &'a WorkerReports,
    pub(super) resources: &'a BTreeMap<String, FencedResource>,
}

/// Judges every job.
pub(super) fn judge(
    jobs: &[SubmittedJob],
    history: &[JobHistory],
    evidence: &Evidence<'_>,
    verdict: &mut TasksVerdict,
) {
    for (job, job_history) in jobs.iter().zip(history) {
        verdict.jobs += 1;
        verdict.jobs_wrong += u64::from(!root_follows_parts(job_history));
        let has_bad_luck = job_history
            .parts
            .iter()
            .any(|part| part.worker_deaths >= TOO_MANY_DEATHS);
        for (part, must_complete) in job_history.parts.iter().zip(&job.graph.must_complete) {
            let is_wrong = *must_complete && !has_bad_luck && part.state() != TaskState::Completed;
            verdict.tasks_wrong += u64::from(has_ended(part) && is_wrong);
            judge_task(
                part,
                job_history.events_of(&part.task_id),
                evidence,
                verdict,
            );
        }
    }
    verdict.files_shared = files_shared(history);
    verdict.tokens_out_of_order += repeated_tokens(evidence.reports);
    verdict.refused_reports = evidence.reports.stale;
    verdict.refused_effects = evidence
        .resources
        .values()
        .map(|resource| resource.refused)
        .sum();
    verdict.taken_for_dead = evidence.reports.taken_for_dead;
    verdict.had_no_room = evidence.reports.had_no_room;
    verdict.unexpected = evidence.reports.unexpected.len() as u64;
}

fn judge_task(part: &Task, events: &[LoggedEvent], evidence: &Evidence<'_>, verdict: &mut TasksVerdict) {
    let before = verdict.findings();
    let count = |kind| events.iter().filter(|event| event.kind == kind).count() as u64;
    verdict.tasks += 1;
    verdict.tasks_lost += u64::from(!has_ended(part));
    verdict.requeued += count(TaskEventKind::Requeued);
    verdict.most_deaths = verdict.most_deaths.max(part.worker_deaths.into());
    let state = part.state().as_str_name().trim_start_matches("TASK_STATE_");
    *verdict.ended.entry(state.to_lowercase()).or_default() += 1;

    let nobody = FencedResource::default();
    let resource = evidence.resources.get(&part.task_id).unwrap_or(&nobody);
    let none = BTreeSet::new();
    let commits = evidence.reports.commits.get(&part.task_id).unwrap_or(&none);
    verdict.committed_twice += u64::from(
        count(TaskEventKind::Completed) > 1
            || commits.len() > 1
            || !is_committed_by_the_last(part, resource, commits),
    );
    verdict.effects_doubled += u64::from(resource.effects.len() > 1);
    let is_done = part.state() == TaskState::Completed && !needs_program(part);
    verdict.effects_missing += u64::from(is_done && resource.effects.is_empty());
    verdict.tokens_out_of_order += u64::from(!is_in_order(part, events, evidence.reports));
    if verdict.findings() > before {
        let claims = evidence.reports.claims.get(&part.task_id);
        eprintln!(
            "{part:?}\nlog {events:?}\nclaims {claims:?}\nresource {resource:?}\ncommits {commits:?}"
        );
    }
}

/// Workers commit with the token of their claim, and no worker may hold a newer one.
fn is_committed_by_the_last(
    part: &Task,
    resource: &FencedResource,
    commits: &BTreeSet<u64>,
) -> bool {
    if part.state() != TaskState::Completed {
        return commits.is_empty();
    }
    let text = part.result.as_ref().map(|result| result.text.as_str());
    if needs_program(part) {
        return text.is_some_and(|text| text.trim() == "done");
    }
    let token = text.and_then(|text| text.parse().ok());
    token == Some(resource.highest) && commits.iter().all(|commit| Some(*commit) == token)
}

fn needs_program(part: &Task) -> bool {
    let required = part.requirements.as_ref();
    required.is_some_and(|required| required.executor() == WorkerKind::Command)
}

/// Tokens grow from claim to claim: in their order, the claims that workers told of are found in the log one after the
/// other. A claim whose worker died before it told of it is in the log only.
fn is_in_order(part: &Task, events: &[LoggedEvent], reports: &WorkerReports) -> bool {
    let mut started = events
        .iter()
        .filter(|event| event.kind == TaskEventKind::Started);
    let mut claims = reports.claims.get(&part.task_id).into_iter().flatten();
    !has_ended(part) || claims.all(|(_, worker)| started.any(|event| event.worker == *worker))
}

fn repeated_tokens(reports: &WorkerReports) -> u64 {
    let all = reports.claims.values().flatten();
    let tokens: Vec<u64> = all.map(|(token, _)| *token).collect();
    let different: BTreeSet<u64> = tokens.iter().copied().collect();
    (tokens.len() - different.len()) as u64
}

/// Whether the state and the counts of a job are what its tasks make of it.
fn root_follows_parts(job_history: &JobHistory) -> bool {
    let Some(counts) = job_history.root.subtasks else {
        return job_history.parts.len() == 1;
    };
    let is_in = |state| {
        job_history
            .parts
            .iter()
            .filter(|part| part.state() == state)
            .count()
    };
    let in_state = |state| u32::try_from(is_in(state)).unwrap_or(u32::MAX);
    let expected = TaskCounts {
        total: u32::try_from(job_history.parts.len()).unwrap_or(u32::MAX),
        completed: in_state(TaskState::Completed),
        failed: in_state(TaskState::Failed),
        cancelled: in_state(TaskState::Cancelled),
        ..TaskCounts::default()
    };
    let state = match (expected.failed, expected.completed) {
        (1.., _) => TaskState::Failed,
        (0, 0) => TaskState::Cancelled,
        (0, _) => TaskState::Completed,
    };
    counts == expected && job_history.root.state() == state
}

/// How often two tasks ran at the same time that have the same files for themselves.
fn files_shared(history: &[JobHistory]) -> u64 {
    let mut runs = BTreeMap::<&str, Vec<(u64, u64, &str)>>::new();
    for job_history in history {
        for part in &job_history.parts {
            let id = part.task_id.as_str();
            let with_task = runs_of(job_history.events_of(id)).into_iter();
            let with_task: Vec<_> = with_task.map(|(from, until)| (from, until, id)).collect();
            for files in &part.files {
                runs.entry(files).or_default().extend(&with_task);
            }
        }
    }
    let mut shared = 0;
    for (files, runs) in &mut runs {
        runs.sort_unstable();
        for pair in runs.windows(2).filter(|pair| pair[1].0 < pair[0].1) {
            eprintln!("two tasks had {files} at the same time: {pair:?}");
            for (_, _, id) in pair {
                let known = history
                    .iter()
                    .filter(|job_history| job_history.events.contains_key(*id));
                known.for_each(|job_history| eprintln!("{id}: {:?}", job_history.events_of(id)));
            }
            shared += 1;
        }
    }
    shared
}

/// From when until when a task was with a worker, each time.
fn runs_of(events: &[LoggedEvent]) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    let mut since = None;
    for event in events {
        match event.kind {
            TaskEventKind::Started => since = Some(event.at_ms),
            TaskEventKind::Progress => {}
            _ => runs.extend(since.take().map(|since| (since, event.at_ms))),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_ms: u64, kind: TaskEventKind, worker: &str) -> LoggedEvent {
        LoggedEvent {
            at_ms,
            kind,
            worker: worker.into(),
        }
    }

    fn completed(text: &str) -> Task {
        let mut task = Task {
            task_id: "t".into(),
            result: Some(shim_proto::coordination::v1::TaskResult {
                text: text.into(),
                ..Default::default()
            }),
            ..Task::default()
        };
        task.set_state(TaskState::Completed);
        task
    }

    fn resource(highest: u64, effects: &[u64]) -> FencedResource {
        FencedResource {
            highest,
            effects: effects.to_vec(),
            refused: 0,
        }
    }

    fn judged(result: &str, resource: FencedResource, commits: &[u64]) -> TasksVerdict {
        let mut reports = WorkerReports::default();
        reports
            .commits
            .insert("t".into(), commits.iter().copied().collect());
        let resources = BTreeMap::from([("t".to_owned(), resource)]);
        let evidence = Evidence {
            reports: &reports,
            resources: &resources,
        };
        let mut verdict = TasksVerdict::default();
        judge_task(&completed(result), &[], &evidence, &mut verdict);
        verdict
    }

    #[test]
    fn one_effect_and_one_commit_by_the_last_holder_are_clean() {
        assert!(judged("7", resource(7, &[5]), &[7]).is_clean());
    }

    #[test]
    fn a_commit_under_an_older_token_and_a_second_commit_are_found() {
        assert_eq!(judged("5", resource(7, &[5]), &[5]).committed_twice, 1);
        assert_eq!(judged("7", resource(7, &[5]), &[5, 7]).committed_twice, 1);
    }

    #[test]
    fn effects_that_are_missing_or_doubled_are_found() {
        assert_eq!(judged("7", resource(7, &[]), &[7]).effects_missing, 1);
        assert_eq!(judged("7", resource(7, &[5, 7]), &[7]).effects_doubled, 1);
    }

    #[test]
    fn tokens_against_the_order_of_the_log_are_found() {
        let mut reports = WorkerReports::default();
        let claims = [(5, "a".to_owned()), (7, "b".to_owned())];
        reports.claims.insert("t".into(), claims.into());
        let start = |worker| event(1, TaskEventKind::Started, worker);
        let part = completed("7");
        assert!(is_in_order(
            &part,
            &[start("a"), start("x"), start("b")],
            &reports
        ));
        assert!(!is_in_order(&part, &[start("b"), start("a")], &reports));
    }

    #[test]
    fn runs_end_with_whatever_takes_the_task_away() {
        use TaskEventKind::{Completed, Progress, Requeued, Started};
        let events = [
            event(1, Started, "a"),
            event(2, Progress, "a"),
            event(3, Requeued, "a"),
            event(5, Started, "b"),
            event(8, Completed, "b"),
        ];
        assert_eq!(runs_of(&events), [(1, 3), (5, 8)]);
    }
}
