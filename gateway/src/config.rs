//! The gateway's own keys, and what surrounds the process: the project, the conversation and the client behind it.
//!
//! Both are read once at the start and handed on, so tests make up their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use shim_claude_code::live_session;
use shim_proto::checkpoint::v1::{ClientInfo, ProcessIdentity};
use shim_render::text::line;
use shim_runtime::config::Settings;
use shim_runtime::process;
use shim_runtime::workspace::identity;

use crate::client_watch::ClientWatch;
use crate::live_conversation::LiveConversation;
use crate::web_names::WebNames;

/// Claude Code sets these for the stdio servers it starts.
const PROJECT_DIR: &str = "CLAUDE_PROJECT_DIR";
const CONVERSATION: &str = "CLAUDE_CODE_SESSION_ID";
/// After so many milliseconds Claude Code gives a call up, if a person set it.
const CALL_LIMIT: &str = "MCP_TOOL_TIMEOUT";
/// A call that waits ends this long before its client gives it up.
const CALL_MARGIN: Duration = Duration::from_secs(1);
/// A worker sets it for its program, whose client may have started this process.
const TASK_ID: &str = "SHIM_TASK_ID";

/// The contract's limits on what a client says of itself.
const MAX_NAME_BYTES: usize = 200;
const MAX_HOSTNAME_BYTES: usize = 255;

/// The gateway's own keys.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The project folder (`gateway.project`); unset means `CLAUDE_PROJECT_DIR`, else the working folder.
    pub project: Option<PathBuf>,
    /// Who may speak to the HTTP endpoint from a browser, and under which names (`gateway.allowed_origins`,
    /// `gateway.allowed_hosts`).
    pub web: WebNames,
}

impl Config {
    /// Reads the keys.
    #[must_use]
    pub fn read(settings: &mut Settings) -> Self {
        let project = settings.get::<PathBuf>("gateway.project");
        if project.as_ref().is_some_and(|path| !path.is_absolute()) {
            settings.refuse("gateway.project: must be an absolute path");
        }
        let web = WebNames::read(settings);
        Self { project, web }
    }
}

/// The project whose sessions come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// The folder, or the client's name where there is none.
    pub(crate) name: String,
    /// The folder relative paths start from.
    pub(crate) folder: Option<PathBuf>,
}

impl Project {
    /// A session's project as the service knows it: an absolute folder or any name.
    pub(crate) fn named(name: &str) -> Self {
        let name = identity(name);
        let folder = Path::new(&name).is_absolute().then(|| PathBuf::from(&name));
        Self { name, folder }
    }

    /// Claude Desktop starts its servers in "/", which is no project.
    fn at(folder: Option<PathBuf>) -> Self {
        match folder.filter(|path| path.is_absolute() && path.parent().is_some()) {
            Some(folder) => Self::named(&folder.display().to_string()),
            None => Self {
                name: "claude-desktop".to_owned(),
                folder: None,
            },
        }
    }
}

/// What surrounds this process.
#[derive(Debug, Clone)]
pub(crate) struct ClientContext {
    pub(crate) project: Project,
    conversation: Arc<LiveConversation>,
    hostname: String,
    boot_id: String,
    /// The Claude client, found at the start: after its death this process would have another parent. Over HTTP it
    /// is not known.
    pub(crate) client: Arc<ClientWatch>,
    gateway_process: ProcessIdentity,
    /// The task that the client is a program of. Over HTTP clients come from anywhere, so there is none.
    pub(crate) task_id: Option<String>,
    /// How long a call may wait, if the client waits for a shorter time than this gateway.
    longest_wait: Option<Duration>,
}

