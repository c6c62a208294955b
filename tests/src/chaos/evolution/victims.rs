//! Whom a round kills: the service, its tool host, or a program that it started.

use std::collections::BTreeMap;
use std::path::Path;

use nix::sys::signal::Signal;
use serde::Serialize;

use super::calls::Activity;
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
    /// The fast linter.
    Oxlint,
    /// The native compiler.
    Compiler,
    /// git, with whatever it does.
    Git,
    /// The process of a test runner.
    TestRunner,
    /// npm, while it installs the tools.
    Npm,
    /// Nobody: the client goes away.
    Client,
}

impl Victim {
    /// Every kind, as often as it comes.
    const DEALT: [Self; 13] = [
        Self::Service,
        Self::Service,
        Self::Service,
        Self::Service,
        Self::Client,
        Self::Client,
        Self::Host,
        Self::Oxlint,
        Self::Compiler,
        Self::Git,
        Self::Git,
        Self::TestRunner,
        Self::Npm,
    ];

    /// One of them, and a kind of work during which it lives.
    pub(super) fn pick(rng: &mut SeededRng, activities: &[Activity]) -> (Self, Activity) {
        loop {
            let victim = *rng.pick(&Self::DEALT);
            let fitting = activities.iter().copied();
            let fitting: Vec<_> = fitting
                .filter(|activity| activity.victims().contains(&victim))
                .collect();
            if !fitting.is_empty() {
                return (victim, *rng.pick(&fitting));
            }
        }
    }

    /// What a command line has to hold to be this program's.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Service | Self::Client => &[],
            Self::Host => &["host.js"],
            Self::Oxlint => &["oxlint"],
            Self::Compiler => &["typescript-7", "native-preview", "/tsc"],
            Self::Git => &["git"],
            Self::TestRunner => &["--test", "reporter.mjs", "total.test.js", "shim-driver"],
            Self::Npm => &["npm"],
        }
    }

    /// The program that a command line is of. The gate that it waits behind, and its supervisor, are no programs.
    pub(super) fn of(line: &str) -> Option<Self> {
        if line.contains("supervise-program") || line.contains("read -r go") {
            return None;
        }
        let is_git = line.split(' ').next().is_some_and(|file| {
            file == "git" || file.ends_with("/git") || file.contains("/git-core/")
        });
        if is_git {
            return Some(Self::Git);
        }
        // Names of files may hold the name of another program: the host comes first, git is known by its file alone.
        let programs = [
            Self::Host,
            Self::Npm,
            Self::Oxlint,
            Self::Compiler,
            Self::TestRunner,
        ];
        programs
            .into_iter()
            .find(|program| program.words().iter().any(|word| line.contains(word)))
    }

    /// Living processes of this kind below the service.
    pub(super) fn living(self, service: u32) -> Vec<u32> {
        let below = Processes::look().below(service);
        let of_kind = below
            .into_iter()
            .filter(|(_, line)| Self::of(line) == Some(self));
        of_kind.map(|(pid, _)| pid).collect()
    }

    /// Kills a process of this kind below the service; `false` if there is none at this moment.
    pub(super) fn strike(self, service: u32, rng: &mut SeededRng) -> bool {
        let targets = match self {
            Self::Service => vec![service],
            _ => self.living(service),
        };
        if targets.is_empty() {
            return false;
        }
        process::signal(*rng.pick(&targets), Signal::SIGKILL);
        true
    }
}

/// All processes at one moment, without those that are dead.
pub(super) struct Processes(BTreeMap<u32, u32>);

impl Processes {
    pub(super) fn look() -> Self {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        Self(
            pids.filter_map(|pid| Some((pid, process::parent(pid)?)))
                .collect(),
        )
    }

    /// All that descend from a process, with their command lines.
    pub(super) fn below(&self, ancestor: u32) -> Vec<(u32, String)> {
        let mut found = vec![ancestor];
        let mut at = 0;
        while let Some(parent) = found.get(at).copied() {
            let children = self.0.iter().filter(|(_, of)| **of == parent);
            found.extend(children.map(|(pid, _)| *pid));
            at += 1;
        }
        let below = found.into_iter().skip(1);
        below.map(|pid| (pid, command_line(pid))).collect()
    }

    /// Processes that work in a folder, were started for it or have it in their environment, apart from this one.
    pub(super) fn of_folder(&self, folder: &Path) -> Vec<(u32, String)> {
        let own = std::process::id();
        let pids = self.0.keys().copied().filter(|pid| *pid != own);
        pids.filter(|pid| belongs(*pid, folder))
            .map(|pid| (pid, command_line(pid)))
            .collect()
    }
}

fn belongs(pid: u32, folder: &Path) -> bool {
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
    let name = folder.as_os_str().as_encoded_bytes();
    let has_name = |file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(name.len()).any(|part| part == name)
    };
    cwd.is_ok_and(|cwd| cwd.starts_with(folder)) || has_name("cmdline") || has_name("environ")
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
