//! The plan of a submitted job: one task, or a root with subtasks that the submitter gave or that a split made.
//!
//! The plan expects a checked request. It sets neither states nor times; the store does.

use std::collections::HashMap;

use shim_proto::coordination::v1::{FileHint, SplitPolicy, SubmitTaskRequest, Task};

use super::estimate::{Estimate, JobSize, WORTH_SPLITTING, counted};
use super::graph::Graph;
use super::split::{JobPart, split, with_steps};
use super::task_defaults::{apply_overrides, root_task, subtask_of};

/// A job as the store takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobPlan {
    pub(crate) root: Task,
    pub(crate) subtasks: Vec<Task>,
    /// Why the job was split so, or not, for people.
    pub(crate) reasoning: String,
}

/// Plans a job. `graph` holds the dependencies of its subtasks; each call of `new_id` makes a task id.
pub(crate) fn plan(
    mut job: SubmitTaskRequest,
    graph: &Graph,
    mut new_id: impl FnMut() -> String,
) -> JobPlan {
    dedup_files(&mut job.files);
    let mut root = root_task(&job, new_id());
    if !job.subtasks.is_empty() {
        return with_subtasks(job, root, graph, new_id);
    }
    let estimate = Estimate::of(&JobSize::of_job(&job));
    root.complexity = estimate.complexity();
    let why_whole = match () {
        () if !estimate.is_worth_splitting() => format!("not above {WORTH_SPLITTING}"),
        () if job.split() == SplitPolicy::Never => "which was not to be split".to_owned(),
        () => match split(&job.goal, &job.files, &job.steps) {
            Some((parts, by)) => return with_parts(&job, root, parts, by, &estimate, new_id),
            None => "with neither two files nor two steps to split it by".to_owned(),
        },
    };
    root.goal = with_steps(&job.goal, &job.steps);
    JobPlan {
        root,
        subtasks: Vec::new(),
        reasoning: format!("One worker does it: its complexity is {estimate}, {why_whole}."),
    }
}

/// A root with the subtasks that the submitter gave.
fn with_subtasks(
    mut job: SubmitTaskRequest,
    mut root: Task,
    graph: &Graph,
    mut new_id: impl FnMut() -> String,
) -> JobPlan {
    let given = std::mem::take(&mut job.subtasks);
    let ids: Vec<String> = given.iter().map(|_| new_id()).collect();
    let mut subtasks = Vec::with_capacity(given.len());
    for ((subtask, id), waits_for) in given.into_iter().zip(&ids).zip(&graph.waits_for) {
        let mut task = subtask_of(&root, id.clone());
        task.depends_on = waits_for.iter().map(|index| ids[*index].clone()).collect();
        apply_overrides(&mut task, subtask);
        task.complexity = Estimate::of(&JobSize::of_task(&task)).complexity();
        subtasks.push(task);
    }
    root.complexity = subtasks.iter().map(|task| task.complexity).sum();
    let reasoning = format!(
        "It has {} as given: {} can start at once, and up to {} come one after the other; their complexity is {:.1} in all.",
        counted(subtasks.len(), "subtask"),
        graph.starts(),
        graph.depth(),
        root.complexity,
    );
    JobPlan {
        root,
        subtasks,
        reasoning,
    }
}

/// A root with the parts of a split as its subtasks.
fn with_parts(
    job: &SubmitTaskRequest,
    root: Task,
    parts: Vec<JobPart>,
    by: &str,
    estimate: &Estimate,
    mut new_id: impl FnMut() -> String,
) -> JobPlan {
    let items = match by {
        "file" => job.files.len(),
        _ => job.steps.len(),
    };
    let total: f64 = parts.iter().map(|part| part.work).sum();
    let largest = parts.iter().map(|part| part.work).fold(0.0, f64::max);
    let reasoning = format!(
        "Its complexity is {estimate}, above {WORTH_SPLITTING}: its {} are in {} parts, the largest with {:.0}% of the work.",
        counted(items, by),
        parts.len(),
        100.0 * largest / total,
    );
    let subtask = |(index, part): (usize, JobPart)| Task {
        key: format!("part-{}", index + 1),
        goal: part.goal,
        files: part.files,
        weight: part.work,
        complexity: part.work,
        ..subtask_of(&root, new_id())
    };
    let subtasks = parts.into_iter().enumerate().map(subtask).collect();
    JobPlan {
        root,
        subtasks,
        reasoning,
    }
}

