//! What one session does, and when it is killed, drawn from chance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::claude::{edit, shell, text, tool, write};
use crate::rng::SeededRng;

/// The tool by which a model saves.
const SAVE: &str = "mcp__plugin_shim_shim__shim_auto_checkpoint";
/// Files that are there before, and may be edited.
pub(super) const OLD_FILES: u64 = 4;
/// What an old file holds.
pub(super) const OLD_CONTENT: &str = "as it was\n";
/// The pipe that nobody writes to.
pub(super) const FOREVER: &str = "forever";
/// The longest time after an answer at which a session is killed.
const MAX_DELAY_MICROS: u64 = 900_000;
const OBJECTS: [&str; 6] = ["harbour", "bridge", "market", "tower", "garden", "mill"];

/// A step of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// A new file.
    Write(String),
    /// An old file is looked at, without which it cannot be edited.
    Read(String),
    /// It is changed.
    Edit(String),
    /// A command that succeeds, or fails.
    Run(String),
    /// The model saves with SHIM's tool.
    Save(String),
}

/// When the session is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long after the answer with this step.
    After(usize, Duration),
    /// Within a command that never ends, after all steps.
    InCall,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) number: u64,
    pub(super) prompt: String,
    pub(super) acts: Vec<Act>,
    pub(super) moment: Moment,
    pub(super) cooperates: bool,
}

impl Plan {
    pub(super) fn draw(number: u64, rng: &mut SeededRng) -> Self {
        let cooperates = number % 2 == 1;
        let object = rng.pick(&OBJECTS);
        let prompt = format!("Round {number}: describe the {object}, all of it");
        let count = rng.within(3..8);
        let mut acts = Vec::new();
        for at in 0..count {
            Act::draw(at, rng, &mut acts);
        }
        if cooperates {
            let at = usize::try_from(rng.within(0..acts.len() as u64)).unwrap_or(0);
            acts.insert(
                at,
                Act::Save(format!("Describing the {object} of round {number}")),
            );
        }
        let moment = match rng.one_in(2) {
            true => Moment::InCall,
            false => {
                let step = usize::try_from(rng.within(0..acts.len() as u64)).unwrap_or(0);
                Moment::After(step, rng.micros(0..MAX_DELAY_MICROS))
            }
        };
        Self {
            number,
            prompt,
            acts,
            moment,
            cooperates,
        }
    }

    /// What the model says, turn by turn.
    pub(super) fn script(&self, project: &Path) -> Vec<Value> {
        let mut steps: Vec<_> = self.acts.iter().map(|act| act.step(project)).collect();
        match self.moment {
            Moment::InCall => steps.push(shell(&self.endless())),
            Moment::After(..) => steps.push(text("All of it is described.")),
        }
        steps
    }

    /// The command that never ends.
    pub(super) fn endless(&self) -> String {
        format!("echo round-{}; read line < {FOREVER}", self.number)
    }

    pub(super) fn describe(&self) -> String {
        let how = if self.cooperates { "saves" } else { "silent" };
        let when = match self.moment {
            Moment::After(step, delay) => format!("{} ms after step {step}", delay.as_millis()),
            Moment::InCall => "in a call".to_owned(),
        };
        format!("{how}, {} steps, killed {when}", self.acts.len())
    }
}

impl Act {
    fn draw(at: u64, rng: &mut SeededRng, acts: &mut Vec<Self>) {
        match rng.within(0..4) {
            0 => acts.push(Self::Write(format!("new-{at}.md"))),
            1 => {
                let file = format!("old-{}.md", rng.within(0..OLD_FILES));
                // Its text is changed only once.
                if !acts.contains(&Self::Edit(file.clone())) {
                    acts.extend([Self::Read(file.clone()), Self::Edit(file)]);
                }
            }
            2 => acts.push(Self::Run(format!("echo step-{at}"))),
            _ => acts.push(Self::Run(format!("echo step-{at}; exit 3"))),
        }
        if acts.is_empty() {
            acts.push(Self::Write(format!("new-{at}.md")));
        }
    }

    /// The file that it writes.
    pub(super) fn written(&self, project: &Path) -> Option<PathBuf> {
        match self {
            Self::Write(file) | Self::Edit(file) => Some(project.join(file)),
            _ => None,
        }
    }

    /// The tool that it calls.
    pub(super) fn tool(&self) -> &'static str {
        match self {
            Self::Write(_) => "Write",
            Self::Read(_) => "Read",
            Self::Edit(_) => "Edit",
            Self::Run(_) => "Bash",
            Self::Save(_) => SAVE,
        }
    }

    fn step(&self, project: &Path) -> Value {
        match self {
            Self::Write(file) => write(&project.join(file), "new\n"),
            Self::Read(file) => tool("Read", &json!({"file_path": project.join(file)})),
            Self::Edit(file) => edit(&project.join(file), "as it was", "as it is"),
            Self::Run(command) => shell(command),
            Self::Save(task) => tool(SAVE, &json!({"current_task": task, "progress": 0.4})),
        }
    }
}
