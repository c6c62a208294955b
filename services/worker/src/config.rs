//! The service's own settings (`worker.*`): where programs may work, how long, and which programs there are.
//!
//! What is read here is whole: folders exist, names are told apart, and every executor has a program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_runtime::config::{Setting, Settings, default_data_dir};

const EXECUTORS: &str = "worker.executors";

/// The keys of an executor.
const FIELDS: [&str; 9] = [
    "kind",
    "program",
    "args",
    "allow_args",
    "capabilities",
    "capacity",
    "working_dir",
    "timeout",
    "env",
];

const MAX_NAME_BYTES: usize = 64;
const MAX_CAPABILITIES: usize = 100;
const MAX_CAPABILITY_BYTES: usize = 100;
/// A result's text is at most this long on the wire.
const MAX_OUTPUT: u64 = 256 * 1024;

/// Settings of the worker service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folders that programs may work in (`worker.roots`), as the kernel names them.
    pub roots: Vec<PathBuf>,
    /// Between SIGTERM and SIGKILL (`worker.grace`, 5 s).
    pub grace: Duration,
    /// How long tasks may take to end when their worker drains (`worker.drain`, 30 s).
    pub drain: Duration,
    /// Bytes of output kept as a result's text (`worker.max_output`, 64 KiB).
    pub max_output: usize,
    /// Where longer output goes (`worker.artifacts`, `artifacts` in the data folder).
    pub artifacts: PathBuf,
    /// How long it lies there (`worker.keep_artifacts`, 7 days).
    pub keep_artifacts: Duration,
    /// A task that was silent for longer is told to be stuck (`worker.stuck_after`, 2 min).
    pub stuck_after: Duration,
    /// Where running process groups are written down: `worker/groups` in the data folder.
    pub groups: PathBuf,
    /// The executors by name (`worker.executors.NAME.*`).
    pub executors: BTreeMap<String, ExecutorConfig>,
    /// The executors that a worker starts of at once (`worker.start`), one for each time they are named.
    pub start: Vec<String>,
}

/// A program that tasks may be given to.
#[derive(Debug, Clone)]
pub struct ExecutorConfig {
    /// Its name in the configuration.
    pub name: String,
    /// How it is spoken to.
    pub kind: ExecutorKind,
    /// An absolute path, or a name to be found on `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether a task's payload may bring more arguments and the input (`command` only).
    pub allow_args: bool,
    /// What it can do, sorted.
    pub capabilities: Vec<String>,
    /// How many tasks it takes at once.
    pub capacity: u32,
    /// Where it works unless a task says otherwise; unset for the task's workspace.
    pub working_dir: Option<PathBuf>,
    /// How long an attempt may take unless its task says otherwise.
    pub timeout: Duration,
    /// Names of the variables it gets from this process's environment.
    pub env: Vec<String>,
}

/// How a program is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorKind {
    /// Any program: the task as JSON in, text out.
    Command,
    /// A headless agent: a prompt in, stream-json out.
    Agent,
}

impl Setting for ExecutorKind {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "command" => Ok(Self::Command),
            "agent" => Ok(Self::Agent),
            _ => Err("command or agent".to_owned()),
        }
    }
}

impl fmt::Display for ExecutorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "command",
            Self::Agent => "agent",
        })
    }
}