/// Merges the hints for one path into one, with the larger size.
fn dedup_files(files: &mut Vec<FileHint>) {
    let mut sizes = HashMap::with_capacity(files.len());
    for file in files.iter() {
        let size = sizes.entry(file.path.clone()).or_insert(0);
        *size = file.size_bytes.max(*size);
    }
    files.retain_mut(|file| match sizes.remove(&file.path) {
        Some(size) => {
            file.size_bytes = size;
            true
        }
        None => false,
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shim_proto::coordination::v1::{
        ApprovalGates, AssignmentStrategy, FailurePolicy, MergeStrategy, Requirements, Subtask,
        WorkerKind,
    };

    use super::super::graph::Node;
    use super::*;

    fn planned(job: SubmitTaskRequest) -> JobPlan {
        let nodes: Vec<_> = job
            .subtasks
            .iter()
            .map(|subtask| Node {
                key: &subtask.key,
                depends_on: &subtask.depends_on,
            })
            .collect();
        let graph = Graph::of(&nodes).unwrap();
        let mut made = 0;
        plan(job, &graph, || {
            made += 1;
            format!("id-{made}")
        })
    }

    fn files(count: usize) -> Vec<FileHint> {
        let hint = |n| FileHint {
            path: format!("{n}.rs"),
            size_bytes: 50_000,
        };
        (0..count).map(hint).collect()
    }

    fn job() -> SubmitTaskRequest {
        SubmitTaskRequest {
            goal: "Port it".to_owned(),
            kind: "port".to_owned(),
            workspace: "/repo".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn a_small_job_is_one_task_with_the_defaults() {
        let plan = planned(SubmitTaskRequest {
            files: files(1),
            steps: vec!["read".to_owned(), "write".to_owned()],
            ..job()
        });
        assert_eq!(plan.subtasks, []);
        let root = plan.root;
        assert_eq!(
            (root.task_id.as_str(), root.root_id.as_str()),
            ("id-1", "id-1")
        );
        assert_eq!(root.goal, "Port it\n\nSteps:\n1. read\n2. write");
        assert_eq!(root.files, ["0.rs"]);
        assert_eq!((root.priority, root.max_attempts), (50, 3));
        assert_eq!(root.on_failure(), FailurePolicy::FailFast);
        assert_eq!(root.merge(), MergeStrategy::Concatenate);
        assert_eq!(root.strategy(), AssignmentStrategy::LeastLoaded);
        assert!((root.complexity - 3.25).abs() < 0.01, "{}", root.complexity);
        assert_eq!(
            plan.reasoning,
            "One worker does it: its complexity is 3.3 (0.5 a task + 0.5 1 file + 0.5 50 kB + 0.2 50 kB in one file \
             + 1.5 2 steps), not above 8."
        );
    }

    #[test]
    fn a_large_job_is_split_in_eight() {
        let plan = planned(SubmitTaskRequest {
            files: files(16),
            priority: 7,
            approval: Some(ApprovalGates {
                before_start: true,
                before_result: true,
            }),
            ..job()
        });
        assert_eq!(plan.subtasks.len(), 8);
        let part = &plan.subtasks[2];
        assert_eq!(
            (part.task_id.as_str(), part.root_id.as_str()),
            ("id-4", "id-1")
        );
        assert_eq!((part.key.as_str(), part.kind.as_str()), ("part-3", "port"));
        assert_eq!((part.priority, part.workspace.as_str()), (7, "/repo"));
        assert_eq!(part.files, ["2.rs", "10.rs"]);
        assert!((part.weight - 2.0).abs() < 1e-9);
        let gates = part.approval.unwrap();
        assert_eq!((gates.before_start, gates.before_result), (false, false));
        assert!(
            plan.reasoning.ends_with(
                "above 8: its 16 files are in 8 parts, the largest with 12% of the work."
            ),
            "{}",
            plan.reasoning
        );
    }

    #[test]
    fn a_file_named_twice_is_one() {
        let mut files = files(2);
        files.push(FileHint {
            size_bytes: 70_000,
            ..files[0].clone()
        });
        let plan = planned(SubmitTaskRequest { files, ..job() });
        assert_eq!(plan.root.files, ["0.rs", "1.rs"]);
        assert!(plan.reasoning.contains("120 kB"), "{}", plan.reasoning);
    }

    #[test]
    fn subtasks_do_not_take_over_the_gates_of_their_job() {
        let subtask = |key: &str, depends_on: &[&str]| Subtask {
            key: key.to_owned(),
            depends_on: depends_on.iter().map(|key| (*key).to_owned()).collect(),
            ..Subtask::default()
        };
        let plan = planned(SubmitTaskRequest {
            approval: Some(ApprovalGates {
                before_start: true,
                before_result: true,
            }),
            subtasks: vec![subtask("first", &[]), subtask("then", &["first"])],
            ..job()
        });
        let gates = plan.subtasks.iter().map(|task| task.approval.unwrap());
        let gates: Vec<_> = gates
            .map(|gates| (gates.before_start, gates.before_result))
            .collect();
        assert_eq!(gates, [(false, false), (false, false)]);
        assert!(plan.root.approval.unwrap().before_start);
    }

    #[test]
    fn a_large_job_stays_whole_on_request_or_if_it_cannot_be_split() {
        let whole = planned(SubmitTaskRequest {
            files: files(40),
            split: SplitPolicy::Never.into(),
            ..job()
        });
        assert_eq!(whole.subtasks, []);
        assert!(whole.reasoning.ends_with("which was not to be split."));
        let one = planned(SubmitTaskRequest {
            files: vec![FileHint {
                path: "huge.rs".to_owned(),
                size_bytes: 1 << 30,
            }],
            ..job()
        });
        assert_eq!(one.subtasks, []);
        assert!(one.reasoning.contains("neither two files nor two steps"));
    }

    #[test]
    fn subtasks_take_over_what_they_do_not_set() {
        let needs = |executor: WorkerKind| {
            Some(Requirements {
                executor: executor.into(),
                capabilities: vec!["rust".to_owned()],
            })
        };
        let plan = planned(SubmitTaskRequest {
            requirements: needs(WorkerKind::Chat),
            priority: 20,
            subtasks: vec![
                Subtask {
                    key: "test".to_owned(),
                    goal: "Test".to_owned(),
                    depends_on: vec!["write".to_owned()],
                    requirements: needs(WorkerKind::Command),
                    kind: "test".to_owned(),
                    priority: 1,
                    weight: 0.5,
                    ..Subtask::default()
                },
                Subtask {
                    key: "write".to_owned(),
                    goal: "Write".to_owned(),
                    files: vec!["src/**".to_owned()],
                    ..Subtask::default()
                },
            ],
            ..job()
        });
        let [test, write] = plan.subtasks.as_slice() else {
            panic!("{plan:?}");
        };
        assert_eq!(test.depends_on, [write.task_id.as_str()]);
        assert_eq!(
            (test.kind.as_str(), test.priority, test.weight),
            ("test", 1, 0.5)
        );
        assert_eq!(test.requirements, needs(WorkerKind::Command));
        assert_eq!(
            (write.kind.as_str(), write.priority, write.weight),
            ("port", 20, 1.0)
        );
        assert_eq!(write.requirements, needs(WorkerKind::Chat));
        assert_eq!(write.files, ["src/**"]);
        assert_eq!(
            plan.reasoning,
            "It has 2 subtasks as given: 1 can start at once, and up to 2 come one after the other; \
             their complexity is 2.0 in all."
        );
    }
}
