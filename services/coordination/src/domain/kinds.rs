//! Kinds of work that one executor does: tasks of these kinds go to it without being told to.

use shim_proto::coordination::v1::{Requirements, SubmitTaskRequest, WorkerKind};
use shim_proto::limits::evolution::TASK_KINDS;

/// Gives tasks of the evolution service's kinds to its workers, unless the submitter said who does them.
pub(crate) fn require_executors(job: &mut SubmitTaskRequest) {
    let is_given = |requirements: &Option<Requirements>| {
        requirements.as_ref().is_some_and(|it| {
            it.executor() != WorkerKind::Unspecified || !it.capabilities.is_empty()
        })
    };
    let is_own = !is_given(&job.requirements) && is_known(&job.kind);
    for subtask in &mut job.subtasks {
        if is_given(&subtask.requirements) {
            continue;
        }
        let has_own_kind = !subtask.kind.is_empty();
        if has_own_kind && is_known(&subtask.kind) && !is_given(&job.requirements) {
            subtask.requirements = Some(analysis());
        } else if has_own_kind && is_own {
            // A part of another kind does not take over what was added to the job.
            subtask.requirements = Some(Requirements::default());
        } else if is_own {
            subtask.requirements = None;
        }
    }
    if is_own {
        job.requirements = Some(analysis());
    }
}

fn is_known(kind: &str) -> bool {
    TASK_KINDS.contains(&kind)
}

fn analysis() -> Requirements {
    Requirements {
        executor: WorkerKind::Analysis.into(),
        capabilities: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use shim_proto::coordination::v1::Subtask;

    use super::*;

    fn subtask(kind: &str, requirements: Option<Requirements>) -> Subtask {
        Subtask {
            kind: kind.to_owned(),
            requirements,
            ..Subtask::default()
        }
    }

    fn agent() -> Requirements {
        Requirements {
            executor: WorkerKind::Agent.into(),
            capabilities: Vec::new(),
        }
    }

    #[test]
    fn tasks_of_the_kinds_go_to_the_evolution_service() {
        for kind in TASK_KINDS {
            let mut job = SubmitTaskRequest {
                kind: kind.to_owned(),
                requirements: Some(Requirements::default()),
                ..SubmitTaskRequest::default()
            };
            require_executors(&mut job);
            assert_eq!(job.requirements, Some(analysis()), "{kind}");
        }
        let mut other = SubmitTaskRequest {
            kind: "analyse".to_owned(),
            ..SubmitTaskRequest::default()
        };
        require_executors(&mut other);
        assert_eq!(other.requirements, None);
    }

    #[test]
    fn whoever_says_who_does_it_is_heeded() {
        let mut job = SubmitTaskRequest {
            kind: "analyze".to_owned(),
            requirements: Some(agent()),
            subtasks: vec![subtask("", None), subtask("evolve", None)],
            ..SubmitTaskRequest::default()
        };
        require_executors(&mut job);
        assert_eq!(job.requirements, Some(agent()));
        assert!(job.subtasks.iter().all(|it| it.requirements.is_none()));
    }

    #[test]
    fn a_part_of_another_kind_stays_with_everybody() {
        let mut job = SubmitTaskRequest {
            kind: "analyze".to_owned(),
            subtasks: vec![
                subtask("", None),
                subtask("write", None),
                subtask("write", Some(agent())),
                subtask("evolve", None),
            ],
            ..SubmitTaskRequest::default()
        };
        require_executors(&mut job);
        let found: Vec<_> = job
            .subtasks
            .iter()
            .map(|it| it.requirements.clone())
            .collect();
        let expected = [
            None,
            Some(Requirements::default()),
            Some(agent()),
            Some(analysis()),
        ];
        assert_eq!(found, expected);
        let mut mixed = SubmitTaskRequest {
            subtasks: vec![subtask("generate_tests", None), subtask("", None)],
            ..SubmitTaskRequest::default()
        };
        require_executors(&mut mixed);
        assert_eq!(mixed.requirements, None);
        assert_eq!(mixed.subtasks[0].requirements, Some(analysis()));
        assert_eq!(mixed.subtasks[1].requirements, None);
    }
}
