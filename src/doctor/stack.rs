//! The local stack: whether it runs, answers, is of this version, and can be reached where clients look.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shim_proto::checkpoint::v1::ListSessionsRequest;
use shim_proto::reasons;
use shim_runtime::client::Endpoint;
use shim_runtime::service_error::decode;
use shim_runtime::stack::{StackInfo, StackState};

use super::check::{Check, Verdict};
use super::services::{self, RedisOwner};
use crate::config::Config;
use crate::connection::{checkpoints_at, request};
use crate::remedies::shell_word;
use crate::surroundings;
use crate::up::{redis, redis_log};

/// `sun_path` holds 108 bytes with its NUL on Linux (unix(7)), 104 on macOS.
const MAX_SOCKET_PATH: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

pub(super) async fn check(config: &Config) -> Vec<Check> {
    let mut checks = vec![socket_path(config.data_dir())];
    match config.stack().state() {
        StackState::Running(info) => checks.extend(running(config, info).await),
        StackState::Starting => checks.push(Check::ok("stack", "it is starting")),
        StackState::Held(why) => checks.push(Check::warn(
            "stack",
            format!("it may not start now: {why}"),
            "wait until that ends",
        )),
        StackState::Stopped => {
            checks.push(Check::ok(
                "stack",
                "it is not running; the gateway starts it when needed",
            ));
            checks.extend(port(config));
        }
    }
    checks.extend(services_elsewhere(config).await);
    checks
}

/// A stack that runs: its version, its services and its Redis.
async fn running(config: &Config, info: StackInfo) -> Vec<Check> {
    let mut checks = vec![version(&info)];
    checks.extend(surroundings_of(config, &info));
    checks.push(service_check(config, Endpoint::Unix(info.socket.clone())).await);
    let redis = private_redis(config, &info).await;
    let owner = match &redis {
        Some(check) if check.verdict != Verdict::Ok => RedisOwner::StackInTrouble,
        _ => RedisOwner::Other,
    };
    checks.extend(redis);
    let endpoint = Endpoint::Unix(info.socket);
    checks.extend(services::coordination(config, &endpoint, owner).await);
    checks.push(services::worker_host(config, &endpoint, owner).await);
    checks
}

/// The services that are configured by an address.
async fn services_elsewhere(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(endpoint) = &config.runtime.endpoints.checkpoint {
        checks.push(service_check(config, endpoint.clone()).await);
    }
    if let Some(endpoint) = &config.runtime.endpoints.coordination {
        checks.extend(services::coordination(config, endpoint, RedisOwner::Other).await);
    }
    if let Some(endpoint) = &config.runtime.endpoints.worker {
        checks.push(services::worker_host(config, endpoint, RedisOwner::Other).await);
    }
    checks
}

/// The socket of Redis has the longest name of the sockets in the folder.
fn socket_path(data_dir: &Path) -> Check {
    let path = redis::socket(data_dir);
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        let detail = format!(
            "{} has {length} bytes, and the kernel takes {MAX_SOCKET_PATH}",
            path.display()
        );
        return Check::fail("socket path", detail, "choose a shorter data_dir");
    }
    Check::ok(
        "socket path",
        format!("{length} of {MAX_SOCKET_PATH} bytes"),
    )
}

fn version(info: &StackInfo) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    if info.version == own {
        return Check::ok("stack", format!("running, pid {}, version {own}", info.pid));
    }
    let detail = format!("version {} runs, and this program is {own}", info.version);
    Check::warn(
        "stack",
        detail,
        "restart it: `shim down && shim up --detach`",
    )
}

/// What the stack's first starter gave it, against what this shell would; the version has a check of its own.
fn surroundings_of(config: &Config, info: &StackInfo) -> Vec<Check> {
    let name = "surroundings";
    let differences = surroundings::differences(config, info);
    let of_version = |it: &surroundings::Difference| it.what.starts_with("version ");
    let found: Vec<Check> = differences
        .into_iter()
        .filter(|it| !of_version(it))
        .map(|it| Check::warn(name, it.what, it.step))
        .collect();
    if found.is_empty() && info.surroundings.is_some() {
        return vec![Check::ok(
            name,
            "the stack runs with this shell's PATH, settings and Redis",
        )];
    }
    found
}

/// The stack's own Redis: whether it answers, takes a while, or ends at each start.
async fn private_redis(config: &Config, info: &StackInfo) -> Option<Check> {
    let (name, folder) = ("redis", config.data_dir());
    let socket = redis::socket(folder);
    let is_private = info.redis.as_ref()?.contains(&*socket.to_string_lossy());
    if !is_private {
        return None;
    }
    let log = redis_log::path(folder);
    if redis::answers(&socket).await {
        return Some(Check::ok(
            name,
            format!("it runs; its log is {}", log.display()),
        ));
    }
    Some(match redis_log::last_trouble(folder) {
        Some(trouble) => Check::fail(
            name,
            format!("{} ({})", trouble.headline(), log.display()),
            trouble.kind.step(),
        ),
        None => Check::warn(
            name,
            format!(
                "it does not answer yet; its log, {}, names no trouble",
                log.display()
            ),
            "a large file is read for some seconds; look again then",
        ),
    })
}

async fn service_check(config: &Config, endpoint: Endpoint) -> Check {
    let name = "service";
    let remedy = "look at shim.log in the data folder, then `shim down && shim up --detach`";
    let mut service = match checkpoints_at(config, &endpoint) {
        Ok(service) => service,
        Err(failure) => return Check::fail(name, failure.to_string(), "correct auth.token_file"),
    };
    match service
        .list_sessions(request(ListSessionsRequest {
            page_size: 1,
            ..ListSessionsRequest::default()
        }))
        .await
    {
        Ok(_) => Check::ok(name, format!("{endpoint} answers")),
        Err(status) => {
            let decoded = decode(&status);
            let detail = format!("{endpoint}: {decoded}");
            if decoded.reason == reasons::DATABASE_REPLACED {
                return Check::fail(name, detail, ways_on(config.data_dir()).await);
            }
            Check::fail(name, detail, remedy)
        }
    }
}

/// Whether a check says that the stack has another database open than the one in the folder.
pub(super) fn says_replaced(check: &Check) -> bool {
    check.verdict == Verdict::Fail && check.detail.contains(reasons::DATABASE_REPLACED)
}

/// What a replaced database held is saved within moments of the first refusal.
async fn rescued(data_dir: &Path) -> Option<PathBuf> {
    const LOOKS: u32 = 20;
    for _ in 1..LOOKS {
        if let Some(file) = shim_checkpoint::newest_rescued(data_dir) {
            return Some(file);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shim_checkpoint::newest_rescued(data_dir)
}

/// Both ways on from a database that was replaced under the stack.
async fn ways_on(data_dir: &Path) -> String {
    let onwards = "`shim down && shim up --detach` goes on with the file that is there now";
    match rescued(data_dir).await {
        Some(file) => format!(
            "put the files back, or `shim sessions restore-backup {}` goes back to what it held; {onwards}",
            shell_word(&file.display().to_string())
        ),
        None => format!(
            "put the files back, or go back to a backup with `shim sessions restore-backup FILE`; {onwards}"
        ),
    }
}

fn port(config: &Config) -> Option<Check> {
    let address = config.runtime.listen?;
    Some(match TcpListener::bind(address) {
        Ok(_) => Check::ok("port", format!("{address} is free")),
        Err(why) => Check::fail(
            "port",
            format!("{address}: {why}"),
            "stop what holds it, or change `listen`",
        ),
    })
}
