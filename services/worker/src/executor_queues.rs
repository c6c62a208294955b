//! The queues of the configured executors keep their places, however many queues others need.

use std::collections::BTreeMap;
use std::time::Duration;

use shim_proto::coordination::v1::{Requirements, WorkerKind};
use shim_runtime::background::BackgroundTasks;
use shim_store::Store;
use shim_store::tasks::Class;

use crate::config::{ExecutorConfig, ExecutorKind};

/// How long a place is kept after it was asked for.
const KEEP: Duration = Duration::from_secs(600);
/// How often it is asked for.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// How soon it is asked for again when Redis was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Keeps the places until the shutdown.
pub(crate) fn keep(
    executors: &BTreeMap<String, ExecutorConfig>,
    store: &Store,
    background: &BackgroundTasks,
) {
    let classes: Vec<Class> = executors.values().flat_map(classes_of).collect();
    if classes.is_empty() {
        return;
    }
    let (store, shutdown) = (store.clone(), background.shutdown().clone());
    background.spawn_restarting("executor_queues", move || {
        let (store, classes, shutdown) = (store.clone(), classes.clone(), shutdown.clone());
        async move {
            loop {
                let kept = store.tasks.keep_queues(&classes, KEEP).await;
                let pause = if kept.is_ok() { ASK_EVERY } else { RETRY_AFTER };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.wait() => return,
                }
            }
        }
    });
}

/// What tasks for an executor ask for: its kind or any worker, with all of its capabilities or with one of them.
fn classes_of(executor: &ExecutorConfig) -> Vec<Class> {
    let kind = match executor.kind {
        ExecutorKind::Command => WorkerKind::Command,
        ExecutorKind::Agent => WorkerKind::Agent,
    };
    let each = executor.capabilities.iter();
    let mut sets: Vec<Vec<String>> = each.map(|one| vec![one.clone()]).collect();
    if executor.capabilities.len() > 1 {
        sets.push(executor.capabilities.clone());
    }
    let of_set = |capabilities: &Vec<String>| {
        [kind, WorkerKind::Unspecified].map(|executor| {
            Class::of(Some(&Requirements {
                executor: executor.into(),
                capabilities: capabilities.clone(),
            }))
        })
    };
    sets.iter().flat_map(of_set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executor_has_a_place_for_each_capability_and_for_all() {
        let executor = ExecutorConfig {
            name: "build".to_owned(),
            kind: ExecutorKind::Command,
            program: "make".into(),
            args: Vec::new(),
            allow_args: false,
            capabilities: vec!["c".to_owned(), "rust".to_owned()],
            capacity: 1,
            working_dir: None,
            timeout: Duration::from_secs(1),
            env: Vec::new(),
            fail_on_denial: false,
            resume: true,
        };
        let classes = classes_of(&executor);
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names.len(), 6);
        assert!(
            names
                .iter()
                .all(|name| name.starts_with("work.command.") || name.starts_with("work.any."))
        );
        let asks_for = |executor: WorkerKind| Requirements {
            executor: executor.into(),
            capabilities: vec!["rust".to_owned(), "c".to_owned()],
        };
        for kind in [WorkerKind::Command, WorkerKind::Unspecified] {
            let class = Class::of(Some(&asks_for(kind)));
            assert!(classes.contains(&class), "{class:?}");
        }
    }
}
