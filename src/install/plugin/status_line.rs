//! The status line in Claude Code's settings: a plugin cannot bring one. A line that is there already is wrapped, and given back.
//! Pure: text in, text out.

use clap::{Args, Command, FromArgMatches};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::edit::{NO_OBJECT, member_span, parse, without};
use super::super::merge::{insert, members, span};
use super::call::Call;
use crate::global_flags::GlobalFlags;
use crate::remedies::shell_word;

/// The key in the settings.
pub(crate) const STATUS_LINE: &str = "statusLine";
const COMMAND: &str = "command";
const WRAP: &str = "wrap";

/// What the settings have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    None,
    /// The status line of SHIM, with the program it calls and the command it wraps.
    Ours {
        program: String,
        wrapped: Option<String>,
    },
    /// A command of somebody else's.
    Other(String),
    /// Something that is no command.
    Unknown,
}

/// What the settings have.
pub(crate) fn found(settings: &Value) -> Found {
    match settings.get(STATUS_LINE) {
        None => Found::None,
        Some(line) if line["type"] == COMMAND => match line[COMMAND].as_str() {
            Some(command) => of_command(command),
            None => Found::Unknown,
        },
        Some(_) => Found::Unknown,
    }
}

fn of_command(command: &str) -> Found {
    let ours = shlex::split(command).and_then(|words| {
        let (program, rest) = words.split_first()?;
        let name = program.rsplit('/').next()?;
        let own = std::env::current_exe().ok();
        let own = own.as_deref().and_then(|own| own.file_name()?.to_str());
        let is_shim = name == "shim" || own == Some(name);
        let wrapped = is_shim.then(|| wrapped(rest))??;
        let program = program.clone();
        Some(Found::Ours { program, wrapped })
    });
    ours.unwrap_or_else(|| Found::Other(command.to_owned()))
}

/// What the arguments of SHIM's status line wrap; `None` if they are not such.
fn wrapped(rest: &[String]) -> Option<Option<String>> {
    let wrap = clap::Arg::new(WRAP).long(WRAP).allow_hyphen_values(true);
    let line = GlobalFlags::augment_args(Command::new("shim"))
        .subcommand_required(true)
        .subcommand(Command::new("statusline").arg(wrap));
    let words = std::iter::once("shim").chain(rest.iter().map(String::as_str));
    let found = line.try_get_matches_from(words).ok()?;
    GlobalFlags::from_arg_matches(&found).ok()?;
    let (_, found) = found.subcommand()?;
    let wrapped = found.get_one::<String>(WRAP).cloned();
    Some(wrapped.filter(|command| !command.is_empty()))
}

/// The command of the status line, as a shell takes it.
fn command(call: &Call, wrapped: Option<&str>) -> String {
    let (program, flags) = match call {
        Call::Here { program, flags } => (program.as_str(), flags.as_slice()),
        Call::ByPath => ("shim", [].as_slice()),
    };
    let mut words = vec![shell_word(program)];
    words.extend(flags.iter().map(|flag| shell_word(flag)));
    words.push("statusline".to_owned());
    if let Some(wrapped) = wrapped {
        words.extend(["--wrap".to_owned(), shell_word(wrapped)]);
    }
    words.join(" ")
}

/// The settings with the status line of SHIM, around the one that is there. One that is no command is left alone.
///
/// # Errors
/// With what is wrong, if the text is not the JSON of an object.
pub(super) fn put(text: &str, call: &Call) -> Result<String, String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let root = parse(text)?;
    let wrapped = match found(&parsed(root)?) {
        Found::Unknown => return Ok(text.to_owned()),
        Found::None => {
            let line = json!({"type": COMMAND, COMMAND: command(call, None)});
            return insert(text, root, 1, STATUS_LINE, &line);
        }
        Found::Ours { wrapped, .. } => wrapped,
        Found::Other(command) => Some(command),
    };
    Ok(replaced(text, root, &command(call, wrapped.as_deref())))
}

/// The settings with the status line that was there before.
///
/// # Errors
/// With what is wrong, if the text is not the JSON of an object.
pub(super) fn take_back(text: &str) -> Result<String, String> {
    let root = parse(text)?;
    match found(&parsed(root)?) {
        Found::Ours {
            wrapped: Some(before),
            ..
        } => Ok(replaced(text, root, &before)),
        Found::Ours { wrapped: None, .. } => {
            let top = members(root).ok_or(NO_OBJECT)?;
            let line = top.get(STATUS_LINE).ok_or(NO_OBJECT)?;
            member_span(text, STATUS_LINE, line).map(|member| without(text, member))
        }
        _ => Ok(text.to_owned()),
    }
}