impl ClientContext {
    /// Of this process, with its environment and the Claude client that started it given.
    pub(crate) fn read(
        config: Config,
        env: impl Fn(&str) -> Option<String>,
        client_process: Option<ProcessIdentity>,
    ) -> Self {
        let project = config
            .project
            .or_else(|| {
                env(PROJECT_DIR)
                    .map(PathBuf::from)
                    .filter(|path| path.is_absolute())
            })
            .or_else(|| std::env::current_dir().ok());
        let folder = client_process
            .and_then(|_| live_session::client_folder_by(|name| env(name).map(PathBuf::from)));
        let named = clipped(&env(CONVERSATION).unwrap_or_default(), MAX_NAME_BYTES);
        Self {
            project: Project::at(project),
            conversation: Arc::new(LiveConversation::new(folder, named)),
            longest_wait: longest_wait(env(CALL_LIMIT).as_deref()),
            hostname: clipped(&process::hostname(), MAX_HOSTNAME_BYTES),
            boot_id: process::boot_id(),
            client: Arc::new(ClientWatch::of(client_process)),
            gateway_process: process::own(),
            task_id: env(TASK_ID).filter(|id| client_process.is_some() && !id.is_empty()),
        }
    }

    /// The client of a request, as the services want to know it, with the conversation that it has now.
    pub(crate) async fn client_info(&self, name: &str, version: &str) -> ClientInfo {
        let process = self.client.process();
        ClientInfo {
            name: clipped(name, MAX_NAME_BYTES),
            version: clipped(version, MAX_NAME_BYTES),
            hostname: self.hostname.clone(),
            boot_id: self.boot_id.clone(),
            client_process: process,
            gateway_process: Some(self.gateway_process),
            conversation: self.conversation.now(process).await,
        }
    }

    /// A wait as long as the client will wait for its answer.
    pub(crate) fn within_call(&self, wait: Duration) -> Duration {
        self.longest_wait.map_or(wait, |longest| wait.min(longest))
    }
}

fn longest_wait(call_limit: Option<&str>) -> Option<Duration> {
    let limit = Duration::from_millis(call_limit?.trim().parse().ok().filter(|limit| *limit > 0)?);
    Some(limit.saturating_sub(CALL_MARGIN))
}

/// The text as one line of at most `max` bytes, cut at a character's edge: services take no name with a line break.
pub(crate) fn clipped(text: &str, max: usize) -> String {
    let line = line(text);
    line[..line.floor_char_boundary(max)].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_project_is_what_is_configured_then_what_claude_code_says() {
        let env = |name: &str| (name == PROJECT_DIR).then(|| "/home/me/app".to_owned());
        let from_env = ClientContext::read(Config::default(), env, None);
        assert_eq!(from_env.project.name, "/home/me/app");
        let configured = Config {
            project: Some("/srv/other".into()),
            ..Config::default()
        };
        assert_eq!(
            ClientContext::read(configured, env, None)
                .project
                .folder
                .unwrap(),
            Path::new("/srv/other")
        );
    }

    #[test]
    fn a_project_is_one_however_its_folder_is_spelled() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, home.path().join("link")).unwrap();
        for spelled in ["link", "real/", "./real", "link/../real/."] {
            let spelled = format!("{}/{spelled}", home.path().display());
            let configured = Config {
                project: Some(PathBuf::from(&spelled)),
                ..Config::default()
            };
            let context = ClientContext::read(configured, |_| None, None);
            assert_eq!(context.project.folder.as_ref(), Some(&real), "{spelled}");
            assert_eq!(context.project, Project::named(&spelled));
        }
    }

    #[test]
    fn the_root_folder_is_no_project() {
        assert_eq!(
            Project::at(Some("/".into())),
            Project {
                name: "claude-desktop".into(),
                folder: None
            }
        );
        assert_eq!(Project::named("notes").folder, None);
    }

    #[test]
    fn a_relative_project_is_refused() {
        let flags = [("gateway.project".to_owned(), "here".to_owned())];
        let mut settings = Settings::gather(None, [], flags).unwrap();
        let _ = Config::read(&mut settings);
        assert!(settings.finish().unwrap_err().0[0].contains("absolute"));
    }

    #[test]
    fn a_wait_ends_before_the_client_gives_the_call_up() {
        for (limit, seconds) in [
            (None, 20),
            (Some("3000"), 2),
            (Some("500"), 0),
            (Some("600000"), 20),
            (Some("0"), 20),
            (Some("soon"), 20),
        ] {
            let env = |name: &str| limit.filter(|_| name == CALL_LIMIT).map(str::to_owned);
            let context = ClientContext::read(Config::default(), env, None);
            let wait = context.within_call(Duration::from_secs(20));
            assert_eq!(wait.as_secs(), seconds, "{limit:?}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(clipped("aé", 2), "a");
    }
}
