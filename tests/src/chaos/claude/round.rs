//! One session: begun, killed, and looked at from both sides.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use serde_json::Value;
use shim_proto::checkpoint::v1::{ObservedState, Session, SessionStatus};

use super::plan::{FOREVER, Moment, OLD_CONTENT, OLD_FILES, Plan};
use crate::claude::{ClaudeLab, Observer, Window, WindowKind};
use crate::process;
use crate::temp_env::TempEnv;

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A death is known within seconds; only a stuck service takes so many looks.
const MAX_POLLS: usize = 1_000;

/// Where all sessions are played.
pub(super) struct Room {
    pub(super) temp: TempEnv,
    pub(super) lab: ClaudeLab,
    pub(super) observer: Observer,
}

/// What a session did, and what is known of it.
pub(super) struct Found {
    /// Files that are other than before.
    pub(super) changed: BTreeSet<PathBuf>,
    /// Turns that the model answered before the kill.
    pub(super) answered: usize,
    /// Results that it was shown before the kill.
    pub(super) shown: usize,
    /// The session was found as interrupted.
    pub(super) session: Option<Session>,
    /// The task that a restore goes on with.
    pub(super) task: String,
    /// What was observed.
    pub(super) observed: ObservedState,
    /// What a restored model reads.
    pub(super) resume_prompt: String,
    /// Why it could not be brought back.
    pub(super) refused: Option<String>,
}

impl Found {
    pub(super) fn describe(&self) -> String {
        let open: Vec<_> = self
            .observed
            .open_tool_calls
            .iter()
            .map(|it| &*it.tool_name)
            .collect();
        format!(
            "{} answers, {} files changed, {} known, open {open:?}{}",
            self.answered,
            self.changed.len(),
            self.observed.edited_files.len(),
            self.refused
                .as_deref()
                .map_or(String::new(), |why| format!(", {why}")),
        )
    }
}

impl Room {
    pub(super) async fn play(&mut self, plan: &Plan) -> Found {
        let project = self.project(plan);
        let name = format!("round-{}", plan.number);
        let window = Window::new(&self.lab, &name, WindowKind::Headless, &project);
        let script = plan.script(&project);
        self.lab.script(window.key(), &script).await;
        let pid = window.start(&mut self.lab, &plan.prompt).await;
        self.until_moment(plan, &window, pid).await;
        window.kill(&mut self.lab, pid).await;
        self.look(plan, &window, &project).await
    }

    fn project(&self, plan: &Plan) -> PathBuf {
        let project = self.temp.root().join(format!("project-{}", plan.number));
        std::fs::create_dir(&project).expect("the room is writable");
        for at in 0..OLD_FILES {
            let file = project.join(format!("old-{at}.md"));
            std::fs::write(file, OLD_CONTENT).expect("the room is writable");
        }
        let made = nix::unistd::mkfifo(&project.join(FOREVER), Mode::S_IRWXU);
        made.expect("the room is writable");
        project
    }

    async fn until_moment(&mut self, plan: &Plan, window: &Window, pid: u32) {
        match plan.moment {
            Moment::InCall => {
                let command = format!("echo round-{};", plan.number);
                for _ in 0..MAX_POLLS * 5 {
                    if process::relative(pid, &command).is_some() {
                        return;
                    }
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
            Moment::After(step, delay) => {
                let key = window.key().to_owned();
                let is_answer = move |event: &Value| {
                    let number = event["step"].as_u64().unwrap_or_default();
                    event["event"] == "answered"
                        && event["window"] == *key
                        && event["is_turn"] == true
                        && number == step as u64 + 1
                };
                self.lab
                    .until("the answer before the kill", is_answer)
                    .await;
                tokio::time::sleep(delay).await;
            }
        }
    }

    async fn look(&mut self, plan: &Plan, window: &Window, project: &Path) -> Found {
        let (answered, shown, conversation) = self.turns(plan, window);
        let mut found = Found {
            changed: changed(plan, project),
            answered,
            shown,
            session: self.interrupted(&conversation).await,
            task: String::new(),
            observed: ObservedState::default(),
            resume_prompt: String::new(),
            refused: None,
        };
        if let Some(session) = &found.session {
            match self.observer.restore(&session.id).await {
                Ok(restored) => {
                    let state = restored.state.unwrap_or_default();
                    found.task = state.current_task;
                    found.observed = state.observed.unwrap_or_default();
                    found.resume_prompt = restored.resume_prompt;
                }
                Err(why) => found.refused = Some(why.message().to_owned()),
            }
        }
        release(project);
        found
    }

    /// How many turns were answered, how many results came back, and whose conversation it was.
    fn turns(&self, plan: &Plan, window: &Window) -> (usize, usize, String) {
        let of_window =
            |event: &&Value| event["window"] == *window.key() && event["is_turn"] == true;
        let events: Vec<_> = self.lab.kept().filter(of_window).collect();
        let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
        // The answer that was waited for is not among those kept.
        let awaited = usize::from(matches!(plan.moment, Moment::After(..)));
        let conversation = events
            .iter()
            .find_map(|event| event["conversation"].as_str());
        (
            count("answered") + awaited,
            count("request").saturating_sub(1),
            conversation.unwrap_or_default().to_owned(),
        )
    }

    async fn interrupted(&mut self, conversation: &str) -> Option<Session> {
        for _ in 0..MAX_POLLS {
            let session = self.observer.session(conversation).await;
            if let Some(session) = session.filter(|it| it.status() != SessionStatus::Active) {
                return Some(session);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        None
    }
}

/// The files that the script writes and that are other than before.
fn changed(plan: &Plan, project: &Path) -> BTreeSet<PathBuf> {
    let written = plan.acts.iter().filter_map(|act| act.written(project));
    let is_changed = |file: &PathBuf| {
        let content = std::fs::read_to_string(file);
        content.is_ok_and(|content| content != OLD_CONTENT)
    };
    written.filter(is_changed).collect()
}

/// Lets the command end that waits for the pipe.
fn release(project: &Path) {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK;
    drop(open(&project.join(FOREVER), flags, Mode::empty()));
}
