//! The processes of a suite: a Redis that syncs every write, coordination and worker services, each in a process of its
//! own and on a socket of its own.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use shim_redis_harness::{Launch as RedisLaunch, Redis};

use crate::process;
use crate::service::{Launch, Service};
use crate::temp_env::TempEnv;

/// How many of each service there are.
pub(super) const SERVICES: usize = 2;
/// What the programs of the worker services do: take a little time and answer.
const PROGRAM: &str = "sleep 0.1; echo done";

/// The processes. They end with this.
pub(super) struct TestStack {
    pub(super) temp: TempEnv,
    pub(super) redis: Redis,
    pub(super) coordination: Vec<TestService>,
    pub(super) workers: Vec<TestService>,
}

/// A service that can be taken away and brought back.
pub(super) struct TestService {
    subcommand: &'static str,
    launch: Launch,
    service: Service,
}

impl TestStack {
    /// Starts all of them; workers are dead after a silence of `dead_after`.
    pub(super) async fn start(dead_after: Duration, with_programs: bool) -> Self {
        let temp = TempEnv::new();
        let redis = RedisLaunch::new().setting("appendfsync", "always").start();
        let (mut coordination, mut workers) = (Vec::new(), Vec::new());
        for number in 0..SERVICES {
            let name = format!("coordination-{number}");
            let launch = Launch::coordination(&temp.data_dir(), &redis.url()).named(&name);
            coordination.push(
                TestService::start("shim coordination", with_dead_after(launch, dead_after)).await,
            );
            let data_dir = temp.root().join(format!("worker-{number}"));
            let name = format!("worker-{number}");
            let mut launch = Launch::worker(&data_dir, &redis.url()).named(&name);
            if with_programs {
                launch = with_program(launch, &temp);
            }
            workers
                .push(TestService::start("shim worker", with_dead_after(launch, dead_after)).await);
        }
        Self {
            temp,
            redis,
            coordination,
            workers,
        }
    }
}

/// The sockets of some services.
pub(super) fn sockets(servers: &[TestService]) -> Vec<PathBuf> {
    let sockets = servers.iter().map(|server| server.service.socket().into());
    sockets.collect()
}

fn with_dead_after(launch: Launch, dead_after: Duration) -> Launch {
    let heartbeat = dead_after.mul_f64(0.3);
    launch
        .env(
            "SHIM_REGISTRY_DEAD_AFTER",
            &format!("{}ms", dead_after.as_millis()),
        )
        .env(
            "SHIM_REGISTRY_HEARTBEAT",
            &format!("{}ms", heartbeat.as_millis()),
        )
}

/// With a worker of its own that runs a program.
fn with_program(launch: Launch, temp: &TempEnv) -> Launch {
    let root = temp.project();
    let root = root.to_string_lossy();
    let program = format!("-c, {PROGRAM}");
    [
        ("ROOTS", root.as_ref()),
        ("START", "echo"),
        ("EXECUTORS_ECHO_KIND", "command"),
        ("EXECUTORS_ECHO_PROGRAM", "/bin/sh"),
        ("EXECUTORS_ECHO_ARGS", &program),
        ("EXECUTORS_ECHO_CAPACITY", "2"),
    ]
    .iter()
    .fold(launch, |launch, (key, value)| {
        launch.env(&format!("SHIM_WORKER_{key}"), value)
    })
}

impl TestService {
    async fn start(subcommand: &'static str, launch: Launch) -> Self {
        let service = launch.start_or_panic().await;
        Self {
            subcommand,
            launch,
            service,
        }
    }

    /// The process that runs now.
    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// What it is.
    pub(super) fn subcommand(&self) -> &'static str {
        self.subcommand
    }

    /// Kills it.
    pub(super) fn kill(&mut self) {
        self.service.kill();
    }

    /// Starts it again in its old place. Whether it is ready depends on Redis, so this does not wait.
    pub(super) fn restart(&mut self) {
        self.service = self.launch.spawn();
    }

    /// Stops it in its tracks.
    pub(super) fn freeze(&self) {
        process::signal(self.service.pid(), Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(super) fn thaw(&self) {
        process::signal(self.service.pid(), Signal::SIGCONT);
    }

    /// Its log, if it ended without being asked to.
    pub(super) fn exit_report(&mut self) -> Option<String> {
        let status = self.service.exit_status()?;
        Some(format!("{status}\n{}", self.service.log()))
    }
}
