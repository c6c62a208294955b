//! The plugin as it stands in its folder: whether it calls this very program for everything, and what keeps Claude Code from using it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::hindrance::Hindrance;
use super::super::judge::{EntryError, Here};
use super::super::merge::{ENTRY, SERVERS};
use super::super::permissions;
use super::super::scopes::Scopes;
use super::super::write::without_mark;
use super::call::Call;
use super::files::{EVENTS, HOOKS_FILE, MANIFEST_FILE, SERVER_FILE, files};
use super::place::folder;
use super::status_line::{Found, found};

/// Begins what is said of a hook's program.
const A_HOOK: &str = "a hook of the plugin";

/// A plugin that is there.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) folder: PathBuf,
    /// Of the project in the working folder; else of the user.
    pub(crate) is_project: bool,
}

impl Installed {
    /// Those that Claude Code finds in the working folder.
    pub(crate) fn all() -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for is_project in [false, true] {
            let Ok(folder) = folder(is_project) else {
                continue;
            };
            // In the home folder both are one.
            let is_known = found.iter().any(|it| it.folder == folder);
            if !is_known && folder.join(MANIFEST_FILE).exists() {
                found.push(Self { folder, is_project });
            }
        }
        found
    }

    /// What writes it anew.
    pub(crate) fn install(&self) -> &'static str {
        match self.is_project {
            true => "run `shim install claude-code --project`",
            false => "run `shim install claude-code`",
        }
    }

    /// What to do about a wrong call. The plugin of a project calls whatever `shim` the PATH has.
    fn remedy(&self, wrong: &EntryError) -> String {
        match wrong {
            EntryError::NotOnPath(_) | EntryError::OtherProgram(_) if self.is_project => {
                "put this program as `shim` on the PATH, before any other one".to_owned()
            }
            _ => wrong.remedy(self.install()),
        }
    }

    /// What is wrong with its files.
    pub(crate) fn judged(&self, here: &Here) -> Vec<Hindrance> {
        let mut found = self.judged_server(here);
        let of_hooks = self.judged_hooks(here);
        // What is wrong with both is one trouble.
        let is_known = !found.is_empty();
        found.extend(
            of_hooks
                .into_iter()
                .filter(|it| !is_known || !it.said.starts_with(A_HOOK)),
        );
        if found.is_empty() && self.is_outdated() {
            found.push(Hindrance {
                said: "the plugin is of another version of this program".to_owned(),
                remedy: self.install().to_owned(),
                is_fatal: false,
            });
        }
        found
    }

    fn judged_server(&self, here: &Here) -> Vec<Hindrance> {
        let entry = match self.json(SERVER_FILE) {
            Ok(file) => file[SERVERS][ENTRY].clone(),
            Err(broken) => return vec![broken],
        };
        let wrong = here.judge(&entry).err();
        let wrong = wrong.map(|wrong| Hindrance {
            said: format!("the plugin's server: {}", wrong.said()),
            remedy: self.remedy(&wrong),
            is_fatal: wrong.is_fatal(),
        });
        wrong.into_iter().collect()
    }

    fn judged_hooks(&self, here: &Here) -> Vec<Hindrance> {
        let hooks = match self.json(HOOKS_FILE) {
            Ok(hooks) => hooks,
            Err(broken) => return vec![broken],
        };
        let of = |said: String, remedy: String, is_fatal: bool| Hindrance {
            said,
            remedy,
            is_fatal,
        };
        let is_missing = |event: &&str| hook_of(&hooks, event).is_none();
        let missing: Vec<_> = EVENTS
            .into_iter()
            .filter(|event| is_missing(event))
            .collect();
        let mut found = Vec::new();
        if !missing.is_empty() {
            let said = format!("the plugin has no hook for {}", missing.join(", "));
            let is_fatal = missing.len() == EVENTS.len();
            found.push(of(said, self.install().to_owned(), is_fatal));
        }
        let programs = EVENTS
            .iter()
            .filter_map(|event| program(hook_of(&hooks, event)?));
        if let Some(wrong) = programs
            .filter_map(|it| here.judge_program(it).err())
            .next()
        {
            let said = format!("{A_HOOK}: {}", wrong.said());
            found.push(of(said, self.remedy(&wrong), wrong.is_fatal()));
        }
        found
    }

    /// Whether a file is not as this program writes it. The server's may have additions, and is judged by itself.
    fn is_outdated(&self) -> bool {
        let hooks = self.json(HOOKS_FILE).unwrap_or_default();
        let call = match hook_of(&hooks, EVENTS[0]) {
            Some(hook) if hook["args"].is_array() => {
                let words = hook["args"].as_array().into_iter().flatten();
                let words = words.filter_map(Value::as_str).map(str::to_owned);
                let mut flags: Vec<String> = words.collect();
                flags.pop();
                Call::Here {
                    program: hook["command"].as_str().unwrap_or_default().to_owned(),
                    flags,
                }
            }
            _ => Call::ByPath,
        };
        let differs = |(path, text): (&str, String)| {
            std::fs::read_to_string(self.folder.join(path)).ok() != Some(text)
        };
        files(&call).into_iter().any(differs)
    }

    /// What keeps Claude Code from using the plugin in the working folder, or all of it.
    pub(crate) fn hindrances(&self, scopes: &Scopes) -> Vec<Hindrance> {
        let mut found = scopes.switches();
        found.extend(scopes.beside_plugin());
        if self.is_project && !scopes.is_trusted() {
            found.push(Hindrance {
                said: "Claude Code was not told to trust this folder, and loads no plugin of such a one".to_owned(),
                remedy: "start `claude` here and say that you trust the folder".to_owned(),
                is_fatal: false,
            });
        }
        found
    }

    /// Whether the person's status line is SHIM's.
    pub(crate) fn judged_status_line(&self, here: &Here) -> Vec<Hindrance> {
        let settings = permissions::file(false).unwrap_or_default();
        let text = std::fs::read_to_string(&settings).unwrap_or_default();
        let said = match found(&serde_json::from_str(without_mark(&text)).unwrap_or_default()) {
            Found::Ours { program, .. } => match here.judge_program(&program) {
                Ok(()) => return Vec::new(),
                Err(wrong) => format!("the status line: {}", wrong.said()),
            },
            _ if self.is_project => return Vec::new(),
            Found::None | Found::Other(_) => {
                "the status line is not SHIM's, so nobody tells how full the context is".to_owned()
            }
            Found::Unknown => return Vec::new(),
        };
        vec![Hindrance {
            said,
            remedy: "run `shim install claude-code`".to_owned(),
            is_fatal: false,
        }]
    }

    fn json(&self, path: &str) -> Result<Value, Hindrance> {
        read_json(&self.folder.join(path)).map_err(|said| Hindrance {
            said,
            remedy: format!("take the file away, then {}", self.install()),
            is_fatal: true,
        })
    }
}

