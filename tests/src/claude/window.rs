//! A Claude Code process: headless, interactive or in the background, each with a folder of its own for what it keeps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::lab::{ClaudeLab, Streams};
use super::screen::plain;
use crate::{binary, process};

/// The client keeps the end of a key that its user allowed.
const KEY_TAIL: usize = 20;
const SKIP_PERMISSIONS: &str = "--dangerously-skip-permissions";

/// How the client is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// `claude -p`, one prompt, its stream-json on stdout.
    Headless,
    /// In a terminal.
    Interactive,
}

/// How to start a Claude Code. Clones begin alike.
#[derive(Debug, Clone)]
pub struct Window {
    name: String,
    key: String,
    kind: WindowKind,
    project: PathBuf,
    config: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Window {
    /// A window on a project, with its own key (its script is that of `key`) and the settings that all windows of a room share.
    ///
    /// # Panics
    /// If the throw-away folders cannot be written.
    #[must_use]
    pub fn new(lab: &ClaudeLab, name: &str, kind: WindowKind, project: &Path) -> Self {
        let config = lab.root().join("claude");
        let home = lab.root().join("home");
        for folder in [&config, &home] {
            std::fs::create_dir_all(folder).expect("the room is writable");
        }
        let key = format!("sk-ant-key-of-the-window-{name}");
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("PATH", path),
            ("HOME", home.display().to_string()),
            ("CLAUDE_CONFIG_DIR", config.display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            ("IS_SANDBOX", "1".to_owned()),
            ("DISABLE_AUTOUPDATER", "1".to_owned()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
            ("ANTHROPIC_BASE_URL", lab.url()),
            ("ANTHROPIC_API_KEY", key.clone()),
        ];
        let environment = variables.map(|(name, value)| (name.to_owned(), value));
        let window = Self {
            name: name.to_owned(),
            key,
            kind,
            project: project.to_path_buf(),
            config,
            arguments: vec![SKIP_PERMISSIONS.to_owned()],
            environment: environment.into(),
        };
        window.allow();
        window
    }

    /// The key by which the stand-in knows it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its name in the room.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that it works in.
    #[must_use]
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// The folder in which the client keeps what it knows.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The environment that a client gets here.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Under another name in the room, with the same key.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With arguments more.
    #[must_use]
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|it| (*it).to_owned()));
        self
    }

    /// Without leave for everything: the client asks, and denies where nobody can be asked.
    #[must_use]
    pub fn asking(mut self) -> Self {
        self.arguments.retain(|it| it != SKIP_PERMISSIONS);
        self
    }

    /// With a variable more.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With settings of the project, such as hooks.
    ///
    /// # Panics
    /// If the project cannot be written.
    #[must_use]
    pub fn settings(self, settings: &Value) -> Self {
        let file = self.config.join(format!("settings-of-{}.json", self.name));
        std::fs::write(&file, settings.to_string()).expect("the room is writable");
        self.args(&["--settings", &file.display().to_string()])
    }

    /// Starts a headless client with a prompt, or an interactive one that is ready for its first; returns its process id.
    pub async fn start(&self, lab: &mut ClaudeLab, prompt: &str) -> u32 {
        let mut argv = vec![self.program().display().to_string()];
        argv.extend(self.arguments.iter().cloned());
        let streams = match self.kind {
            WindowKind::Headless => {
                let usual = ["--output-format", "stream-json", "--verbose", "-p", prompt];
                argv.extend(usual.map(str::to_owned));
                Streams::None
            }
            WindowKind::Interactive => Streams::Terminal,
        };
        let started = lab.start(&self.name, &argv, &self.project, &self.environment, streams);
        let pid = started.await;
        if self.kind == WindowKind::Interactive {
            self.shows(lab, "❯").await;
            if !prompt.is_empty() {
                self.type_line(lab, prompt).await;
            }
        }
        pid
    }

    /// Runs a headless client to its end; returns its result line.
    ///
    /// # Panics
    /// If it wrote none.
    pub async fn run(&self, lab: &mut ClaudeLab, prompt: &str) -> Value {
        self.start(lab, prompt).await;
        lab.ended(&self.name).await;
        let lines = lab.take_output(&self.name);
        let messages = lines
            .iter()
            .rev()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut results = messages.filter(|line: &Value| line["type"] == "result");
        results
            .next()
            .unwrap_or_else(|| panic!("no result:\n{}", lines.join("\n")))
    }

    /// Runs another command of the client, such as `agents --json`, to its end; returns what it wrote.
    pub async fn command(&self, lab: &mut ClaudeLab, arguments: &[&str]) -> Vec<String> {
        let mut argv = vec![self.program().display().to_string()];
        argv.extend(arguments.iter().map(|it| (*it).to_owned()));
        let name = format!("{}-{}", self.name, arguments.join("-"));
        let started = lab.start(
            &name,
            &argv,
            &self.project,
            &self.environment,
            Streams::None,
        );
        started.await;
        lab.ended(&name).await;
        lab.take_output(&name)
    }

    /// Types a line and sends it off once the client has shown it: what comes with its end counts as pasted.
    pub async fn type_line(&self, lab: &mut ClaudeLab, line: &str) {
        lab.type_into(&self.name, line).await;
        self.shows(lab, line).await;
        lab.type_into(&self.name, "\r").await;
    }

    /// Waits until the terminal shows a text, in what it has shown since this was waited for last.
    pub async fn shows(&self, lab: &mut ClaudeLab, text: &str) {
        let wanted = plain(text);
        let mut shown = String::new();
        while !shown.contains(&wanted) {
            let what = format!("\"{text}\" on the screen of {}: {shown}", self.name);
            let name = &self.name;
            let is_screen = |event: &Value| event["event"] == "screen" && event["name"] == **name;
            let event = lab.until(&what, is_screen).await;
            shown += &plain(event["text"].as_str().unwrap_or_default());
        }
    }

    /// The live session of a process, as the client's own file tells it.
    #[must_use]
    pub fn live(&self, pid: u32) -> Option<Value> {
        let file = self.config.join("sessions").join(format!("{pid}.json"));
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Ends a client with SIGKILL and waits until it is gone.
    pub async fn kill(&self, lab: &mut ClaudeLab, pid: u32) {
        process::signal(pid, Signal::SIGKILL);
        lab.ended(&self.name).await;
    }

    fn program(&self) -> PathBuf {
        binary::claude().expect("a room only opens where there is a client")
    }

    /// Answers what the client asks at its first start: its looks, the key, the folder.
    fn allow(&self) {
        let file = self.config.join(".claude.json");
        let known = std::fs::read(&file).ok();
        let known = known.and_then(|text| serde_json::from_slice(&text).ok());
        let mut answers: Value =
            known.unwrap_or_else(|| json!({"customApiKeyResponses": {"approved": []}}));
        answers["hasCompletedOnboarding"] = true.into();
        answers["theme"] = "dark".into();
        answers["bypassPermissionsModeAccepted"] = true.into();
        let tail = &self.key[self.key.len() - KEY_TAIL..];
        if let Some(approved) = answers["customApiKeyResponses"]["approved"].as_array_mut() {
            approved.push(tail.into());
        }
        let folder = self.project.display().to_string();
        answers["projects"][folder] =
            json!({"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true});
        std::fs::write(&file, answers.to_string()).expect("the room is writable");
    }
}
