//! A trial: a Redis is started on a copy of the private Redis's files, and says how much it holds.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::up::redis_log;
use crate::up::redis_trouble::{RedisTrouble, TroubleKind};

/// A large file is read for minutes.
const STARTS_WITHIN: Duration = Duration::from_secs(600);
const STOPS_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
/// No longer than the name of the real socket, since a socket's path is bounded.
const SOCKET: &str = "s";
const LOG: &str = "trial.log";

/// How a trial came out.
pub(super) enum Trial {
    /// Redis serves; so many keys are there.
    Serves(u64),
    /// Redis ended.
    Refused(RedisTrouble),
}

/// Starts a Redis in `folder`, whose `appendonlydir` it may change, and stops it.
pub(super) fn run(program: &Path, folder: &Path) -> io::Result<Trial> {
    let log = folder.join(LOG);
    match std::fs::remove_file(&log) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut redis = Started(spawn(program, folder)?);
    let deadline = Instant::now() + STARTS_WITHIN;
    loop {
        if let Some(keys) = ask_keys(&folder.join(SOCKET)) {
            redis.stop(&folder.join(SOCKET));
            return Ok(Trial::Serves(keys));
        }
        if let Some(status) = redis.0.try_wait()? {
            let other = || RedisTrouble {
                said: format!("it ended ({status}) and said nothing"),
                kind: TroubleKind::Other,
            };
            return Ok(Trial::Refused(
                redis_log::said_in(&log).unwrap_or_else(other),
            ));
        }
        if Instant::now() > deadline {
            let said = "it does not serve within ten minutes".to_owned();
            let kind = TroubleKind::Other;
            return Ok(Trial::Refused(RedisTrouble { said, kind }));
        }
        std::thread::sleep(POLL);
    }
}

/// Ends with this value, whatever happens.
struct Started(Child);

impl Started {
    fn stop(&mut self, socket: &Path) {
        if let Ok(mut stream) = UnixStream::connect(socket) {
            let _ = stream.write_all(b"SHUTDOWN NOSAVE\r\n");
        }
        let deadline = Instant::now() + STOPS_WITHIN;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(program: &Path, folder: &Path) -> io::Result<Child> {
    Command::new(program)
        .args(["--port", "0", "--unixsocketperm", "600", "--unixsocket"])
        .arg(folder.join(SOCKET))
        .arg("--dir")
        .arg(folder)
        .args(["--appendonly", "yes", "--save", "", "--daemonize", "no"])
        .args(["--loglevel", "warning", "--logfile", LOG])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// `None` while it does not serve: it does not listen yet, or answers that it is loading.
fn ask_keys(socket: &Path) -> Option<u64> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"DBSIZE\r\n").ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    answer.trim().strip_prefix(':')?.parse().ok()
}

/// The folder of trials: of one at a time, under the hold.
pub(super) fn folder(redis: &Path) -> PathBuf {
    redis.join("t")
}
