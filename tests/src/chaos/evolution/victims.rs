//! Whom a round kills: the service, its tool host, or another program that it started.

use std::path::Path;

use nix::sys::signal::Signal;
use serde::Serialize;

use crate::process;
use crate::rng::SeededRng;

/// Whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// The service itself.
    Service,
    /// The Node process that runs the tools.
    Host,
    /// Any other program: git, a compiler, a test runner.
    Tool,
}

impl Victim {
    /// One of them, by chance.
    pub(super) fn pick(rng: &mut SeededRng) -> Self {
        *rng.pick(&[Self::Service, Self::Service, Self::Host, Self::Tool])
    }

    /// Kills a process of this kind below the service; `false` if there is none at this moment.
    pub(super) fn strike(self, service: u32, rng: &mut SeededRng) -> bool {
        let (hosts, tools): (Vec<u32>, Vec<u32>) = descendants(service)
            .into_iter()
            .filter(|pid| !is_supervisor(*pid))
            .partition(|pid| command_line(*pid).contains("host.js"));
        let targets = match self {
            Self::Service => vec![service],
            Self::Host => hosts,
            Self::Tool => tools,
        };
        if targets.is_empty() {
            return false;
        }
        process::signal(*rng.pick(&targets), Signal::SIGKILL);
        true
    }
}

/// All processes that descend from `pid`.
pub(super) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = process::children(pid);
    let mut at = 0;
    while let Some(next) = found.get(at).copied() {
        found.extend(process::children(next));
        at += 1;
    }
    found
}

/// A supervisor is a part of the service: it ends with it by itself.
fn is_supervisor(pid: u32) -> bool {
    command_line(pid).contains("supervise-program")
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Processes that work in a folder or were started for it, apart from this one.
pub(super) fn processes_of(folder: &Path) -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = std::process::id();
    let belongs = |pid: &u32| {
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
        cwd.is_ok_and(|cwd| cwd.starts_with(folder))
            || command_line(*pid).contains(&*folder.to_string_lossy())
    };
    let alive = |pid: &u32| shim_runtime::process::identity(*pid).is_some();
    let found = pids.filter(|pid| *pid != own && belongs(pid) && alive(pid));
    found.map(|pid| (pid, command_line(pid))).collect()
}
