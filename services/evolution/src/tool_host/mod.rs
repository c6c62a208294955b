//! The Node process that runs the tools: installed, started, called, stopped.
//!
//! (A) A call ends within its limit, or two seconds after it is cancelled, and leaves no process behind. (B) A host runs one call at
//! a time, so a call that is killed takes no other with it. (C) A host that is confined loads no code of a project, writes nothing
//! and starts nothing; a host that runs a project's code or a user's transform serves no other project, and one that runs a transform
//! writes and starts nothing either. (D) A host that died is started anew, and the
//! call is made once more: methods change nothing, so they can be repeated.

mod answers;
mod chances;
mod error;
mod install;
#[cfg(test)]
mod install_tests;
mod listener;
mod messages;
mod node;
mod npm;
mod pool;
mod process;
mod programs;
mod progress;
mod scripts;
mod terms;
#[cfg(test)]
pub(crate) mod test_host;
#[cfg(test)]
mod tests;
mod user_transform;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};
use shim_exec::Groups;
use shim_runtime::background::BackgroundTasks;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use error::HostError;
pub use install::is_installed;
pub use node::{OLDEST_MAJOR, parse as parse_version};
pub(crate) use progress::ProgressSink;

use crate::error::EvolutionError;
use crate::project::Project;
use answers::read_answer;
use chances::Chances;
use install::{Installed, Installer, tools_dir};
use listener::CallListener;
use node::Node;
use pool::{Lease, Pool};
use process::{Confinement, Exchange, HostLimits, HostProcess, Listener, Request};
use programs::Programs;
use terms::{Terms, confinement};

/// The largest message: an answer, a piece of one, or a call's parameters.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Settings of the tool host.
#[derive(Debug, Clone)]
pub(crate) struct HostConfig {
    /// The folder that the tools are installed in.
    pub(crate) tools: PathBuf,
    /// The Node to use: a path, or a name to be found on `PATH`.
    pub(crate) node: PathBuf,
    /// A host without calls for longer is stopped.
    pub(crate) idle: Duration,
    /// Bytes of memory: of one host's heap, and of all hosts between calls.
    pub(crate) memory: u64,
}

impl HostConfig {
    /// The usual settings for a data folder.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            tools: tools_dir(data_dir),
            node: "node".into(),
            idle: Duration::from_secs(60),
            memory: 700 << 20,
        }
    }
}

/// One call of a method, which must change nothing: it may be made twice.
#[derive(Debug)]
pub(crate) struct HostCall<'a> {
    /// The name of its file in `tools/methods`, without the extension.
    pub(crate) method: &'a str,
    /// What it gets.
    pub(crate) params: serde_json::Value,
    /// How long it may take, without the installation of the tools and the wait for a free host.
    pub(crate) limit: Duration,
    /// Whether code of the project runs in it: configurations, plugins, transforms. The project must be trusted then.
    pub(crate) runs_project_code: bool,
}

/// The tools of the service. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct ToolHost {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: HostConfig,
    programs: Programs,
    installer: Installer,
    ready: Mutex<Option<Arc<Ready>>>,
    pool: Pool,
}

/// What a host is started from.
#[derive(Debug)]
struct Ready {
    node: Node,
    installed: Installed,
}

