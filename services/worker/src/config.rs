//! The service's own settings (`worker.*`): where programs may work, for how long, and which programs there are.
//!
//! A configuration that was read without errors is sound: its folders exist, and every executor has a program.

mod executor;
mod folders;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use shim_exec::MAX_ARTIFACT_BYTES;
use shim_proto::limits::task::MAX_RESULT_TEXT_BYTES;
use shim_runtime::config::{Settings, default_data_dir};

pub use executor::{ExecutorConfig, ExecutorKind};

/// Settings of the worker service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folders that programs may work in (`worker.roots`), as the kernel names them.
    pub roots: Vec<PathBuf>,
    /// Between SIGTERM and SIGKILL (`worker.grace`, 5 s).
    pub grace: Duration,
    /// How long running tasks may take when their worker drains (`worker.drain`, 30 s).
    pub drain: Duration,
    /// Bytes of output kept as a result's text (`worker.max_output`, 64 KiB).
    pub max_output: usize,
    /// Where the whole of longer output goes (`worker.artifacts`, `artifacts` in the data folder).
    pub artifacts: PathBuf,
    /// How long artifacts are kept (`worker.keep_artifacts`, 7 days).
    pub keep_artifacts: Duration,
    /// Bytes of all artifacts (`worker.max_artifacts`, 2 GiB); the oldest make room for newer ones.
    pub max_artifacts: u64,
    /// A task that is silent for longer is reported as stuck (`worker.stuck_after`, 2 min).
    pub stuck_after: Duration,
    /// The records of running process groups: `worker/groups` in the data folder.
    pub groups: PathBuf,
    /// The records of which conversation an agent had with which task: `worker/conversations` in the data folder.
    pub conversations: PathBuf,
    /// The program that supervises programs: what leaves a program's process group dies with it ([`shim_exec::supervise`]).
    pub supervisor: Option<PathBuf>,
    /// The executors by name (`worker.executors.NAME.*`).
    pub executors: BTreeMap<String, ExecutorConfig>,
    /// The executors of which a worker starts at once (`worker.start`): one worker for each name in the list.
    pub start: Vec<String>,
}

impl Config {
    /// Reads the service's keys.
    pub fn read(settings: &mut Settings) -> Self {
        let data_dir = settings.get("data_dir").unwrap_or_else(default_data_dir);
        let artifacts = settings.get_or("worker.artifacts", data_dir.join("artifacts"));
        let day = seconds(24 * 3_600);
        let roots = folders::roots(settings);
        let executors = executor::executors(settings, &roots);
        Self {
            grace: settings.get_within("worker.grace", seconds(5), seconds(0)..=seconds(300)),
            drain: settings.get_within("worker.drain", seconds(30), seconds(0)..=day / 2),
            max_output: usize::try_from(settings.get_within(
                "worker.max_output",
                64 * 1024,
                1024..=MAX_RESULT_TEXT_BYTES as u64,
            ))
            .unwrap_or(usize::MAX),
            artifacts: absolute(artifacts),
            keep_artifacts: settings.get_within(
                "worker.keep_artifacts",
                day * 7,
                seconds(60)..=day * 3_650,
            ),
            max_artifacts: settings.get_within(
                "worker.max_artifacts",
                2 << 30,
                2 * MAX_ARTIFACT_BYTES..=1 << 50,
            ),
            stuck_after: settings.get_within("worker.stuck_after", seconds(120), seconds(1)..=day),
            groups: absolute(data_dir.join("worker").join("groups")),
            conversations: absolute(data_dir.join("worker").join("conversations")),
            supervisor: None,
            start: executor::start(settings, &executors),
            executors,
            roots,
        }
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// An absolute path, for a stack in the background leaves the folder it was started in.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn read(text: &str, env: &[(&str, &str)]) -> (Config, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shim.toml");
        std::fs::write(&file, text).unwrap();
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut settings = Settings::gather(Some(&file), env, []).unwrap();
        let config = Config::read(&mut settings);
        let errors = settings.finish().err().map(|errors| errors.0);
        (config, errors.unwrap_or_default())
    }

    #[test]
    fn executors_are_read_with_their_defaults() {
        let (config, errors) = read(
            "data_dir = '/data'
             [worker]
             roots = ['/', '/tmp']
             timeout = '1m'
             [worker.executors.claude]
             kind = 'agent'
             program = 'claude'
             args = ['-p', '--allowedTools', 'Read,Edit']
             capabilities = ['rust', 'docs', 'rust']
             fail_on_denial = true
             [worker.executors.lint]
             kind = 'command'
             program = '/usr/bin/env'
             timeout = '10s'
             capacity = 4",
            &[("SHIM_WORKER_EXECUTORS_LINT_ENV", "CARGO_HOME, LANG")],
        );
        assert_eq!(errors, [""; 0]);
        assert_eq!(config.groups, Path::new("/data/worker/groups"));
        assert_eq!(config.artifacts, Path::new("/data/artifacts"));
        let (claude, lint) = (&config.executors["claude"], &config.executors["lint"]);
        assert_eq!(claude.kind, ExecutorKind::Agent);
        assert_eq!(claude.args, ["-p", "--allowedTools", "Read,Edit"]);
        assert_eq!(claude.capabilities, ["docs", "rust"]);
        assert!(claude.fail_on_denial && !lint.fail_on_denial);
        assert_eq!((claude.capacity, claude.timeout), (1, seconds(60)));
        assert_eq!((lint.capacity, lint.timeout), (4, seconds(10)));
        assert_eq!(lint.env, ["CARGO_HOME", "LANG"]);
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let (config, errors) = read(
            "[worker]
             roots = ['relative', '/no/such/folder', '/dev/null', '/tmp']
             [worker.executors.BAD]
             kind = 'daemon'
             program = 'bin/x'
             capacity = 65
             working_dir = '/usr'
             [worker.executors.strict]
             kind = 'command'
             program = 'true'
             fail_on_denial = true
             resume = false
             [worker.executors.agent]
             kind = 'agent'
             allow_args = true
             capabilities = ['a b']
             env = ['A=1']
             progam = 'claude'",
            &[],
        );
        let expected = [
            "relative must be an absolute path",
            "/no/such/folder cannot be used",
            "/dev/null is not a folder",
            "a name has 1..64",
            "\"daemon\" is not command or agent",
            "or a name to be found on PATH",
            "65 is outside 1..=64",
            "/usr is outside of worker.roots",
            "worker.executors.agent.program: is required",
            "only a command takes arguments",
            "only an agent tells of denied permissions",
            "only an agent has conversations",
            "letters, digits and ._:/@-",
            "\"A=1\" is not the name of a variable",
            "worker.executors.agent.progam: unknown key",
        ];
        for wrong in expected {
            assert!(
                errors.iter().any(|e| e.contains(wrong)),
                "{wrong}: {errors:#?}"
            );
        }
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
        assert_eq!(config.executors.len(), 1);
    }

    #[test]
    fn executors_need_roots() {
        let text = "[worker.executors.x]\nkind = 'command'\nprogram = 'true'\n";
        let (_, errors) = read(text, &[]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("worker.roots:"));
    }
}