impl Config {
    /// Reads the service's keys.
    pub fn read(settings: &mut Settings) -> Self {
        let data_dir = settings.get("data_dir").unwrap_or_else(default_data_dir);
        let artifacts = settings.get_or("worker.artifacts", data_dir.join("artifacts"));
        let day = seconds(24 * 3_600);
        let roots = roots(settings);
        let executors = executors(settings, &roots);
        Self {
            grace: settings.get_within("worker.grace", seconds(5), seconds(0)..=seconds(300)),
            drain: settings.get_within("worker.drain", seconds(30), seconds(0)..=day / 2),
            max_output: usize::try_from(settings.get_within(
                "worker.max_output",
                64 * 1024,
                1024..=MAX_OUTPUT,
            ))
            .unwrap_or(usize::MAX),
            artifacts: absolute(artifacts),
            keep_artifacts: settings.get_within(
                "worker.keep_artifacts",
                day * 7,
                seconds(60)..=day * 3_650,
            ),
            stuck_after: settings.get_within("worker.stuck_after", seconds(120), seconds(1)..=day),
            groups: absolute(data_dir.join("worker").join("groups")),
            start: start(settings, &executors),
            executors,
            roots,
        }
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A stack in the background leaves the folder it was started in.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn roots(settings: &mut Settings) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = settings.get_list("worker.roots").unwrap_or_default();
    let mut roots = Vec::with_capacity(named.len());
    for root in named {
        match folder(&root) {
            Ok(root) => roots.push(root),
            Err(why) => settings.refuse(format!("worker.roots: {} {why}", root.display())),
        }
    }
    roots
}

/// The folder as the kernel names it, or what is wrong with it.
fn folder(path: &Path) -> Result<PathBuf, String> {
    if !path.is_absolute() {
        return Err("must be an absolute path".to_owned());
    }
    let whole = path
        .canonicalize()
        .map_err(|why| format!("cannot be used: {why}"))?;
    if whole.is_dir() {
        Ok(whole)
    } else {
        Err("is not a folder".to_owned())
    }
}

fn executors(settings: &mut Settings, roots: &[PathBuf]) -> BTreeMap<String, ExecutorConfig> {
    let timeout = timeout(settings, "worker.timeout", seconds(300));
    let names = settings.names_below(EXECUTORS, &FIELDS);
    let named: Option<Vec<PathBuf>> = settings.get_list("worker.roots");
    if !names.is_empty() && named.is_none_or(|roots| roots.is_empty()) {
        settings.refuse("worker.roots: name the folders that executors may work in");
    }
    names
        .into_iter()
        .filter_map(|name| {
            let executor = executor(settings, &name, timeout, roots)?;
            Some((name, executor))
        })
        .collect()
}

fn start(settings: &mut Settings, executors: &BTreeMap<String, ExecutorConfig>) -> Vec<String> {
    let names: Vec<String> = settings.get_list("worker.start").unwrap_or_default();
    for name in names.iter().filter(|name| !executors.contains_key(*name)) {
        settings.refuse(format!("worker.start: there is no {EXECUTORS}.{name}"));
    }
    names
}

fn timeout(settings: &mut Settings, key: &str, default: Duration) -> Duration {
    settings.get_within(key, default, seconds(1)..=seconds(12 * 3_600))
}

/// One executor; `None` if it lacks what it cannot do without, which is told then.
fn executor(
    settings: &mut Settings,
    name: &str,
    default_timeout: Duration,
    roots: &[PathBuf],
) -> Option<ExecutorConfig> {
    let key = |field: &str| format!("{EXECUTORS}.{name}.{field}");
    if !is_name(name) {
        settings.refuse(format!(
            "{EXECUTORS}.{name}: a name has 1..{MAX_NAME_BYTES} of a-z, 0-9, - and _"
        ));
    }
    let kind: Option<ExecutorKind> = required(settings, &key("kind"));
    let program: Option<PathBuf> = required(settings, &key("program"));
    if let Some(program) = &program
        && program.components().count() > 1
        && !program.is_absolute()
    {
        settings.refuse(format!(
            "{}: must be an absolute path, or a name to be found on PATH",
            key("program")
        ));
    }
    let allow_args = settings.get_or(&key("allow_args"), false);
    if allow_args && kind == Some(ExecutorKind::Agent) {
        settings.refuse(format!(
            "{}: only a command takes arguments from tasks",
            key("allow_args")
        ));
    }
    let executor = ExecutorConfig {
        name: name.to_owned(),
        kind: kind.unwrap_or(ExecutorKind::Command),
        program: program.clone().unwrap_or_default(),
        args: settings.get_list(&key("args")).unwrap_or_default(),
        allow_args,
        capabilities: capabilities(settings, &key("capabilities")),
        capacity: settings.get_within(&key("capacity"), 1, 1..=64),
        working_dir: working_dir(settings, &key("working_dir"), roots),
        timeout: timeout(settings, &key("timeout"), default_timeout),
        env: env(settings, &key("env")),
    };
    (kind.is_some() && program.is_some()).then_some(executor)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(plain)
}

fn required<T: Setting>(settings: &mut Settings, key: &str) -> Option<T> {
    if !settings.is_set(key) {
        settings.refuse(format!("{key}: is required"));
    }
    settings.get(key)
}

fn capabilities(settings: &mut Settings, key: &str) -> Vec<String> {
    let mut list: Vec<String> = settings.get_list(key).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
    let wrong = |name: &String| name.len() > MAX_CAPABILITY_BYTES || !name.chars().all(plain);
    if list.len() > MAX_CAPABILITIES || list.iter().any(wrong) {
        settings.refuse(format!(
            "{key}: at most {MAX_CAPABILITIES}, each 1..{MAX_CAPABILITY_BYTES} of letters, digits and ._:/@-"
        ));
    }
    list.sort_unstable();
    list.dedup();
    list
}

fn working_dir(settings: &mut Settings, key: &str, roots: &[PathBuf]) -> Option<PathBuf> {
    let path: PathBuf = settings.get(key)?;
    match folder(&path) {
        Ok(path) if roots.iter().any(|root| path.starts_with(root)) => Some(path),
        Ok(path) => {
            settings.refuse(format!(
                "{key}: {} is outside of worker.roots",
                path.display()
            ));
            None
        }
        Err(why) => {
            settings.refuse(format!("{key}: {} {why}", path.display()));
            None
        }
    }
}

fn env(settings: &mut Settings, key: &str) -> Vec<String> {
    let names: Vec<String> = settings.get_list(key).unwrap_or_default();
    for name in &names {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
            settings.refuse(format!(
                "{key}: \"{name}\" is not the name of a variable; values are taken from the environment"
            ));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        assert_eq!((claude.capacity, claude.timeout), (1, seconds(60)));
        assert_eq!((lint.capacity, lint.timeout), (4, seconds(10)));
        assert_eq!(lint.env, ["CARGO_HOME", "LANG"]);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let (config, errors) = read(
            "[worker]
             roots = ['relative', '/no/such/folder', '/dev/null', '/tmp']
             [worker.executors.BAD]
             kind = 'daemon'
             program = 'bin/x'
             capacity = 65
             working_dir = '/usr'
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
        assert!(config.executors.is_empty());
    }

    #[test]
    fn executors_need_roots() {
        let text = "[worker.executors.x]\nkind = 'command'\nprogram = 'true'\n";
        let (_, errors) = read(text, &[]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("worker.roots:"));
    }
}
