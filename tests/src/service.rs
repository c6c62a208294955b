//! One service of the `shim` program as a process of its own: started, found healthy, killed.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shim_proto::checkpoint::v1::checkpoint_service_client::CheckpointServiceClient;
use shim_proto::checkpoint::v1::signal_service_client::SignalServiceClient;
use shim_runtime::client::{Channel, Endpoint, connect};
use shim_runtime::stack::Stack;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::coordination::CoordinationClients;
use crate::tasks::TaskClients;
use crate::{binary, process};

/// A machine under load starts slowly; a healthy service is ready in some milliseconds.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How to start a service.
#[derive(Debug, Clone)]
pub struct Launch {
    subcommand: &'static str,
    /// The gRPC service whose health tells that it serves; empty for the server as a whole.
    health: &'static str,
    /// What its socket and log are named after.
    name: String,
    data_dir: PathBuf,
    environment: Vec<(String, String)>,
    umask: Option<&'static str>,
    /// The words that go before the program; they must become it.
    entry: Vec<String>,
}

/// The service did not become ready.
#[derive(Debug)]
pub struct StartFailure {
    /// How it left; `None` if it hung.
    pub status: Option<ExitStatus>,
    /// What it said.
    pub log: String,
}

impl Launch {
    /// The checkpoint service on `data_dir`, whose socket and log lie beside that folder so that it may be full or
    /// read-only.
    #[must_use]
    pub fn checkpoint(data_dir: &Path) -> Self {
        Self::of("checkpoint", "", data_dir)
    }

    /// The coordination service on a Redis; ready when it has reached that Redis. `data_dir` only says where its
    /// socket and log are: beside it.
    #[must_use]
    pub fn coordination(data_dir: &Path, redis_url: &str) -> Self {
        Self::of(
            "coordination",
            "shim.coordination.v1.StateService",
            data_dir,
        )
        .env("SHIM_REDIS_URL", redis_url)
    }

    /// The worker service on a Redis; ready when it gives out tasks. What its programs leave goes to `data_dir`, beside
    /// which its socket and log are.
    #[must_use]
    pub fn worker(data_dir: &Path, redis_url: &str) -> Self {
        Self::of("worker", "shim.worker.v1.WorkerService", data_dir)
            .env("SHIM_REDIS_URL", redis_url)
    }

    /// The evolution service on `data_dir`, where it installs its tools at the first call.
    #[must_use]
    pub fn evolution(data_dir: &Path) -> Self {
        Self::of("evolution", "shim.evolution.v1.EvolutionService", data_dir)
    }

    /// The local stack with all services, on `redis_url` instead of a Redis of its own; ready when it gives out tasks.
    #[must_use]
    pub fn stack(data_dir: &Path, redis_url: &str) -> Self {
        Self::of("up", "shim.worker.v1.WorkerService", data_dir).env("SHIM_REDIS_URL", redis_url)
    }

    /// The local stack with a Redis of its own; ready when it gives out tasks.
    #[must_use]
    pub fn own_stack(data_dir: &Path) -> Self {
        Self::of("up", "shim.worker.v1.WorkerService", data_dir)
    }

    fn of(subcommand: &'static str, health: &'static str, data_dir: &Path) -> Self {
        Self {
            subcommand,
            health,
            name: subcommand.to_owned(),
            data_dir: data_dir.to_path_buf(),
            environment: Vec::new(),
            umask: None,
            entry: Vec::new(),
        }
    }

    /// One of several at the same place.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Through these words, such as `nsenter`, which become the program.
    #[must_use]
    pub fn entry(mut self, words: Vec<String>) -> Self {
        self.entry = words;
        self
    }

