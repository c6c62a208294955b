//! Memory of the client's process tree and pressure on the machine, measured at most every few seconds.
//!
//! Reading the process table costs milliseconds, so it happens on a blocking thread, never at the start, and one
//! reading serves every session and call until it is old.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use shim_proto::checkpoint::v1::{MemoryState, ProcessIdentity};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::Mutex;

/// A reading serves this long.
const MAX_AGE: Duration = Duration::from_millis(4_500);
const MEASURE_TIMEOUT: Duration = Duration::from_secs(1);
/// The first process adopts orphans: its tree is the whole machine, not a client.
const INIT: u32 = 1;

/// Measures memory now and then.
pub(crate) struct MemoryGauge {
    root: u32,
    last: Mutex<Option<(Instant, MemoryState)>>,
}

impl MemoryGauge {
    /// For the tree below `client`, or only this process if the client is unknown.
    pub(crate) fn of(client: Option<ProcessIdentity>) -> Self {
        let root = client.map(|process| process.pid).filter(|&pid| pid > INIT);
        Self {
            root: root.unwrap_or_else(std::process::id),
            last: Mutex::new(None),
        }
    }

    /// The machine alone, for heartbeats: they come every few seconds, and none looks at the process table.
    pub(crate) fn read_machine() -> Option<MemoryState> {
        measure_machine(&mut System::new().ok()?)
    }

    /// The last reading if it is fresh, else a new one; `None` if it takes too long.
    pub(crate) async fn read(&self) -> Option<MemoryState> {
        let mut last = self.last.lock().await;
        if let Some((_, state)) = last.as_ref().filter(|(at, _)| at.elapsed() < MAX_AGE) {
            return Some(*state);
        }
        let root = self.root;
        let measuring = tokio::task::spawn_blocking(move || measure(root));
        let state = tokio::time::timeout(MEASURE_TIMEOUT, measuring)
            .await
            .ok()?
            .ok()??;
        *last = Some((Instant::now(), state));
        Some(state)
    }
}

fn measure(root: u32) -> Option<MemoryState> {
    let mut system = System::new().ok()?;
    let machine = measure_machine(&mut system)?;
    let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let processes = system.processes().iter().map(|(pid, process)| {
        (
            pid.as_u32(),
            process.parent().map_or(0, Pid::as_u32),
            process.memory(),
        )
    });
    Some(MemoryState {
        used_bytes: tree_bytes(root, processes),
        ..machine
    })
}

/// Everything but what the client uses.
fn measure_machine(system: &mut System) -> Option<MemoryState> {
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let (limit, free) = match system
        .cgroup_limits()
        .filter(|limits| limits.total_memory > 0)
    {
        Some(limits) => (limits.total_memory, limits.free_memory),
        None => (system.total_memory(), system.available_memory()),
    };
    (limit > 0).then(|| MemoryState {
        limit_bytes: limit,
        pressure: pressure(limit, free),
        ..MemoryState::default()
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio needs no more than 53 bits"
)]
fn pressure(limit: u64, free: u64) -> f64 {
    if limit == 0 {
        0.0
    } else {
        (limit.saturating_sub(free) as f64 / limit as f64).clamp(0.0, 1.0)
    }
}

/// Adds up `root` and everything below it; processes are (pid, parent, bytes).
fn tree_bytes(root: u32, processes: impl Iterator<Item = (u32, u32, u64)>) -> u64 {
    let mut bytes = HashMap::new();
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, parent, resident) in processes {
        bytes.insert(pid, resident);
        children.entry(parent).or_default().push(pid);
    }
    let mut sum = 0_u64;
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        // Removing what was visited ends the walk even if a snapshot taken in motion holds a circle.
        sum = sum.saturating_add(bytes.remove(&pid).unwrap_or_default());
        open.extend(children.remove(&pid).unwrap_or_default());
    }
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tree_is_its_root_and_all_below_and_circles_end() {
        let processes = [
            (10, 1, 5),
            (11, 10, 7),
            (12, 11, 11),
            (20, 1, 100),
            (30, 31, 1),
            (31, 30, 1),
        ];
        assert_eq!(tree_bytes(10, processes.into_iter()), 23);
        assert_eq!(tree_bytes(30, processes.into_iter()), 2);
    }

    #[tokio::test]
    async fn a_reading_is_plausible_and_kept_for_a_while() {
        let gauge = MemoryGauge::of(None);
        let first = gauge.read().await.unwrap();
        assert!(first.used_bytes > 1 << 20 && first.limit_bytes > first.used_bytes);
        assert!((0.0..=1.0).contains(&first.pressure));
        assert_eq!(gauge.read().await, Some(first));
    }
}
