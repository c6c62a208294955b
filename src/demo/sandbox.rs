//! The stack of a demo: a throw-away stack, or the running one, from which the demo's sessions are deleted afterwards.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shim_proto::checkpoint::v1::{DeleteSessionRequest, SessionStatus};
use shim_runtime::client::Endpoint;
use shim_runtime::stack::{Stack, StackInfo, StackState};
use shim_runtime::tls::Tls;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::config::Config;
use crate::connection::{self, Checkpoints, request, request_id};
use crate::error::CliError;
use crate::sessions::{self, SessionFilter};

const READY_WITHIN: Duration = Duration::from_secs(15);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
/// The stack of a killed demo ends after this time.
const IDLE_EXIT: &str = "1m";
/// A death is known after one second instead of five, so that the demo is short.
const SETTINGS: &str = "registry.heartbeat = '250ms'\nregistry.dead_after = '1s'\n";

/// The stack and the temporary folder of a demo.
pub(super) struct Sandbox {
    folder: TempDir,
    flags: Vec<String>,
    own_stack: Option<Child>,
    /// What the stack published of itself.
    pub(super) stack: Option<StackInfo>,
    /// The service, for what no tool can do.
    pub(super) service: Checkpoints,
}

impl Sandbox {
    /// A stack of its own in a temporary folder, out of reach of the user's settings.
    pub(super) async fn temporary(config: &Config) -> Result<Self, CliError> {
        let folder = tempfile::Builder::new().prefix("shim-demo-").tempdir()?;
        let data_dir = folder.path().join("data");
        let settings = folder.path().join("shim.toml");
        std::fs::write(&settings, SETTINGS)?;
        let flags = [
            "--data-dir".to_owned(),
            name(&data_dir),
            "--config".to_owned(),
            name(&settings),
        ]
        .to_vec();
        let stack = Stack::at(&data_dir);
        let mut child = shim(&flags, true)?
            .args(["up", "--idle-exit", IDLE_EXIT])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log(folder.path())?)
            .process_group(0)
            .spawn()?;
        let info = wait_until_ready(&stack, &mut child, folder.path()).await?;
        // Settings of the environment, such as a token, are not this stack's.
        let mut own = config.clone();
        own.runtime.token_file = None;
        own.runtime.tls = Tls::default();
        let service = connection::checkpoints_at(&own, &Endpoint::Unix(stack.socket()))?;
        Ok(Self {
            folder,
            flags,
            own_stack: Some(child),
            stack: Some(info),
            service,
        })
    }

    /// The configured stack, started if it does not run.
    pub(super) async fn on_stack(config: &Config) -> Result<Self, CliError> {
        let service = connection::checkpoints(config).await?;
        let stack = match config.stack().state() {
            StackState::Running(info) => Some(info),
            StackState::Starting | StackState::Stopped | StackState::Held(_) => None,
        };
        let folder = tempfile::Builder::new().prefix("shim-demo-").tempdir()?;
        Ok(Self {
            folder,
            flags: config.flags.clone(),
            own_stack: None,
            stack,
            service,
        })
    }

    /// A temporary folder for the demo's project.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Why the demo of a team cannot be played; `None` if it can.
    pub(super) fn why_no_team_demo(&self) -> Option<String> {
        if self.own_stack.is_none() {
            let why = "its workers would take tasks of yours, and yours would take the demo's: it needs a stack of its \
                own, as `shim demo` without --on-stack has";
            return Some(why.to_owned());
        }
        let has_redis = self
            .stack
            .as_ref()
            .is_some_and(|stack| stack.redis.is_some());
        (!has_redis).then(|| "no Redis could be started: install redis-server".to_owned())
    }

    /// This very program on the demo's stack.
    pub(super) fn shim(&self) -> Result<Command, CliError> {
        shim(&self.flags, self.own_stack.is_some())
    }

    /// The log of the demo's processes.
    pub(super) fn log(&self) -> Result<File, CliError> {
        log(self.folder.path())
    }

    /// Deletes the demo's sessions, or stops the throw-away stack; the temporary folder goes with it.
    pub(super) async fn clean_up(mut self) -> Result<(), CliError> {
        match self.own_stack.take() {
            Some(child) => stop(child).await,
            None => self.delete_sessions().await,
        }
    }

    /// The project's folder is temporary and new, so all its sessions are the demo's.
    async fn delete_sessions(&mut self) -> Result<(), CliError> {
        for project in std::fs::read_dir(self.folder.path())?.filter_map(Result::ok) {
            let filter = SessionFilter {
                project: name(&project.path()),
                status: SessionStatus::Unspecified,
            };
            for session in sessions::list_all(&mut self.service, &filter, usize::MAX).await? {
                let delete = DeleteSessionRequest {
                    request_id: request_id(),
                    session_id: session.id,
                    force: true,
                };
                self.service.delete_session(request(delete)).await?;
            }
        }
        Ok(())
    }
}

fn shim(flags: &[String], sealed: bool) -> Result<Command, CliError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(flags);
    if sealed {
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SHIM_"))
        {
            command.env_remove(name);
        }
    }
    Ok(command)
}

fn log(folder: &Path) -> Result<File, CliError> {
    Ok(OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("demo.log"))?)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

async fn wait_until_ready(
    stack: &Stack,
    child: &mut Child,
    folder: &Path,
) -> Result<StackInfo, CliError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let StackState::Running(info) = stack.state() {
            return Ok(info);
        }
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            let said = std::fs::read_to_string(folder.join("demo.log")).unwrap_or_default();
            return Err(
                CliError::new(format!("the stack did not come up: {}", said.trim()))
                    .hint("run `shim doctor`"),
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn stop(mut child: Child) -> Result<(), CliError> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(std::io::Error::from)?;
    }
    if tokio::time::timeout(STOPPED_WITHIN, child.wait())
        .await
        .is_err()
    {
        child.kill().await?;
        return Err(CliError::new("the demo's stack had to be killed"));
    }
    Ok(())
}
