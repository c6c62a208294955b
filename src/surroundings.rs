//! What the stack runs with, compared with what this shell would give it: its first starter's `PATH`, settings and Redis serve
//! everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use shim_runtime::config::{BY_FLAG, digest};
use shim_runtime::process;
use shim_runtime::stack::{StackInfo, StackState, Surroundings};

use crate::config::Config;
use crate::output::say;
use crate::up::redis;

const RESTART: &str = "`shim down && shim up --detach` in this shell gives it what is set here";
/// Keys that only clients read, and the folder, which is the same for whoever finds the stack in it.
const OF_CLIENTS: [&str; 7] = [
    "endpoints.",
    "gateway.",
    "hook.",
    "leases.",
    "workspace",
    "data_dir",
    "log.",
];
/// Names of a kind that are told; the rest is counted.
const MAX_NAMED: usize = 4;

/// One thing in which the stack and this shell differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// What differs, with both sides.
    pub(crate) what: String,
    /// The one step that ends it.
    pub(crate) step: String,
}

/// What this process runs with, to be published by a stack.
pub(crate) fn own(config: &Config, idle_exit: Option<Duration>) -> Surroundings {
    Surroundings {
        program: process::own_program().unwrap_or_default(),
        path: std::env::var_os("PATH")
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        config_file: config.runtime.file.clone(),
        settings: config.setting_digests.clone(),
        variables: variables_passed_on(config),
        idle_exit_ms: idle_exit.and_then(|span| u64::try_from(span.as_millis()).ok()),
    }
}

/// The variables that executors name in `env`, as they are set here.
fn variables_passed_on(config: &Config) -> BTreeMap<String, String> {
    let executors = config.worker.executors.values();
    let names = executors.flat_map(|executor| executor.env.iter());
    names
        .map(|name| {
            let value = std::env::var_os(name);
            let digest = value.map_or_else(String::new, |value| digest(value.as_bytes()));
            (name.clone(), digest)
        })
        .collect()
}

/// In what the running stack differs from what this shell would give it; nothing for a stack that does not tell.
pub(crate) fn differences(config: &Config, stack: &StackInfo) -> Vec<Difference> {
    let Some(theirs) = &stack.surroundings else {
        return Vec::new();
    };
    let here = own(config, None);
    let programs: Vec<&Path> = config
        .worker
        .executors
        .values()
        .map(|executor| executor.program.as_path())
        .collect();
    let found = [
        version(stack),
        redis_address(config, stack),
        settings(&here, theirs),
        search_path(&here, theirs, &programs),
        variables(&here, theirs),
    ];
    found.into_iter().flatten().collect()
}

/// Says on stderr in what the local stack differs from this shell; nothing if the services are elsewhere.
pub(crate) fn warn(config: &Config) {
    if config.runtime.endpoints.coordination.is_some() {
        return;
    }
    if let StackState::Running(info) = config.stack().state() {
        for difference in differences(config, &info) {
            say::line(format_args!(
                "warning: {}; {}",
                difference.what, difference.step
            ));
        }
    }
}

fn version(stack: &StackInfo) -> Option<Difference> {
    let own = env!("CARGO_PKG_VERSION");
    (stack.version != own).then(|| Difference {
        what: format!("version {} runs, and this program is {own}", stack.version),
        step: "restart it: `shim down && shim up --detach`".into(),
    })
}

fn redis_address(config: &Config, stack: &StackInfo) -> Option<Difference> {
    let private = || {
        let socket = redis::socket(config.data_dir());
        redis::find_program("redis-server").map(|_| format!("redis+unix://{}", socket.display()))
    };
    let configured = config.runtime.redis_url.as_deref();
    let here = configured.map(redis::without_secrets).or_else(private);
    if here == stack.redis {
        return None;
    }
    let said = |url: &Option<String>| url.clone().unwrap_or_else(|| "none".to_owned());
    Some(Difference {
        what: format!(
            "redis_url: the stack uses {}, and this shell would give it {}",
            said(&stack.redis),
            said(&here)
        ),
        step: RESTART.into(),
    })
}

fn settings(here: &Surroundings, theirs: &Surroundings) -> Option<Difference> {
    let is_of_clients = |key: &str| OF_CLIENTS.iter().any(|prefix| key.starts_with(prefix));
    let keys: BTreeSet<&String> = here.settings.keys().chain(theirs.settings.keys()).collect();
    let differing: Vec<String> = keys
        .into_iter()
        // redis_url is told with both sides.
        .filter(|key| !is_of_clients(key) && *key != "redis_url")
        .filter_map(|key| {
            let both = (here.settings.get(key), theirs.settings.get(key));
            match both {
                (Some(one), Some(other)) if one == other => None,
                (Some(given), _) | (_, Some(given)) if given == BY_FLAG => None,
                (_, Some(given)) if given == BY_FLAG => None,
                (Some(_), Some(_)) => Some(format!("{key} (another value)")),
                (Some(_), None) => Some(format!("{key} (set only here)")),
                (None, _) => Some(format!("{key} (set only for the stack)")),
            }
        })
        .collect();
    if differing.is_empty() {
        return None;
    }
    let started_with = match &theirs.config_file {
        Some(file) => format!("the configuration file {}", file.display()),
        None => "no configuration file".to_owned(),
    };
    Some(Difference {
        what: format!(
            "settings: {}; the stack was started with {started_with}",
            named(&differing)
        ),
        step: RESTART.into(),
    })
}

