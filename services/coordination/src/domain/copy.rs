//! A copy of a job: the same tasks with new ids.

use std::collections::HashMap;

use shim_proto::coordination::v1::{Task, TaskState};

/// Turns the tasks of a job, the root first, into a new job: every id of these tasks is replaced, and their history is
/// cleared.
pub(crate) fn copy(tasks: &mut [Task], mut new_id: impl FnMut() -> String) {
    let ids: HashMap<String, String> = tasks
        .iter()
        .map(|task| (task.task_id.clone(), new_id()))
        .collect();
    let renamed = |id: &String| ids.get(id).cloned().unwrap_or_else(|| id.clone());
    for task in tasks {
        *task = Task {
            task_id: renamed(&task.task_id),
            root_id: renamed(&task.root_id),
            depends_on: task.depends_on.iter().map(renamed).collect(),
            state: TaskState::Unspecified.into(),
            attempts: 0,
            worker_deaths: 0,
            not_before: None,
            progress: 0.0,
            note: String::new(),
            created_at: None,
            ready_at: None,
            started_at: None,
            reported_at: None,
            finished_at: None,
            error: None,
            result: None,
            usage: None,
            subtasks: None,
            runs: 0,
            runs_left_out: 0,
            last_run_id: String::new(),
            ..std::mem::take(task)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, root: &str, after: &[&str]) -> Task {
        Task {
            task_id: id.to_owned(),
            root_id: root.to_owned(),
            depends_on: after.iter().map(|id| (*id).to_owned()).collect(),
            goal: format!("do {id}"),
            attempts: 2,
            state: TaskState::Failed.into(),
            ..Task::default()
        }
    }

    #[test]
    fn a_copy_has_the_same_edges_between_new_ids() {
        let mut tasks = [
            task("r", "r", &[]),
            task("a", "r", &[]),
            task("b", "r", &["a"]),
        ];
        let mut count = 0;
        copy(&mut tasks, || {
            count += 1;
            format!("new {count}")
        });
        let [root, a, b] = &tasks;
        assert_eq!(
            (root.task_id.as_str(), a.root_id.as_str()),
            ("new 1", "new 1")
        );
        assert_eq!(b.depends_on, [a.task_id.as_str()]);
        assert_eq!(b.goal, "do b");
        assert_eq!((b.attempts, b.state), (0, 0));
    }
}