impl ToolHost {
    /// Starts no host yet, and removes what a killed process left of an installation. `groups` are the process groups of the service.
    ///
    /// # Errors
    /// If the folder for the output of programs cannot be made.
    pub(crate) fn new(
        config: HostConfig,
        groups: Arc<Groups>,
        background: &BackgroundTasks,
    ) -> std::io::Result<Self> {
        let programs = Programs::open(groups, &config.tools.join("output"))?;
        let pool = Pool::new(config.idle, config.memory);
        pool.stop_idle_hosts(background);
        let installer = Installer::new(config.tools.clone(), programs.clone());
        let cleaner = installer.clone();
        background.spawn_contained("tool_host_cleanup", async move {
            let cleaning = tokio::task::spawn_blocking(move || cleaner.clean());
            // Its own trouble is the next installation's.
            let _ = cleaning.await;
        });
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                programs,
                installer,
                ready: Mutex::default(),
                pool,
            }),
        })
    }

    /// Calls a method for a project. The tools are installed at first use, and a host is started if none is there.
    ///
    /// # Errors
    /// If the project is not trusted and the call needs it, the tools cannot be installed, or the method fails.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        project: &Project,
        call: HostCall<'_>,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<T, EvolutionError> {
        // Boxed: callers that await several calls would else carry a large future for each.
        Box::pin(self.call_in_parts(project, call, |_: IgnoredAny| {}, progress, cancel)).await
    }

    /// Calls a method whose answer is large: it hands over pieces by `context.part`, each of which goes to `on_part`. If the
    /// host dies the call is made once more, and `on_part` gets the pieces again from the first.
    ///
    /// # Errors
    /// As [`ToolHost::call`].
    pub(crate) async fn call_in_parts<P, T>(
        &self,
        project: &Project,
        call: HostCall<'_>,
        on_part: impl FnMut(P) + Send,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<T, EvolutionError>
    where
        P: DeserializeOwned + Send,
        T: DeserializeOwned,
    {
        let confinement =
            confinement(project.root(), project.is_trusted(), call.runs_project_code)?;
        let terms = Terms {
            confinement,
            silence: None,
        };
        let listener = CallListener::new(progress, on_part);
        self.call_on(&terms, call, listener, progress, cancel).await
    }

    async fn call_on<T: DeserializeOwned>(
        &self,
        terms: &Terms,
        call: HostCall<'_>,
        mut listener: impl Listener + Send,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<T, EvolutionError> {
        let mut chances = Chances::default();
        loop {
            let ready = self.ready(progress, cancel).await?;
            let ended = self
                .exchange(&ready, terms, &call, &mut chances, &mut listener, cancel)
                .await;
            match ended {
                Err(why) if chances.repeat_after(&why) => {}
                Err(why) => return Err(why.into()),
                Ok(line) => match read_answer(call.method, &line) {
                    Err(failure) if chances.renew_after(&failure) => self.renew().await?,
                    answer => return Ok(answer.map_err(|failure| failure.of(call.method))?),
                },
            }
        }
    }

    /// The folder with the installed `node_modules`, for native programs that run without the host.
    ///
    /// # Errors
    /// If there is no Node, or the tools cannot be installed.
    pub(crate) async fn tools_dir(
        &self,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, EvolutionError> {
        let ready = Box::pin(self.ready(progress, cancel)).await?;
        Ok(ready.installed.folder.clone())
    }

    /// The folder with our scripts for Node.
    ///
    /// # Errors
    /// As [`Self::tools_dir`].
    pub(crate) async fn scripts_dir(
        &self,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, EvolutionError> {
        let ready = Box::pin(self.ready(progress, cancel)).await?;
        Ok(ready.installed.scripts.clone())
    }

    /// The Node that runs the tools; for programs of the project that run beside the host.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn node(&self) -> Result<PathBuf, EvolutionError> {
        if let Some(ready) = &*self.shared.ready.lock().await {
            return Ok(ready.node.program.clone());
        }
        let node = Node::find(&self.shared.config.node, &self.shared.programs).await?;
        Ok(node.program)
    }

    /// Stops all hosts and takes no further call.
    pub(crate) fn finish(&self) {
        self.shared.pool.close();
    }

    /// Finds Node and installs the tools, once. Callers at the same time wait for the first.
    async fn ready(
        &self,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<Arc<Ready>, HostError> {
        let prepared = async {
            let mut ready = self.shared.ready.lock().await;
            if let Some(ready) = &*ready {
                return Ok(Arc::clone(ready));
            }
            let Shared {
                config,
                programs,
                installer,
                ..
            } = &*self.shared;
            let node = Node::find(&config.node, programs).await?;
            let installed = match installer.installed()? {
                Some(installed) => installed,
                None => installer.install(&node, progress, cancel).await?,
            };
            Ok(Arc::clone(
                ready.insert(Arc::new(Ready { node, installed })),
            ))
        };
        tokio::select! {
            ready = prepared => ready,
            () = cancel.cancelled() => Err(HostError::Cancelled),
        }
    }

    /// Lets the next call install the tools anew.
    async fn renew(&self) -> Result<(), HostError> {
        let mut ready = self.shared.ready.lock().await;
        *ready = None;
        self.shared.pool.stop_idle();
        self.shared.installer.discard()
    }

    /// Passes the call to a host.
    async fn exchange(
        &self,
        ready: &Ready,
        terms: &Terms,
        call: &HostCall<'_>,
        chances: &mut Chances,
        listener: &mut (dyn Listener + Send),
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, HostError> {
        let lease = tokio::select! {
            lease = self.shared.pool.lease() => lease?,
            () = cancel.cancelled() => return Err(HostError::Cancelled),
        };
        let deadline = chances.deadline(call.limit);
        let request = Request {
            method: call.method,
            params: &call.params,
            deadline,
            silence: terms.silence,
            cancel,
        };
        let mut host = self.host(&lease, ready, &terms.confinement).await?;
        let exchange = host.exchange(request, listener).await;
        if matches!(exchange, Exchange::Died { .. }) {
            // Another Node may have taken its place, or none.
            if let Ok(mut ready) = self.shared.ready.try_lock() {
                *ready = None;
            }
        }
        if let (Exchange::Silent, Some(limit)) = (&exchange, terms.silence) {
            let method = call.method.to_owned();
            return Err(HostError::Silent { method, limit });
        }
        self.ended(&lease, host, call, exchange)
    }

    /// A host that waits for a call, else a new one.
    async fn host(
        &self,
        lease: &Lease<'_>,
        ready: &Ready,
        confinement: &Confinement,
    ) -> Result<HostProcess, HostError> {
        if let Some(host) = lease.take(confinement) {
            return Ok(host);
        }
        let limits = HostLimits {
            memory: self.shared.config.memory,
            message: MAX_MESSAGE_BYTES,
        };
        let scripts = &ready.installed.scripts;
        let groups = self.shared.programs.groups();
        HostProcess::start(&ready.node, scripts, confinement.clone(), limits, groups)
            .await
            .map_err(|why| HostError::of_io(ready.node.program.display().to_string(), &why))
    }

    fn ended(
        &self,
        lease: &Lease<'_>,
        host: HostProcess,
        call: &HostCall<'_>,
        exchange: Exchange,
    ) -> Result<Vec<u8>, HostError> {
        let method = call.method.to_owned();
        match exchange {
            Exchange::Answered(line) => {
                lease.give_back(host);
                Ok(line)
            }
            Exchange::Cancelled { is_reusable } => {
                if is_reusable {
                    lease.give_back(host);
                }
                Err(HostError::Cancelled)
            }
            Exchange::TimedOut | Exchange::Silent => Err(HostError::TimedOut {
                method,
                limit: call.limit,
            }),
            Exchange::OutOfMemory => Err(HostError::OutOfMemory {
                method,
                limit_mib: self.shared.config.memory >> 20,
            }),
            Exchange::Died { how } => Err(HostError::Died { method, how }),
            Exchange::Refused { why } => Err(HostError::BadAnswer { method, why }),
        }
    }
}
