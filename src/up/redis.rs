//! The stack's private Redis: a child on a Unix socket in the data folder, restarted when it dies.
//!
//! Invariant: under the stack's lock at most one Redis uses the folder. A Redis that outlived a killed stack is found
//! by its socket and stopped before a new one starts; on Linux setpriv(1) makes the kernel stop it right away.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shim_runtime::background::BackgroundTasks;
use shim_runtime::backoff::Backoff;
use shim_runtime::lifecycle::Shutdown;
use shim_runtime::stack::make_private_dir;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::redis_settings::{AppendFsync, MaxMemory};
use super::{redis_files, redis_log};
use crate::remedies::INSTALL_REDIS;
use crate::serving_process::ServingProcess;

const FIRST_RESTART: Duration = Duration::from_millis(100);
const LONGEST_RESTART: Duration = Duration::from_secs(5);
/// After so many ends in a row a Redis does not merely take a while to start.
const LOOP_AFTER: u32 = 3;
/// After this time a Redis counts as stable, and the backoff begins anew.
const STABLE_AFTER: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(10);
/// Looks at what listens where Redis should, if it cannot be told.
const LOOKS: u32 = 10;
/// Folders of programs besides `PATH`, which is short for children of desktop applications.
const PROGRAM_FOLDERS: [&str; 4] = [
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/usr/sbin",
];

/// Runs a program with a umask that leaves its files to their owner: Redis creates files by the umask.
const PRIVATE_UMASK: [&str; 4] = ["/bin/sh", "-c", r#"umask 077; exec "$@""#, "sh"];

/// A supervised Redis.
#[derive(Debug)]
pub(super) struct PrivateRedis {
    socket: PathBuf,
    supervisor: BackgroundTasks,
}

impl PrivateRedis {
    /// Starts a Redis with its files below `data_dir`, and waits for nothing: checkpoints do without it. `None`, with a warning, if the machine has none.
    pub(super) fn start(
        data_dir: &Path,
        appendfsync: AppendFsync,
        max_memory: MaxMemory,
    ) -> Option<Self> {
        let Some(program) = find_program("redis-server") else {
            tracing::warn!(
                "no redis-server found: checkpoints and recovery work in full, coordination will not; {INSTALL_REDIS}"
            );
            return None;
        };
        let socket = socket(data_dir);
        let stop = Shutdown::new();
        let supervisor = BackgroundTasks::new("stack", &stop);
        let folder = redis_files::folder(data_dir);
        let line = command_line(&program, &socket, &folder, appendfsync, max_memory);
        let (data_dir, own) = (data_dir.to_path_buf(), socket.clone());
        supervisor.spawn_restarting("redis", move || {
            supervise(line.clone(), data_dir.clone(), own.clone(), stop.clone())
        });
        Some(Self { socket, supervisor })
    }

    /// Its address, as `redis_url` would give it.
    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// Stops it and waits until it is gone.
    pub(super) async fn stop(self) {
        self.supervisor.shutdown().begin();
        self.supervisor.finish().await;
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// The private Redis's socket.
pub(crate) fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("redis.sock")
}

/// A Redis URL without its credentials: everything before an `@` may be a password.
pub(crate) fn without_secrets(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}{}", &url[..scheme + 3], &url[at + 1..])
        }
        _ => url.to_owned(),
    }
}

/// The program on `PATH` or in a usual folder.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    find_program_in(&std::env::var_os("PATH").unwrap_or_default(), name)
}