fn parsed(root: &RawValue) -> Result<Value, String> {
    let value: Value = serde_json::from_str(root.get()).map_err(|e| e.to_string())?;
    value
        .is_object()
        .then_some(value)
        .ok_or(NO_OBJECT.to_owned())
}

/// The text with another command in its status line.
fn replaced(text: &str, root: &RawValue, command: &str) -> String {
    let line = members(root).and_then(|top| top.get(STATUS_LINE).copied());
    let old = line.and_then(|line| members(line)?.get(COMMAND).copied());
    let mut changed = text.to_owned();
    if let Some(old) = old {
        let is_same = serde_json::from_str::<String>(old.get()).is_ok_and(|old| old == command);
        if !is_same {
            changed.replace_range(span(text, old), &json!(command).to_string());
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn call() -> Call {
        Call::Here {
            program: "/opt/it's here/shim".to_owned(),
            flags: vec!["--data-dir".to_owned(), "/my data".to_owned()],
        }
    }

    fn ours(wrapped: Option<&str>) -> Found {
        Found::Ours {
            program: "/opt/it's here/shim".to_owned(),
            wrapped: wrapped.map(str::to_owned),
        }
    }

    fn found_in(text: &str) -> Found {
        found(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_line_that_is_there_is_wrapped_once_and_given_back_to_the_byte() {
        for command in [
            "~/.claude/line.sh",
            r#"jq -r '"[\(.model.display_name)] it''s \(.cwd)"'"#,
            "npx ccstatusline@latest --x \"$HOME\" | tail -1; echo é",
            "printf 'a\nb'",
            "-",
            "shimmer statusline",
        ] {
            let before = format!(
                "{{ \"a\":1.50, \"statusLine\" : {{\"type\":\"command\", \"command\":  {},\"padding\":0}}}}\n",
                json!(command)
            );
            let once = put(&before, &call()).unwrap();
            assert_eq!(found_in(&once), ours(Some(command)), "{once}");
            assert_eq!(put(&once, &call()).unwrap(), once, "twice");
            assert_eq!(take_back(&once).unwrap(), before, "every byte");
            assert_eq!(take_back(&before).unwrap(), before, "nothing of ours");
        }
    }

    #[test]
    fn a_line_of_another_place_of_the_program_keeps_what_it_wraps() {
        let before = json!({"statusLine": {"type": "command", "command": "line.sh --x 'y z'"}});
        let moved = Call::Here {
            program: "/new/shim".to_owned(),
            flags: Vec::new(),
        };
        let old = put(&before.to_string(), &call()).unwrap();
        let new: Value = serde_json::from_str(&put(&old, &moved).unwrap()).unwrap();
        let expected = r#"/new/shim statusline --wrap 'line.sh --x '\''y z'\'''"#;
        assert_eq!(new["statusLine"]["command"], expected);
    }

    #[test]
    fn where_there_is_none_one_is_put_and_taken_away() {
        for before in ["{}", "{\n  \"model\": \"opus\"\n}\n", "{\"a\":{}}"] {
            let put = put(before, &call()).unwrap();
            assert_eq!(found_in(&put), ours(None), "{put}");
            let back: Value = serde_json::from_str(&take_back(&put).unwrap()).unwrap();
            assert_eq!(back, serde_json::from_str::<Value>(before).unwrap());
        }
        assert_eq!(found_in(&put("", &call()).unwrap()), ours(None));
    }

    #[test]
    fn what_is_no_command_is_left_alone_and_a_broken_file_is_refused() {
        for line in [
            json!(3),
            json!({"type": "static"}),
            json!({"type": "command"}),
        ] {
            let text = json!({ "statusLine": line }).to_string();
            assert_eq!(found_in(&text), Found::Unknown);
            assert_eq!(put(&text, &call()).unwrap(), text);
            assert_eq!(take_back(&text).unwrap(), text);
        }
        for broken in ["{", "[]", "3"] {
            assert!(put(broken, &call()).is_err() && take_back(broken).is_err());
        }
    }
}
