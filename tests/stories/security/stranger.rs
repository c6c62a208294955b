//! Another user of the machine, who prepared a data folder: a lock that names a process of ours, and a socket that listens.
//! Needs root, which alone can be somebody else.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// `nobody` of most systems.
pub(super) const UID: &str = "65534";

/// Makes the folder its own, holds the lock, and prints what each caller says, in hexadecimal digits.
const SCRIPT: &str = r#"
import fcntl, json, os, socket, sys
folder, pid = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
at = lambda name: os.path.join(folder, name)
server = socket.socket(socket.AF_UNIX)
server.bind(at("shim.sock"))
os.chmod(at("shim.sock"), 0o666)
server.listen()
lock = open(at("stack.lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX)
json.dump({"pid": pid, "version": "0.1.0", "started_unix_ms": 1, "socket": at("shim.sock"), "tcp": None, "redis": None}, lock)
lock.flush()
os.chmod(at("stack.lock"), 0o644)
print("ready", flush=True)
while True:
    client, _ = server.accept()
    print("said:" + client.recv(65536).hex(), flush=True)
    client.close()
"#;

/// A folder in which everybody may make files, as `/tmp`.
pub(super) fn public_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("shim-").tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    folder
}

/// A command of another user; `None`, with the reason printed, if this process cannot be one.
pub(super) fn command_of_stranger(program: impl AsRef<Path>) -> Option<Command> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can be another user");
        return None;
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", UID, "--regid", UID, "--clear-groups", "--"])
        .arg(program.as_ref())
        .env("HOME", "/nonexistent")
        .current_dir("/");
    Some(command)
}

/// The stranger at work. Dropping it ends it.
pub(super) struct Stranger {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Stranger {
    /// Prepares `folder`, whose lock names `pid`, with this command of Python.
    pub(super) fn prepare(mut python: Command, folder: &Path, pid: u32) -> Self {
        let mut child = python
            .args(["-c", SCRIPT])
            .arg(folder)
            .arg(pid.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, output }
    }

    /// Ends it. Returns all bytes that it was sent, in hexadecimal digits.
    pub(super) fn heard(mut self) -> String {
        self.child.kill().unwrap();
        let mut heard = String::new();
        self.output.read_to_string(&mut heard).unwrap();
        heard.replace("said:", "").replace('\n', "")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process of ours that nobody may end.
pub(super) struct Victim(Child);

impl Victim {
    pub(super) fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn assert_alive(&mut self, after: &str) {
        assert!(self.0.try_wait().unwrap().is_none(), "{after} ended it");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The system's Python, which every user can run.
pub(super) fn python() -> PathBuf {
    PathBuf::from("python3")
}
