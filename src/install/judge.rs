//! Whether the entry for SHIM in a client's list of servers starts the gateway of this very program, on the stack of here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};
use serde_json::Value;

use crate::gateway;
use crate::global_flags::{GlobalFlags, absolute};

/// What can be wrong with an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EntryError {
    /// It starts nothing.
    NoCommand,
    /// Its program is not there.
    Gone(String),
    /// Its program is a bare name that no folder of PATH has.
    NotOnPath(String),
    /// It starts another program.
    OtherProgram(String),
    /// Its arguments are not those of a gateway.
    NoGateway(String),
    /// Its gateway uses the stack of this folder, which is not that of here.
    OtherStack(PathBuf),
}

impl EntryError {
    /// Whether the entry cannot work; else it works, but surely not as it is meant.
    pub(crate) fn is_fatal(&self) -> bool {
        !matches!(self, Self::OtherProgram(_) | Self::OtherStack(_))
    }

    /// What is wrong, about "it": the entry.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::NoCommand => "it has no command".to_owned(),
            Self::Gone(command) => format!("it starts {command}, which is not there"),
            Self::NotOnPath(command) => {
                format!("it starts {command}, which no folder of PATH has")
            }
            Self::OtherProgram(command) => format!("it starts {command}, not this program"),
            Self::NoGateway(args) => {
                format!("its args are {args}, not those of a gateway: [\"gateway\"]")
            }
            Self::OtherStack(folder) => format!(
                "its stack is that of {}, not the one of this command",
                folder.display()
            ),
        }
    }

    /// What to do about it, where `install` writes the entry anew.
    pub(crate) fn remedy(&self, install: &str) -> String {
        match self {
            Self::OtherStack(_) => {
                "take SHIM_DATA_DIR or --data-dir out of the entry, or set data_dir for both"
                    .to_owned()
            }
            _ => install.to_owned(),
        }
    }
}

/// What an entry is compared with.
#[derive(Debug, Default)]
pub(crate) struct Here {
    /// This program.
    own: PathBuf,
    /// The folders of PATH, as the client may have them, too.
    path: OsString,
    /// The data folder of this command, if its configuration is known.
    data_dir: Option<PathBuf>,
}

impl Here {
    /// As it is for this process.
    pub(crate) fn of_process(data_dir: Option<&Path>) -> Self {
        Self {
            own: std::env::current_exe().unwrap_or_default(),
            path: std::env::var_os("PATH").unwrap_or_default(),
            data_dir: data_dir.map(Path::to_path_buf),
        }
    }

    /// What the entry starts.
    ///
    /// # Errors
    /// With what is wrong.
    pub(crate) fn judge(&self, entry: &Value) -> Result<String, EntryError> {
        let command = entry.get("command").and_then(Value::as_str);
        let command = command.ok_or(EntryError::NoCommand)?;
        self.judge_program(command)?;
        let args = entry.get("args").unwrap_or(&Value::Null);
        let flags = gateway_flags(args).ok_or_else(|| EntryError::NoGateway(args.to_string()))?;
        let of_environment = entry["env"]["SHIM_DATA_DIR"].as_str().map(PathBuf::from);
        match flags.data_dir.or(of_environment) {
            Some(folder) if self.is_another(&folder) => Err(EntryError::OtherStack(folder)),
            _ => Ok(format!("it starts {command}")),
        }
    }

    /// Whether a command is this very program.
    ///
    /// # Errors
    /// With what is wrong.
    pub(crate) fn judge_program(&self, command: &str) -> Result<(), EntryError> {
        let found = self.program(command)?;
        let is_own = |found: &PathBuf| self.own.canonicalize().is_ok_and(|own| own == *found);
        match found.is_some_and(|found| !is_own(&found)) {
            true => Err(EntryError::OtherProgram(command.to_owned())),
            false => Ok(()),
        }
    }

    /// Where the program really is; `None` if that depends on the folder of the client.
    fn program(&self, command: &str) -> Result<Option<PathBuf>, EntryError> {
        let typed = Path::new(command);
        if typed.is_absolute() {
            let found = typed.canonicalize();
            return found
                .map(Some)
                .map_err(|_| EntryError::Gone(command.to_owned()));
        }
        if typed.components().count() != 1 {
            return Ok(None);
        }
        let found = std::env::split_paths(&self.path)
            .map(|folder| folder.join(typed))
            .find(|program| program.is_file())
            .and_then(|program| program.canonicalize().ok());
        let not_found = || EntryError::NotOnPath(command.to_owned());
        found.map(Some).ok_or_else(not_found)
    }

    fn is_another(&self, folder: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
        // A variable in it is the client's to replace.
        let is_known = !folder.to_string_lossy().contains('$');
        let here = self.data_dir.as_deref();
        is_known && here.is_some_and(|here| real(here) != real(folder))
    }
}

/// The global flags of a gateway's arguments; `None` if they are none.
fn gateway_flags(args: &Value) -> Option<GlobalFlags> {
    let args = args.as_array()?.iter().map(Value::as_str);
    let args: Vec<&str> = args.collect::<Option<_>>()?;
    let line = GlobalFlags::augment_args(Command::new("shim"))
        .subcommand_required(true)
        .subcommand(gateway::Args::augment_args(Command::new("gateway")));
    let words = std::iter::once("shim").chain(args);
    let found = line.try_get_matches_from(words).ok()?;
    GlobalFlags::from_arg_matches(&found).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn here() -> Here {
        Here {
            own: std::env::current_exe().unwrap(),
            path: "/usr/bin:/bin".into(),
            data_dir: Some("/here".into()),
        }
    }

    #[test]
    fn every_trouble_is_told_apart() {
        let with = |command: &str| json!({"command": command, "args": ["gateway"]});
        for (entry, expected) in [
            (json!({}), EntryError::NoCommand),
            (
                json!({"type": "http", "url": "http://x"}),
                EntryError::NoCommand,
            ),
            (
                with("/no/such/shim"),
                EntryError::Gone("/no/such/shim".into()),
            ),
            (
                with("no-such-shim"),
                EntryError::NotOnPath("no-such-shim".into()),
            ),
            (with("/bin/sh"), EntryError::OtherProgram("/bin/sh".into())),
            (with("sh"), EntryError::OtherProgram("sh".into())),
        ] {
            assert_eq!(here().judge(&entry), Err(expected), "{entry}");
        }
    }

    #[test]
    fn the_arguments_are_those_of_a_gateway_on_this_stack() {
        let own = here().own;
        let judged = |args: Value, folder: Option<&str>| {
            let env = folder.map_or(json!({}), |folder| json!({"SHIM_DATA_DIR": folder}));
            here().judge(&json!({"command": own, "args": args, "env": env}))
        };
        for args in [json!(["up"]), json!([]), json!(null), json!(["gateway", 1])] {
            let refused = judged(args.clone(), None);
            assert_eq!(refused, Err(EntryError::NoGateway(args.to_string())));
        }
        let other = Err(EntryError::OtherStack("/other".into()));
        assert_eq!(judged(json!(["gateway"]), Some("/other")), other);
        assert_eq!(
            judged(json!(["gateway", "--data-dir", "/other"]), None),
            other
        );
        for (args, folder) in [
            (json!(["gateway"]), None),
            (json!(["gateway"]), Some("/here")),
            (json!(["gateway"]), Some("${HOME}/x")),
            (json!(["--data-dir", "/here", "gateway"]), Some("/other")),
        ] {
            assert!(judged(args, folder).is_ok());
        }
    }
}