/// Folders that the stack does not search, and what it therefore misses.
fn search_path(
    here: &Surroundings,
    theirs: &Surroundings,
    programs: &[&Path],
) -> Option<Difference> {
    let known: Vec<PathBuf> = std::env::split_paths(&theirs.path).collect();
    let missing: Vec<String> = std::env::split_paths(&here.path)
        .filter(|folder| folder.is_dir() && !known.contains(folder))
        .map(|folder| folder.display().to_string())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let differs = |name: &&&Path| {
        !name.is_absolute() && found_in(&here.path, name) != found_in(&theirs.path, name)
    };
    let mut affected: Vec<String> = programs
        .iter()
        .filter(differs)
        .map(|name| match found_in(&theirs.path, name) {
            Some(file) => format!("{} is {} there", name.display(), file.display()),
            None => format!("{} is not found there", name.display()),
        })
        .collect();
    affected.dedup();
    if missing.is_empty() && affected.is_empty() {
        return None;
    }
    let mut what = "PATH: the stack was started with another one".to_owned();
    if !missing.is_empty() {
        what += &format!(", without {}", named(&missing));
    }
    if !affected.is_empty() {
        what += &format!("; {}", named(&affected));
    }
    Some(Difference {
        what,
        step: RESTART.into(),
    })
}

/// Variables that programs of executors get from the stack otherwise than this shell has them. One that only one side's settings
/// name is told with the settings.
fn variables(here: &Surroundings, theirs: &Surroundings) -> Option<Difference> {
    let differing: Vec<String> = here
        .variables
        .iter()
        .filter_map(|(name, digest)| {
            let other = theirs.variables.get(name)?;
            let how = match (digest.is_empty(), other.is_empty()) {
                _ if digest == other => return None,
                (false, true) => "set only here",
                (true, false) => "set only for the stack",
                _ => "another value",
            };
            Some(format!("{name} ({how})"))
        })
        .collect();
    (!differing.is_empty()).then(|| Difference {
        what: format!("variables that executors pass on: {}", named(&differing)),
        step: RESTART.into(),
    })
}

fn found_in(path: &str, name: &Path) -> Option<PathBuf> {
    std::env::split_paths(OsStr::new(path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn named(items: &[String]) -> String {
    let shown = &items[..items.len().min(MAX_NAMED)];
    let mut text = shown.join(", ");
    if items.len() > MAX_NAMED {
        text += &format!(" and {} more", items.len() - MAX_NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &str, settings: &[(&str, &str)]) -> Surroundings {
        Surroundings {
            path: path.into(),
            settings: settings
                .iter()
                .map(|(key, digest)| ((*key).to_owned(), (*digest).to_owned()))
                .collect(),
            ..Surroundings::default()
        }
    }

    #[test]
    fn settings_are_told_apart_by_key_and_never_by_value() {
        let here = with(
            "",
            &[
                ("tasks.keep", "a"),
                ("gateway.project", "x"),
                ("worker.start", "b"),
            ],
        );
        let theirs = with(
            "",
            &[
                ("tasks.keep", "c"),
                ("listen", BY_FLAG),
                ("worker.start", "b"),
                ("worker.roots", "d"),
            ],
        );
        let found = settings(&here, &theirs).map(|it| it.what);
        let expected = "settings: tasks.keep (another value), worker.roots (set only for the stack); the stack was started with no configuration file";
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(settings(&here, &here), None);
    }

    #[test]
    fn variables_are_told_apart_by_name_and_never_by_value() {
        let with = |variables: &[(&str, &str)]| Surroundings {
            variables: variables
                .iter()
                .map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned()))
                .collect(),
            ..Surroundings::default()
        };
        let here = with(&[
            ("A", "1"),
            ("B", ""),
            ("C", "3"),
            ("D", "4"),
            ("ONLY_HERE", "5"),
            ("E", ""),
        ]);
        let theirs = with(&[
            ("A", "1"),
            ("B", "2"),
            ("C", ""),
            ("D", "9"),
            ("ONLY_THERE", "5"),
            ("E", ""),
        ]);
        let found = variables(&here, &theirs).map(|it| it.what);
        let expected = "variables that executors pass on: B (set only for the stack), C (set only here), D (another value)";
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(variables(&here, &here), None);
        assert_eq!(
            variables(&here, &Surroundings::default()),
            None,
            "an older stack"
        );
    }

    #[test]
    fn folders_and_programs_that_the_stack_misses_are_named() {
        let here = with("/usr/bin:/bin:/no/such/folder", &[]);
        let theirs = with("/no/such/folder", &[]);
        let found = search_path(&here, &theirs, &[Path::new("sh"), Path::new("/bin/sh")]);
        let what = found.map(|it| it.what).unwrap_or_default();
        assert!(what.contains("without /bin, /usr/bin"), "{what}");
        assert!(what.contains("sh is not found there"), "{what}");
        assert!(!what.contains("such"), "{what}");
        assert_eq!(search_path(&here, &here, &[Path::new("sh")]), None);
    }
}
