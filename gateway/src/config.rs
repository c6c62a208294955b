//! The gateway's own keys, and what surrounds the process: the project, the conversation and the client behind it.
//!
//! Both are read once at the start and handed on, so tests make up their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shim_proto::checkpoint::v1::{ClientInfo, ProcessIdentity};
use shim_render::text::line;
use shim_runtime::config::Settings;
use shim_runtime::process;
use shim_runtime::workspace::identity;

use crate::client_watch::ClientWatch;
use crate::web_names::WebNames;

/// Claude Code sets these for the stdio servers it starts.
const PROJECT_DIR: &str = "CLAUDE_PROJECT_DIR";
const CONVERSATION: &str = "CLAUDE_CODE_SESSION_ID";
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
    conversation: String,
    hostname: String,
    boot_id: String,
    /// The Claude client, found at the start: after its death this process would have another parent. Over HTTP it
    /// is not known.
    pub(crate) client: Arc<ClientWatch>,
    gateway_process: ProcessIdentity,
    /// The task that the client is a program of. Over HTTP clients come from anywhere, so there is none.
    pub(crate) task_id: Option<String>,
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
        Self {
            project: Project::at(project),
            conversation: clipped(&env(CONVERSATION).unwrap_or_default(), MAX_NAME_BYTES),
            hostname: clipped(&process::hostname(), MAX_HOSTNAME_BYTES),
            boot_id: process::boot_id(),
            client: Arc::new(ClientWatch::of(client_process)),
            gateway_process: process::own(),
            task_id: env(TASK_ID).filter(|id| client_process.is_some() && !id.is_empty()),
        }
    }

    /// The client of a request, as the services want to know it.
    pub(crate) fn client_info(&self, name: &str, version: &str) -> ClientInfo {
        ClientInfo {
            name: clipped(name, MAX_NAME_BYTES),
            version: clipped(version, MAX_NAME_BYTES),
            hostname: self.hostname.clone(),
            boot_id: self.boot_id.clone(),
            client_process: self.client.process(),
            gateway_process: Some(self.gateway_process),
            conversation: self.conversation.clone(),
        }
    }
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
    fn long_names_are_cut_between_characters() {
        assert_eq!(clipped("aé", 2), "a");
    }
}
