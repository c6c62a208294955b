//! What a session holds in the coordination service: leased files and tasks in hand. A summary loses them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use shim_proto::coordination::v1::{
    FileLease, ListFilesRequest, ListTasksRequest, Task, TaskState,
};
use shim_render::text::{name, one_line};
use shim_render::time;

use crate::hook::stack::HookStack;

/// A coordination service that takes longer is left out.
const WITHIN: Duration = Duration::from_millis(150);
/// Of each kind.
const MAX_NAMED: usize = 3;
const MAX_NAME: usize = 80;

/// A line on leases and one on tasks; empty if there are none, or none can be told now.
pub(super) async fn of(stack: &HookStack, session_id: &str, cwd: &Path) -> String {
    let stack = stack.within(WITHIN);
    let (leases, tasks) = tokio::join!(leases(&stack, session_id, cwd), tasks(&stack, session_id));
    let now = SystemTime::now();
    let lines = [leases_line(&leases, now), tasks_line(&tasks)];
    let lines: Vec<_> = lines.into_iter().flatten().collect();
    lines.join("\n")
}

async fn leases(stack: &HookStack, session_id: &str, cwd: &Path) -> Vec<FileLease> {
    let Some(mut service) = stack.locks() else {
        return Vec::new();
    };
    let request = stack.request(ListFilesRequest {
        workspace: stack.workspace(cwd).name,
        holder: session_id.to_owned(),
        ..ListFilesRequest::default()
    });
    let listed = stack.answer(service.list_files(request)).await;
    listed.map(|listed| listed.leases).unwrap_or_default()
}

async fn tasks(stack: &HookStack, session_id: &str) -> Vec<Task> {
    let Some(mut service) = stack.tasks() else {
        return Vec::new();
    };
    // One after the other: jobs that were submitted whole, and parts of jobs, are both tasks of a worker.
    let request = stack.request(ListTasksRequest {
        worker_id: session_id.to_owned(),
        states: vec![TaskState::Running.into()],
        ..ListTasksRequest::default()
    });
    let listed = stack.answer(service.list_tasks(request)).await;
    listed.map(|listed| listed.tasks).unwrap_or_default()
}

fn leases_line(leases: &[FileLease], now: SystemTime) -> Option<String> {
    let named: Vec<_> = leases
        .iter()
        .take(MAX_NAMED)
        .map(|lease| {
            let until = time::moment(lease.expires_at.as_ref()).unwrap_or(now);
            let files: Vec<_> = lease
                .patterns
                .iter()
                .take(MAX_NAMED)
                .map(|it| name(it, MAX_NAME))
                .collect();
            let more = lease.patterns.len().saturating_sub(files.len());
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!(
                "{}{more} ({})",
                files.join(" "),
                time::time_left(until, now)
            )
        })
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "File leases of this session: {}{}",
            named.join("; "),
            rest(leases.len())
        )
    })
}

fn tasks_line(tasks: &[Task]) -> Option<String> {
    let named: Vec<_> = tasks
        .iter()
        .take(MAX_NAMED)
        .map(|task| format!("{} {}", task.task_id, one_line(&task.goal, MAX_NAME)))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "Tasks it has claimed: {}{}",
            named.join("; "),
            rest(tasks.len())
        )
    })
}

fn rest(all: usize) -> String {
    match all.saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; {more} more"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn leases_and_tasks_are_named_and_counted() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let lease = FileLease {
            patterns: (0..5).map(|it| format!("src/{it}.rs")).collect(),
            expires_at: Some((now + Duration::from_secs(120)).into()),
            ..FileLease::default()
        };
        let line = leases_line(&vec![lease; 4], now).unwrap();
        assert!(
            line.starts_with(
                "File leases of this session: src/0.rs src/1.rs src/2.rs and 2 more (2 min"
            ),
            "{line}"
        );
        assert!(line.ends_with("; 1 more"), "{line}");
        let task = Task {
            task_id: "t1".into(),
            goal: "Mend\nit".into(),
            ..Task::default()
        };
        assert_eq!(
            tasks_line(&[task]).unwrap(),
            "Tasks it has claimed: t1 Mend it"
        );
        assert_eq!((leases_line(&[], now), tasks_line(&[])), (None, None));
    }
}
