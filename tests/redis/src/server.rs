//! One running Redis, which a test commands, kills, restarts and freezes.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::launch::{self, Launch, Tls};
use crate::port::Port;
use crate::reply::{self, Reply};

/// A start takes milliseconds, but longer on a busy machine or with a long append-only file.
const START_PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);

/// A Redis in a folder of its own. Dropping it kills it and removes the folder.
#[derive(Debug)]
pub struct Redis {
    launch: Launch,
    folder: TempDir,
    ports: Vec<Port>,
    certificates: Option<Certificates>,
    child: Option<Child>,
}

impl Redis {
    /// Starts a server with the default settings, and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn start() -> Self {
        Launch::new().start()
    }

    pub(crate) fn launch(launch: Launch) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("shim-redis-")
            .tempdir()
            .expect("the temporary folder is writable");
        let certificates = (launch.tls != Tls::Plain).then(|| Certificates::make(folder.path()));
        let ports = launch.ports();
        let mut redis = Self {
            launch,
            folder,
            ports,
            certificates,
            child: None,
        };
        redis.write_config();
        redis.restart();
        redis
    }

    fn write_config(&self) {
        let mut text = self
            .launch
            .config(self.folder(), self.port(), self.certificates.as_ref());
        if let [_, bus] = &self.ports[..] {
            text.push_str(&format!("cluster-port {}\n", bus.number()));
        }
        std::fs::write(self.config_file(), text).expect("a new folder is writable");
    }

    fn config_file(&self) -> PathBuf {
        self.folder().join("redis.conf")
    }

    /// Its TCP address in the form of `redis_url`: `redis://` or, with TLS, `rediss://`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.launch.tls == Tls::Plain {
            "redis"
        } else {
            "rediss"
        };
        format!("{scheme}://{}{}", self.credentials(), self.address())
    }

    /// Its Unix socket in the form of `redis_url`.
    #[must_use]
    pub fn unix_url(&self) -> String {
        let query = self.password();
        let query = query.map_or_else(String::new, |password| format!("?pass={password}"));
        format!("redis+unix://{}{query}", self.socket().display())
    }

    /// `:password@`, or nothing.
    fn credentials(&self) -> String {
        let password = self.password();
        password.map_or_else(String::new, |password| format!(":{password}@"))
    }

    /// The password, escaped for a URL.
    fn password(&self) -> Option<String> {
        let password = self.launch.password.as_ref()?;
        let escaped = password.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        Some(escaped.collect())
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Its TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports[0].number()
    }

    pub(crate) fn bus_port(&self) -> u16 {
        self.ports[1].number()
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder().join("redis.sock")
    }

    /// Its folder, with its data and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificates of a Redis with TLS.
    ///
    /// # Panics
    /// If it has no certificates.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        let certificates = self.certificates.as_ref();
        certificates.expect("only a Redis with TLS has certificates")
    }

    /// The id of its process.
    ///
    /// # Panics
    /// If it was killed.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("redis.log")).unwrap_or_default()
    }

    /// Sends a command, one word per argument, over the Unix socket.
    ///
    /// # Errors
    /// Redis's refusal.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn command(&self, words: &[&str]) -> Result<Reply, String> {
        self.try_command(words)
            .unwrap_or_else(|e| panic!("{words:?} was not answered: {e}\n{}", self.log()))
    }

    pub(crate) fn try_command(&self, words: &[&str]) -> io::Result<Result<Reply, String>> {
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        if let Some(password) = &self.launch.password
            && let Err(refusal) = reply::command(&stream, &["AUTH", password])?
        {
            return Ok(Err(refusal));
        }
        reply::command(&stream, words)
    }

    /// Ends it with SIGKILL and waits until it is gone. Its folder stays for [`Redis::restart`].
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Kills the server if it runs, starts it again on the same folder, socket and ports, and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn restart(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        self.child = Some(launch::spawn(&self.config_file(), &[]));
        let deadline = Instant::now() + START_PATIENCE;
        while !self.is_ready() {
            let left = self.child.as_mut().and_then(|child| child.try_wait().ok());
            if Instant::now() > deadline || left.flatten().is_some() {
                panic!("Redis did not start\n{}", self.log());
            }
            std::thread::sleep(POLL);
        }
    }

    /// A Redis that still loads its data refuses PING.
    fn is_ready(&self) -> bool {
        matches!(self.try_command(&["PING"]), Ok(Ok(Reply::Text(pong))) if pong == "PONG")
    }

    /// Suspends the process: its connections stay open, and it answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Resumes the process.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a pid fits");
        kill(Pid::from_raw(pid), signal).expect("an own child can be signalled");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until `is_so`: for a state that several servers reach together.
///
/// # Panics
/// If it takes longer than 30 seconds.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + START_PATIENCE;
    while !is_so() {
        assert!(
            Instant::now() < deadline,
            "{what}: not within {START_PATIENCE:?}"
        );
        std::thread::sleep(POLL);
    }
}
