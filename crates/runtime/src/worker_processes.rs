//! The processes that a worker lives in: what it tells of them, and what the machine that they run on knows.

use std::sync::LazyLock;

use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_proto::coordination::v1::{Worker, WorkerProcesses};

use crate::process;

/// This machine, its boot and this process's namespaces stay as long as the process runs.
static HERE: LazyLock<Here> = LazyLock::new(|| Here {
    hostname: process::hostname(),
    boot_id: process::boot_id(),
    namespaces: process::namespaces(),
});

struct Here {
    hostname: String,
    boot_id: String,
    namespaces: String,
}

/// How it stands with the processes of a worker, as far as this process can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// This one is seen to run.
    Lives(ProcessIdentity),
    /// All of them are gone.
    Gone,
    /// It told none, they are elsewhere, or they cannot be seen: only the worker's silence can tell.
    Unseen,
}

/// What a worker of this process tells; `None` where the platform cannot tell processes apart.
#[must_use]
pub fn own() -> Option<WorkerProcesses> {
    of([process::own()])
}

/// What a worker tells that lives in these processes, all in the namespaces of this one. `None` if one of them is not known,
/// or where the platform cannot tell processes apart.
#[must_use]
pub fn of(processes: impl IntoIterator<Item = ProcessIdentity>) -> Option<WorkerProcesses> {
    let processes: Vec<_> = processes.into_iter().collect();
    let is_known = |process: &ProcessIdentity| process.pid != 0 && process.start_ticks != 0;
    let is_told = !processes.is_empty() && processes.iter().all(is_known);
    (is_told && HERE.can_tell()).then(|| WorkerProcesses {
        boot_id: HERE.boot_id.clone(),
        namespaces: HERE.namespaces.clone(),
        processes,
    })
}

/// How it stands with a worker's processes now.
#[must_use]
pub fn life(worker: &Worker) -> Life {
    let Some(told) = worker.processes.as_ref().filter(|_| HERE.can_tell()) else {
        return Life::Unseen;
    };
    let is_here = worker.node == HERE.hostname
        && told.boot_id == HERE.boot_id
        && told.namespaces == HERE.namespaces;
    if !is_here || told.processes.is_empty() {
        return Life::Unseen;
    }
    if told.processes.iter().all(process::is_gone) {
        return Life::Gone;
    }
    let mut living = told.processes.iter();
    living
        .find(|process| process::is_alive(process))
        .map_or(Life::Unseen, |process| Life::Lives(*process))
}

impl Here {
    fn can_tell(&self) -> bool {
        ![&self.hostname, &self.boot_id, &self.namespaces].contains(&&String::new())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn worker(processes: Option<WorkerProcesses>) -> Worker {
        Worker {
            node: process::hostname(),
            processes,
            ..Worker::default()
        }
    }

    fn ended() -> ProcessIdentity {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let identity = process::identity(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        identity
    }

    #[test]
    fn a_worker_lives_while_one_of_its_processes_does() {
        let (own, ended) = (process::own(), ended());
        assert_eq!(life(&worker(of([own]))), Life::Lives(own));
        assert_eq!(life(&worker(of([ended, own]))), Life::Lives(own));
        assert_eq!(life(&worker(of([ended, ended]))), Life::Gone);
    }

    #[test]
    fn nothing_is_known_of_processes_elsewhere() {
        let gone = of([ended()]).unwrap();
        let elsewhere = |change: fn(&mut Worker, &mut WorkerProcesses)| {
            let (mut worker, mut told) = (worker(None), gone.clone());
            change(&mut worker, &mut told);
            worker.processes = Some(told);
            life(&worker)
        };
        assert_eq!(elsewhere(|_, _| {}), Life::Gone);
        for change in [
            (|worker, _| worker.node.push('x')) as fn(&mut Worker, &mut WorkerProcesses),
            |_, told| told.boot_id = "another".into(),
            |_, told| told.namespaces = "pid:[1]".into(),
            |_, told| told.processes.clear(),
        ] {
            assert_eq!(elsewhere(change), Life::Unseen);
        }
        assert_eq!(life(&worker(None)), Life::Unseen);
        assert_eq!(of([]), None);
        assert_eq!(of([ProcessIdentity::default(), process::own()]), None);
    }
}
