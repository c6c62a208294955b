//! The executors of the configuration (`worker.executors.NAME.*`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use shim_proto::limits::worker::{MAX_CAPABILITIES, MAX_CAPABILITY_BYTES};
use shim_runtime::config::{Setting, Settings};

use super::folders;

const EXECUTORS: &str = "worker.executors";

/// The keys of an executor.
const FIELDS: [&str; 11] = [
    "kind",
    "program",
    "args",
    "allow_args",
    "capabilities",
    "capacity",
    "working_dir",
    "timeout",
    "env",
    "fail_on_denial",
    "resume",
];

const MAX_NAME_BYTES: usize = 64;
/// A program that may do tasks.
#[derive(Debug, Clone)]
pub struct ExecutorConfig {
    /// Its name in the configuration.
    pub name: String,
    /// How the program is fed and understood.
    pub kind: ExecutorKind,
    /// An absolute path, or a name to be found on `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether a task's payload may bring more arguments and the input (`command` only).
    pub allow_args: bool,
    /// The capabilities of its workers, sorted.
    pub capabilities: Vec<String>,
    /// How many tasks a worker runs at once, 1..64.
    pub capacity: u32,
    /// The working folder, unless a task names one; `None` for the task's workspace.
    pub working_dir: Option<PathBuf>,
    /// How long an attempt may take, unless its task sets a timeout.
    pub timeout: Duration,
    /// Names of the variables that the program gets from this process's environment.
    pub env: Vec<String>,
    /// Whether a denied permission fails the attempt (`agent` only).
    pub fail_on_denial: bool,
    /// Whether a further attempt goes on with the conversation of the one before (`agent` only).
    pub resume: bool,
}

/// How a program is fed and understood.
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

/// All executors by name. Those with errors may be missing.
pub(super) fn executors(
    settings: &mut Settings,
    roots: &[PathBuf],
) -> BTreeMap<String, ExecutorConfig> {
    let timeout = timeout(settings, "worker.timeout", Duration::from_secs(300));
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

/// The executors of which a worker starts at once (`worker.start`).
pub(super) fn start(
    settings: &mut Settings,
    executors: &BTreeMap<String, ExecutorConfig>,
) -> Vec<String> {
    let names: Vec<String> = settings.get_list("worker.start").unwrap_or_default();
    for name in names.iter().filter(|name| !executors.contains_key(*name)) {
        settings.refuse(format!("worker.start: there is no {EXECUTORS}.{name}"));
    }
    names
}

fn timeout(settings: &mut Settings, key: &str, default: Duration) -> Duration {
    settings.get_within(
        key,
        default,
        Duration::from_secs(1)..=Duration::from_secs(12 * 3_600),
    )
}

/// One executor; `None`, with an error in the settings, if its kind or program is missing.
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
    let program = program(settings, &key("program"));
    let allow_args = allow_args(settings, &key("allow_args"), kind);
    let args = settings.get_list(&key("args")).unwrap_or_default();
    let capabilities = capabilities(settings, &key("capabilities"));
    let capacity = settings.get_within(&key("capacity"), 1, 1..=64);
    let working_dir = working_dir(settings, &key("working_dir"), roots);
    let timeout = timeout(settings, &key("timeout"), default_timeout);
    let env = env(settings, &key("env"));
    let fail_on_denial = fail_on_denial(settings, &key("fail_on_denial"), kind);
    let resume = resume(settings, &key("resume"), kind);
    Some(ExecutorConfig {
        name: name.to_owned(),
        kind: kind?,
        program: program?,
        args,
        allow_args,
        capabilities,
        capacity,
        working_dir,
        timeout,
        env,
        fail_on_denial,
        resume,
    })
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

fn program(settings: &mut Settings, key: &str) -> Option<PathBuf> {
    let program: PathBuf = required(settings, key)?;
    if program.components().count() > 1 && !program.is_absolute() {
        settings.refuse(format!(
            "{key}: must be an absolute path, or a name to be found on PATH"
        ));
    }
    Some(program)
}

fn allow_args(settings: &mut Settings, key: &str, kind: Option<ExecutorKind>) -> bool {
    let is_allowed = settings.get_or(key, false);
    if is_allowed && kind == Some(ExecutorKind::Agent) {
        settings.refuse(format!("{key}: only a command takes arguments from tasks"));
    }
    is_allowed
}

fn fail_on_denial(settings: &mut Settings, key: &str, kind: Option<ExecutorKind>) -> bool {
    let is_set = settings.get_or(key, false);
    if is_set && kind == Some(ExecutorKind::Command) {
        settings.refuse(format!("{key}: only an agent tells of denied permissions"));
    }
    is_set
}

fn resume(settings: &mut Settings, key: &str, kind: Option<ExecutorKind>) -> bool {
    if settings.is_set(key) && kind == Some(ExecutorKind::Command) {
        settings.refuse(format!("{key}: only an agent has conversations"));
    }
    settings.get_or(key, true)
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
    match folders::folder(&path) {
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