    /// Under this umask, as a shell has it: `022`.
    #[must_use]
    pub fn umask(mut self, umask: &'static str) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Starts it and returns at once.
    ///
    /// # Panics
    /// If the binary cannot be run.
    #[must_use]
    pub fn spawn(&self) -> Service {
        let beside = self.data_dir.parent().expect("a data folder has a parent");
        let is_stack = self.subcommand == "up";
        let socket = if is_stack {
            Stack::at(&self.data_dir).socket()
        } else {
            beside.join(format!("{}.sock", self.name))
        };
        let log_path = beside.join(format!("{}.log", self.name));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .expect("the log can be written");
        let mut command = match (self.umask, self.entry.split_first()) {
            (Some(umask), _) => command_under_umask(umask, binary::shim()),
            (None, Some((entry, words))) => {
                let mut command = Command::new(entry);
                command.args(words).arg(binary::shim());
                command
            }
            (None, None) => Command::new(binary::shim()),
        };
        command
            .arg("--data-dir")
            .arg(&self.data_dir)
            .arg(self.subcommand);
        // The stack's place is fixed: clients look for it there.
        if !is_stack {
            command.arg("--socket").arg(&socket);
        }
        let child = command
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the shim binary runs");
        Service {
            child,
            health: self.health,
            socket,
            log_path,
        }
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// If it leaves before, or does not serve in time.
    pub async fn start(&self) -> Result<Service, StartFailure> {
        let mut service = self.spawn();
        service.wait_until_ready().await?;
        Ok(service)
    }

    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start_or_panic(&self) -> Service {
        match self.start().await {
            Ok(service) => service,
            Err(failure) => panic!(
                "shim {} did not start: {:?}\n{}",
                self.subcommand, failure.status, failure.log
            ),
        }
    }
}

/// A command that runs a program, whose arguments may follow, under a umask and as the process that was started.
#[must_use]
pub fn command_under_umask(umask: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("/bin/sh");
    let script = r#"umask "$0"; exec "$@""#;
    command.args(["-c", script, umask]).arg(program);
    command
}

/// A running service. Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    child: Child,
    health: &'static str,
    socket: PathBuf,
    log_path: PathBuf,
}

impl Service {
    /// Starts the checkpoint service on `data_dir` and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(data_dir: &Path) -> Self {
        Launch::checkpoint(data_dir).start_or_panic().await
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// If it leaves before, or does not serve in time.
    pub async fn wait_until_ready(&mut self) -> Result<(), StartFailure> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Err(StartFailure {
                    status: Some(status),
                    log: self.log(),
                });
            }
            if self.is_healthy().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(StartFailure {
                    status: None,
                    log: self.log(),
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Whether the health check says SERVING.
    pub async fn is_healthy(&self) -> bool {
        self.is_serving(self.health).await
    }

    /// Whether the health check of a gRPC service, or of the server as a whole if `name` is empty, says SERVING.
    pub async fn is_serving(&self, name: &str) -> bool {
        if !self.socket.exists() {
            return false;
        }
        let mut health = HealthClient::new(self.channel());
        let request = HealthCheckRequest {
            service: name.to_owned(),
        };
        // A service that bound its socket but does not serve yet keeps the caller waiting.
        match tokio::time::timeout(CHECK_TIMEOUT, health.check(request)).await {
            Ok(Ok(answer)) => answer.get_ref().status() == ServingStatus::Serving,
            _ => false,
        }
    }

    /// A new connection; lazy, so it can be made before the service is ready.
    ///
    /// # Panics
    /// If the socket's path is no URI.
    #[must_use]
    pub fn channel(&self) -> Channel {
        connect(&Endpoint::Unix(self.socket.clone()), None).expect("a temporary path is a good URI")
    }

    /// A client for checkpoints, which takes answers of any size.
    #[must_use]
    pub fn client(&self) -> CheckpointServiceClient<Channel> {
        CheckpointServiceClient::new(self.channel()).max_decoding_message_size(usize::MAX)
    }

    /// A client for signals.
    #[must_use]
    pub fn signals(&self) -> SignalServiceClient<Channel> {
        SignalServiceClient::new(self.channel())
    }

    /// Clients of the coordination service.
    #[must_use]
    pub fn coordination(&self) -> CoordinationClients {
        CoordinationClients::over(&self.channel())
    }

    /// Clients to submit tasks and to do them.
    #[must_use]
    pub fn tasks(&self) -> TaskClients {
        TaskClients::over(&self.channel())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its resident memory in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        process::resident_bytes(self.pid())
    }

    /// What it and its forerunners on the same place logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log_path).unwrap_or_default()
    }

    /// Ends it with SIGKILL and waits until the kernel has taken it away.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn kill(&mut self) {
        process::signal(self.child.id(), Signal::SIGKILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks it to stop and waits for its exit.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn stop(&mut self) -> ExitStatus {
        process::signal(self.child.id(), Signal::SIGTERM);
        self.child.wait().expect("a child can be waited for")
    }

    /// Whether it left by itself, and how.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }
}

impl Drop for Service {
    /// A story that fails shows what the service said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log_path.display(), self.log());
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}
