//! How Claude Code calls this program: as a server, as a hook.

use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::error::CliError;
use crate::output::say;
use crate::program_path::program_path;

/// Seconds after which Claude Code goes on without a hook; it leaves one 1.5 s at the end of a session unless told so.
const HOOK_TIMEOUT: u64 = 5;

/// Who works on a project may not have SHIM: a hook that is not there would be told at every event.
const PORTABLE_HOOK: &str = "command -v shim >/dev/null 2>&1 || exit 0; exec shim hook";

/// How the plugin calls this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// This very program, with the flags that choose its stack.
    Here { program: String, flags: Vec<String> },
    /// Whatever `shim` is on the PATH of who uses it.
    ByPath,
}

impl Call {
    /// How a plugin or an entry calls this program: of a project, as everybody may who works on it. Flags that choose a stack
    /// name places of this machine, and are left out there.
    ///
    /// # Errors
    /// If the path of this program is unknown.
    pub(crate) fn of(config: &Config, is_project: bool) -> Result<Self, CliError> {
        if is_project {
            if let Some(flag) = config.flags.first() {
                say::line(format_args!(
                    "note: {flag} names a place of this machine, and is left out of files for everybody who works on the \
                     project"
                ));
            }
            return Ok(Self::ByPath);
        }
        let program = program_path()?;
        let program = program
            .to_str()
            .ok_or_else(|| CliError::new("the path of this program is not UTF-8"))?;
        Ok(Self::Here {
            program: program.to_owned(),
            flags: config.flags.clone(),
        })
    }

    /// The entry of the server.
    pub(crate) fn server(&self) -> Map<String, Value> {
        let (program, flags) = match self {
            Self::Here { program, flags } => (program.as_str(), flags.as_slice()),
            Self::ByPath => ("shim", [].as_slice()),
        };
        let args: Vec<&str> = words(flags, "gateway");
        let entry = [("command", json!(program)), ("args", json!(args))];
        entry
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// A hook.
    pub(super) fn hook(&self) -> Value {
        match self {
            // Without a shell in between: it would take as long as the hook itself.
            Self::Here { program, flags } => json!({
                "type": "command",
                "command": program,
                "args": words(flags, "hook"),
                "timeout": HOOK_TIMEOUT,
            }),
            Self::ByPath => json!({
                "type": "command",
                "command": PORTABLE_HOOK,
                "timeout": HOOK_TIMEOUT,
            }),
        }
    }
}

fn words<'a>(flags: &'a [String], command: &'a str) -> Vec<&'a str> {
    flags.iter().map(String::as_str).chain([command]).collect()
}
