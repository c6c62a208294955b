//! The service's own settings (`evolution.*`): which projects it works on, whose code may run, how long and how large.
//!
//! A configuration that was read without errors is sound: its folders exist.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_exec::canonical;
use shim_runtime::config::{Settings, default_data_dir};

/// Settings of the evolution service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folders whose projects are worked on (`evolution.roots`), as the kernel names them; empty for every folder.
    pub roots: Vec<PathBuf>,
    /// Folders whose projects may run their own code (`evolution.trusted`), as the kernel names them; beside those that
    /// TrustProject was told of.
    pub trusted: Vec<PathBuf>,
    /// The Node to use (`evolution.node`); unset, the first `node` on `PATH`.
    pub node: Option<PathBuf>,
    /// How long the tool host waits for the next call before it stops (`evolution.idle`, 60 s).
    pub idle: Duration,
    /// The memory of the tool host in MiB, above which it is restarted between calls (`evolution.host_memory`, 700).
    pub host_memory_mib: u64,
    /// How long one call may take (`evolution.timeout`, 30 min).
    pub timeout: Duration,
    /// How long one run of a project's own tests may take (`evolution.test_timeout`, 10 min).
    pub test_timeout: Duration,
    /// Calls that work at once (`evolution.parallel`, 2); others wait and say so.
    pub parallel: usize,
    /// What the service keeps in the data folder beside its database: tools, worktrees, caches.
    pub data_dir: PathBuf,
    /// The program that supervises programs: what leaves a program's process group dies with it ([`shim_exec::supervise`]).
    pub supervisor: Option<PathBuf>,
}

impl Config {
    /// Reads the service's keys.
    pub fn read(settings: &mut Settings) -> Self {
        let data_dir = settings.get("data_dir").unwrap_or_else(default_data_dir);
        let day = seconds(24 * 3_600);
        Self {
            roots: folders(settings, "evolution.roots"),
            trusted: folders(settings, "evolution.trusted"),
            node: node(settings),
            idle: settings.get_within("evolution.idle", seconds(60), seconds(1)..=day),
            host_memory_mib: settings.get_within("evolution.host_memory", 700, 200..=65_536),
            timeout: settings.get_within("evolution.timeout", seconds(1_800), seconds(1)..=day),
            test_timeout: settings.get_within(
                "evolution.test_timeout",
                seconds(600),
                seconds(1)..=day,
            ),
            parallel: settings.get_within("evolution.parallel", 2, 1..=64),
            data_dir: std::path::absolute(&data_dir).unwrap_or(data_dir),
            supervisor: None,
        }
    }
}

fn node(settings: &mut Settings) -> Option<PathBuf> {
    let node: PathBuf = settings.get("evolution.node")?;
    if !node.is_absolute() {
        settings.refuse(format!(
            "evolution.node: {} must be an absolute path",
            node.display()
        ));
        return None;
    }
    Some(node)
}

fn folders(settings: &mut Settings, key: &str) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = settings.get_list(key).unwrap_or_default();
    let mut found = Vec::with_capacity(named.len());
    for folder in named {
        match named_folder(&folder) {
            Ok(folder) => found.push(folder),
            Err(why) => settings.refuse(format!("{key}: {} {why}", folder.display())),
        }
    }
    found
}

/// The folder as the kernel names it, or what is wrong with it.
fn named_folder(path: &Path) -> Result<PathBuf, String> {
    if !path.is_absolute() {
        return Err("must be an absolute path".to_owned());
    }
    canonical(path).map_err(|why| why.to_string())
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> (Config, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shim.toml");
        std::fs::write(&file, text).unwrap();
        let mut settings = Settings::gather(Some(&file), [], []).unwrap();
        let config = Config::read(&mut settings);
        let errors = settings.finish().err().map(|errors| errors.0);
        (config, errors.unwrap_or_default())
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        let (config, errors) = read("");
        assert_eq!(errors, [""; 0]);
        assert_eq!(
            (config.idle, config.host_memory_mib, config.parallel),
            (seconds(60), 700, 2)
        );
        assert!(config.roots.is_empty() && config.trusted.is_empty() && config.node.is_none());
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let (_, errors) = read(
            "[evolution]
             roots = ['relative', '/no/such/folder', '/tmp']
             trusted = ['/dev/null']
             node = 'node'
             idle = '0s'
             host_memory = 1
             parallel = 0
             trust = true",
        );
        let expected = [
            "evolution.roots: relative must be an absolute path",
            "evolution.roots: /no/such/folder cannot be used",
            "evolution.trusted: /dev/null is not a folder",
            "evolution.node: node must be an absolute path",
            "evolution.idle: 0ns is outside",
            "evolution.host_memory: 1 is outside",
            "evolution.parallel: 0 is outside",
            "evolution.trust: unknown key",
        ];
        for wrong in expected {
            let told = errors.iter().any(|error| error.contains(wrong));
            assert!(told, "{wrong}: {errors:#?}");
        }
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    }
}