/// The program on this `PATH` or in a usual folder.
pub(crate) fn find_program_in(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(PROGRAM_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Jobs must never be evicted, and the append-only file replaces snapshots. A hash of up to 64 fields of up to 1 KiB is kept
/// packed: the hash of a queued job takes 0.6 of what Redis's default (64 bytes) makes of it.
const OPTIONS: [&str; 18] = [
    "--appendonly",
    "yes",
    "--maxmemory-policy",
    "noeviction",
    "--save",
    "",
    "--daemonize",
    "no",
    "--loglevel",
    "warning",
    "--logfile",
    "redis.log",
    "--hash-max-listpack-entries",
    "64",
    "--hash-max-listpack-value",
    "1024",
    // Its clock wakes it so often a second, whether it is used or not. It bounds how late a blocking command of another
    // program ends by its timeout: half a second at most, if nobody asks anything meanwhile.
    "--hz",
    "2",
];

fn command_line(
    program: &Path,
    socket: &Path,
    folder: &Path,
    appendfsync: AppendFsync,
    max_memory: MaxMemory,
) -> Vec<OsString> {
    let mut line: Vec<OsString> = PRIVATE_UMASK.map(Into::into).into();
    if let Some(setpriv) = find_program("setpriv").filter(|_| cfg!(target_os = "linux")) {
        line.push(setpriv.into());
        line.extend(["--pdeathsig", "TERM", "--"].map(Into::into));
    }
    line.push(program.into());
    line.extend(["--port", "0", "--unixsocketperm", "600", "--unixsocket"].map(Into::into));
    line.push(socket.into());
    line.push("--dir".into());
    line.push(folder.into());
    line.extend(OPTIONS.map(Into::into));
    line.extend(["--appendfsync", appendfsync.word()].map(Into::into));
    line.push("--maxmemory".into());
    line.push(max_memory.bytes().to_string().into());
    line
}

/// Keeps one Redis running until `stop` begins.
async fn supervise(line: Vec<OsString>, data_dir: PathBuf, socket: PathBuf, stop: Shutdown) {
    stop_orphan(&socket).await;
    let mut backoff = Backoff::new(FIRST_RESTART, LONGEST_RESTART);
    let mut ends_in_a_row = 0;
    while !stop.is_begun() {
        let started = Instant::now();
        // A disk without room has none for the folder either; it is made when there is.
        let spawned = make_private_dir(&redis_files::folder(&data_dir))
            .and_then(|()| refuse_silent_loss(&data_dir))
            .and_then(|()| spawn(&line));
        let ended = match spawned {
            Ok(mut child) => tokio::select! {
                ended = child.wait() => ended,
                () = stop.wait() => return terminate(child, &socket).await,
            },
            Err(error) => Err(error),
        };
        if started.elapsed() > STABLE_AFTER {
            backoff.reset();
            ends_in_a_row = 0;
        }
        ends_in_a_row += 1;
        let delay = backoff.next_delay();
        match ended {
            Ok(status) => tell_end(&data_dir, status, delay, ends_in_a_row),
            Err(error) if ends_in_a_row == LOOP_AFTER => {
                tracing::error!(%error, "Redis cannot be started; it is tried again every few seconds");
            }
            Err(error) => {
                tracing::warn!(%error, backoff = ?delay, "Redis does not start; trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.wait() => {}
        }
    }
}

/// Redis would start without the data, and say nothing.
fn refuse_silent_loss(data_dir: &Path) -> std::io::Result<()> {
    match redis_files::silent_loss(&redis_files::append_only(data_dir)) {
        None => Ok(()),
        Some(trouble) => Err(std::io::Error::other(format!(
            "{}; {}",
            trouble.said,
            trouble.kind.step()
        ))),
    }
}

/// Says why Redis ended; loudly, with the step that mends it, once it ends at each start.
fn tell_end(data_dir: &Path, status: ExitStatus, backoff: Duration, ends_in_a_row: u32) {
    let trouble = redis_log::last_trouble(data_dir);
    let said = trouble.as_ref().map_or("nothing", |trouble| &trouble.said);
    let log = redis_log::path(data_dir);
    if ends_in_a_row == LOOP_AFTER {
        let step = trouble
            .as_ref()
            .map_or("its log may say more", |it| it.kind.step());
        tracing::error!(%status, said, step, log = %log.display(), "Redis ends at each start; it is tried again every few seconds");
    } else {
        tracing::warn!(%status, ?backoff, said, log = %log.display(), "Redis ended; starting it again");
    }
}

fn spawn(line: &[OsString]) -> std::io::Result<Child> {
    let (program, arguments) = line.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in the terminal reaches the stack only, which stops Redis last.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Redis takes the command at once, and a signal with the next tick of its clock.
async fn terminate(mut child: Child, socket: &Path) {
    send_shutdown(socket).await;
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if timeout(STOP_WITHIN, child.wait()).await.is_err() {
        tracing::warn!("Redis did not stop in time; killing it");
        let _ = child.kill().await;
    }
}

/// Stops a Redis that outlived its stack. Call it only under the stack's lock or when no stack runs. The kernel
/// names the process behind the socket, so no other one can be hit, and none of another user is spoken to.
pub(crate) async fn stop_orphan(socket: &Path) {
    let mut looks = 0;
    let process = loop {
        match ServingProcess::behind(socket).await {
            Ok(Some(process)) => break process,
            Ok(None) => return,
            // It may be leaving at this very moment.
            Err(_) if looks < LOOKS => tokio::time::sleep(POLL).await,
            Err(error) => {
                tracing::warn!(%error, "what listens where Redis should is left alone");
                return;
            }
        }
        looks += 1;
    };
    tracing::warn!(
        pid = process.pid(),
        "stopping a Redis that outlived its stack"
    );
    send_shutdown(socket).await;
    // It removes its socket last, which would be that of the next one if that were started before.
    if timeout(STOP_WITHIN, process.exited()).await.is_err() {
        let _ = process.signal(Signal::SIGKILL);
        let _ = timeout(STOP_WITHIN, process.exited()).await;
    }
}

async fn send_shutdown(socket: &Path) {
    if let Ok(mut stream) = UnixStream::connect(socket).await {
        let _ = stream.write_all(b"SHUTDOWN\r\n").await;
    }
}

/// Whether a Redis listens on the socket.
pub(crate) async fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_password() {
        let shown = without_secrets("redis+sentinel://me:p@ss@h1:26379,h2:26379/main/0");
        assert_eq!(shown, "redis+sentinel://h1:26379,h2:26379/main/0");
        assert_eq!(without_secrets("redis://h:6379"), "redis://h:6379");
        assert_eq!(without_secrets("unix:///run/r.sock"), "unix:///run/r.sock");
    }
}
