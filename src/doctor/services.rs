//! Coordination: the way to Redis, the queues, the worker service and the programs of its executors.

use shim_exec::find_program;
use shim_proto::coordination::v1::QueueHealthResponse;
use shim_proto::reasons;
use shim_proto::worker::v1::GetWorkerHealthRequest;
use shim_render::figures::count;
use shim_runtime::client::Endpoint;
use shim_runtime::service_error::decode;
use shim_worker::ExecutorConfig;
use tonic::{Code, Status};

use super::check::Check;
use super::{bounds, store_sizes};
use crate::config::Config;
use crate::connection::{Coordination, call, coordination_at, request, worker_host_at};
use crate::error::CliError;
use crate::remedies::INSTALL_REDIS;
use crate::tasks::health;
use crate::workers::pages;

const RESTART: &str = "restart it: `shim down && shim up --detach`";

/// Whose Redis a service uses, as far as its failure is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedisOwner {
    /// The stack's own, for whose trouble the check `redis` has the reason.
    StackInTrouble,
    /// Another one, or one without trouble.
    Other,
}

/// The coordination service at `endpoint` and its queues. The service itself reports whether its Redis can be used.
pub(super) async fn coordination(
    config: &Config,
    endpoint: &Endpoint,
    redis: RedisOwner,
) -> Vec<Check> {
    let name = "coordination";
    let mut service = match coordination_at(config, endpoint) {
        Ok(service) => service,
        Err(failure) => {
            return vec![Check::fail(
                name,
                failure.to_string(),
                "correct auth.token_file",
            )];
        }
    };
    match pages::page(&mut service).await {
        Ok(workers) => {
            let workers = count(workers.len() as u64, "worker");
            let detail = format!("{endpoint} answers with its Redis; {workers}");
            let mut checks = vec![Check::ok(name, detail)];
            checks.extend(queues(&mut service).await);
            checks
        }
        Err(status) => vec![refused(name, endpoint, status, redis)],
    }
}

fn refused(name: &'static str, endpoint: &Endpoint, status: Status, redis: RedisOwner) -> Check {
    let reason = decode(&status).reason;
    let outdated = status.code() == Code::Unimplemented;
    let detail = format!("{endpoint}: {}", CliError::from(status));
    match reason.as_str() {
        reasons::NO_REDIS => Check::warn(name, detail, INSTALL_REDIS),
        reasons::STORE_UNAVAILABLE if redis == RedisOwner::StackInTrouble => {
            let remedy =
                "the stack's own Redis does not run: the check `redis` says why, and what to do";
            Check::fail(name, detail, remedy)
        }
        reasons::STORE_UNAVAILABLE => {
            let remedy = if detail.contains("Sentinel ") {
                "see that the server named runs, and that redis_url, redis.sentinel_username, redis.sentinel_password and \
                 redis.ca_file are right"
            } else {
                "see that the Redis runs, and that redis_url, redis.ca_file and the password are right"
            };
            Check::fail(name, detail, remedy)
        }
        _ if outdated => Check::fail(name, detail, RESTART),
        _ => Check::fail(name, detail, "look at the service's log"),
    }
}

/// Warnings about queues that a finding tells; each queue may have one.
const MAX_WARNINGS: usize = 5;

/// The queues, and what the store takes.
async fn queues(service: &mut Coordination) -> Vec<Check> {
    let name = "tasks";
    let queues = match health::read(service).await {
        Ok(queues) => queues,
        Err(status) => {
            let remedy = if status.code() == Code::Unimplemented {
                RESTART
            } else {
                "look at the service's log"
            };
            return vec![Check::fail(
                name,
                CliError::from(status).to_string(),
                remedy,
            )];
        }
    };
    let mut checks = vec![tasks(&queues), store_sizes::check(&queues)];
    checks.extend(bounds::check(&queues));
    checks
}

fn tasks(queues: &QueueHealthResponse) -> Check {
    let name = "tasks";
    let warnings = health::warnings(queues);
    if warnings.is_empty() {
        return Check::ok(name, health::summary(queues));
    }
    let remedy = if queues.queues.iter().any(|queue| queue.paused) {
        "`shim tasks resume` lets paused queues go on; `shim tasks health` shows what waits"
    } else {
        "`shim tasks health` shows what waits, `shim workers list` who could take it"
    };
    let mut told = warnings[..warnings.len().min(MAX_WARNINGS)].join("; ");
    if let Some(more @ 1..) = warnings.len().checked_sub(MAX_WARNINGS) {
        told.push_str(&format!("; and {more} more"));
    }
    Check::warn(name, told, remedy)
}

/// The worker service at `endpoint`.
pub(super) async fn worker_host(config: &Config, endpoint: &Endpoint, redis: RedisOwner) -> Check {
    let name = "worker";
    let mut host = match worker_host_at(config, endpoint) {
        Ok(host) => host,
        Err(failure) => return Check::fail(name, failure.to_string(), "correct auth.token_file"),
    };
    let asked = request(GetWorkerHealthRequest::default());
    match call(host.get_worker_health(asked)).await {
        Ok(response) => {
            let workers = count(response.workers.len() as u64, "worker");
            Check::ok(name, format!("{endpoint} answers; {workers} of its own"))
        }
        Err(status) => refused(name, endpoint, status, redis),
    }
}

/// The configured executors, and whether their programs can be run.
pub(super) fn executors(config: &Config) -> Vec<Check> {
    let executors = &config.worker.executors;
    if executors.is_empty() {
        return vec![Check::ok(
            "executors",
            "none are configured (worker.executors): tasks are done by Claude windows",
        )];
    }
    executors.values().map(executor).collect()
}

fn executor(executor: &ExecutorConfig) -> Check {
    let ExecutorConfig {
        name,
        kind,
        capacity,
        program,
        ..
    } = executor;
    match find_program(program) {
        Ok(file) => {
            let tasks = count((*capacity).into(), "task");
            let detail = format!("{name}: {kind} {}, {tasks} at once", file.display());
            Check::ok("executor", detail)
        }
        Err(why) => Check::fail(
            "executor",
            format!("{name}: {why}"),
            format!("install it, or correct worker.executors.{name}.program"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;
    use shim_worker::ExecutorKind;
    use std::time::Duration;

    #[test]
    fn an_executor_without_a_program_is_found() {
        let mut config = ExecutorConfig {
            name: "shell".into(),
            kind: ExecutorKind::Command,
            program: "sh".into(),
            args: Vec::new(),
            allow_args: false,
            capabilities: Vec::new(),
            capacity: 2,
            working_dir: None,
            timeout: Duration::from_secs(60),
            env: Vec::new(),
            fail_on_denial: false,
            resume: true,
        };
        let check = executor(&config);
        assert_eq!(check.verdict, Verdict::Ok);
        assert!(
            check.detail.starts_with("shell: command /")
                && check.detail.ends_with("2 tasks at once")
        );
        config.program = "no-such-program-here".into();
        let check = executor(&config);
        assert_eq!(check.verdict, Verdict::Fail);
        assert_eq!(check.detail, "shell: no-such-program-here is not on PATH");
    }
}
