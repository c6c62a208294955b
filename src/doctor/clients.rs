//! Whether the Claude clients on this machine start this very program.

use std::path::Path;

use serde_json::Value;

use super::check::Check;
use crate::install::{Client, ENTRY, SERVERS};

pub(super) fn check() -> Vec<Check> {
    let found: Vec<Check> = Client::ALL.into_iter().filter_map(check_one).collect();
    if found.is_empty() {
        let remedy = "run `shim install claude-code` or `shim install claude-desktop`";
        return vec![Check::warn(
            "clients",
            "no configuration of a Claude client was found",
            remedy,
        )];
    }
    found
}

/// `None` if the client has no configuration here.
fn check_one(client: Client) -> Option<Check> {
    let path = client.file().ok()?;
    let text = std::fs::read_to_string(&path).ok()?;
    let (name, install) = match client {
        Client::ClaudeDesktop => ("claude-desktop", "run `shim install claude-desktop`"),
        Client::ClaudeCode => ("claude-code", "run `shim install claude-code`"),
    };
    let own = std::env::current_exe().unwrap_or_default();
    Some(match judge(&text, &own) {
        Ok(detail) => Check::ok(name, detail),
        Err(EntryError::Broken(why)) => {
            let remedy = "mend the file; the client ignores it as it is";
            Check::fail(
                name,
                format!("{} is not valid JSON: {why}", path.display()),
                remedy,
            )
        }
        Err(EntryError::NotConnected) => Check::warn(
            name,
            format!("{} does not name shim", path.display()),
            install,
        ),
        Err(EntryError::NoCommand) => {
            Check::fail(name, "its entry for shim has no command", install)
        }
        Err(EntryError::Gone(command)) => Check::fail(
            name,
            format!("it starts {command}, which is not there"),
            install,
        ),
        Err(EntryError::OtherProgram(command)) => Check::warn(
            name,
            format!("it starts {command}, not this program"),
            install,
        ),
    })
}

/// What can be wrong with a client's entry.
#[derive(Debug, PartialEq, Eq)]
enum EntryError {
    Broken(String),
    NotConnected,
    NoCommand,
    Gone(String),
    OtherProgram(String),
}

fn judge(text: &str, own: &Path) -> Result<String, EntryError> {
    let file: Value = serde_json::from_str(text).map_err(|e| EntryError::Broken(e.to_string()))?;
    let entry = file
        .get(SERVERS)
        .and_then(|servers| servers.get(ENTRY))
        .ok_or(EntryError::NotConnected)?;
    let command = entry
        .get("command")
        .and_then(Value::as_str)
        .ok_or(EntryError::NoCommand)?;
    // The client looks a bare name up in its own PATH, which is unknown here.
    if Path::new(command).is_absolute() {
        let found = Path::new(command)
            .canonicalize()
            .map_err(|_| EntryError::Gone(command.to_owned()))?;
        if own.canonicalize().is_ok_and(|own| own != found) {
            return Err(EntryError::OtherProgram(command.to_owned()));
        }
    }
    Ok(format!("it starts {command}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_trouble_is_told_apart() {
        let own = std::env::current_exe().unwrap();
        let with =
            |command: &str| format!(r#"{{"mcpServers":{{"shim":{{"command":"{command}"}}}}}}"#);
        assert!(judge(&with(own.to_str().unwrap()), &own).is_ok());
        assert_eq!(
            judge(&with("/no/such/shim"), &own),
            Err(EntryError::Gone("/no/such/shim".into()))
        );
        assert_eq!(
            judge(&with("/bin/sh"), &own),
            Err(EntryError::OtherProgram("/bin/sh".into()))
        );
        assert_eq!(
            judge(r#"{"mcpServers":{}}"#, &own),
            Err(EntryError::NotConnected)
        );
        assert_eq!(
            judge(r#"{"mcpServers":{"shim":{}}}"#, &own),
            Err(EntryError::NoCommand)
        );
        assert!(matches!(judge("{", &own), Err(EntryError::Broken(_))));
    }
}