fn read_json(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|why| format!("{}: {why}", path.display()))?;
    serde_json::from_str(without_mark(&text))
        .map_err(|why| format!("{} is not valid JSON: {why}", path.display()))
}

/// The command of SHIM for an event.
fn hook_of<'a>(hooks: &'a Value, event: &str) -> Option<&'a Value> {
    let groups = hooks["hooks"][event].as_array()?;
    let mut all = groups
        .iter()
        .filter_map(|group| group["hooks"].as_array())
        .flatten();
    all.find(|hook| match hook["args"].as_array() {
        Some(args) => args.last().is_some_and(|last| last == "hook"),
        None => hook["command"]
            .as_str()
            .is_some_and(|it| it.ends_with("shim hook")),
    })
}

/// The program that a hook calls: by its path, or by its name where a shell looks for it.
fn program(hook: &Value) -> Option<&str> {
    match hook["args"].is_array() {
        true => hook["command"].as_str(),
        false => Some("shim"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::merge::merge;
    use super::*;

    fn written(call: &Call) -> (tempfile::TempDir, Installed) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("shim");
        let mut all = files(call);
        all.push((SERVER_FILE, merge("", &call.server()).unwrap()));
        for (path, text) in all {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let is_project = *call == Call::ByPath;
        (home, Installed { folder, is_project })
    }

    fn own() -> Call {
        Call::Here {
            program: std::env::current_exe().unwrap().display().to_string(),
            flags: vec!["--data-dir".to_owned(), "/here".to_owned()],
        }
    }

    fn said(installed: &Installed, here: &Here) -> String {
        let found = installed.judged(here).into_iter();
        found
            .map(|it| format!("{}; {}\n", it.said, it.remedy))
            .collect()
    }

    #[test]
    fn a_plugin_as_it_is_written_has_nothing_wrong() {
        let here = Here::of_process(Some(Path::new("/here")));
        assert_eq!(said(&written(&own()).1, &here), "");
        let (_home, shared) = written(&Call::ByPath);
        assert!(!said(&shared, &here).contains("version"));
    }

    #[test]
    fn each_fault_is_told_with_what_writes_it_anew() {
        let here = Here::of_process(Some(Path::new("/here")));
        let change = |file: &str, from: &str, to: &str| {
            let (home, installed) = written(&own());
            let path = installed.folder.join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(&path, text.replace(from, to)).unwrap();
            let told = said(&installed, &here);
            drop(home);
            told
        };
        let own = std::env::current_exe().unwrap().display().to_string();
        for (file, from, to, expected) in [
            (
                HOOKS_FILE,
                "\"Stop\"",
                "\"Other\"",
                "no hook for Stop; run `shim install claude-code`",
            ),
            (
                HOOKS_FILE,
                own.as_str(),
                "/gone/shim",
                "it starts /gone/shim, which is not there",
            ),
            (
                HOOKS_FILE,
                "\"hook\"",
                "\"hok\"",
                "no hook for SessionStart, ",
            ),
            (HOOKS_FILE, "{", "", "is not valid JSON"),
            (
                SERVER_FILE,
                own.as_str(),
                "/gone/shim",
                "server: it starts /gone/shim",
            ),
            (
                SERVER_FILE,
                "/here",
                "/there",
                "its stack is that of /there",
            ),
            (
                MANIFEST_FILE,
                env!("CARGO_PKG_VERSION"),
                "0.0.1",
                "another version",
            ),
            ("commands/work.md", "Be a", "Do be a", "another version"),
        ] {
            let told = change(file, from, to);
            assert!(told.contains(expected), "{file} {from}: {told}");
        }
    }
}
