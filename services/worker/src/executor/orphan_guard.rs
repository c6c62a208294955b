//! The keeper: a shell that outlives this process by a moment, to kill the process groups it leaves behind.
//!
//! It knows the running groups and reads from a pipe that only this process writes to. However this process ends, kill
//! -9 included, the pipe closes, and the keeper kills the groups with all grandchildren. (The kernel's own signal at the
//! death of a parent reaches children only, and comes at the end of the *thread* that started them.)

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// "+ GROUP" is kept from then on, "- GROUP" is not; at the end of the input all that are kept are killed. Signals that
/// are meant for this process do not end its keeper.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
kept=' '
while read -r change group; do
  case $change in
    +) kept="$kept$group " ;;
    -) case $kept in *" $group "*) kept="${kept%%" $group "*} ${kept#*" $group "}" ;; esac ;;
  esac
done
for group in $kept; do kill -s KILL -- "-$group"; done
"#;

/// Started with the first group, and again if it was killed.
#[derive(Debug, Default)]
pub(super) struct OrphanGuard {
    shell: Option<Shell>,
    groups: BTreeSet<i32>,
}

impl OrphanGuard {
    /// Has the group killed if this process ends before [`OrphanGuard::remove`].
    pub(super) fn add(&mut self, group: i32) -> std::io::Result<()> {
        self.groups.insert(group);
        let sent = match &mut self.shell {
            Some(shell) => shell.send('+', group),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if sent.is_ok() {
            return sent;
        }
        // The old one dies before its pipe closes, or it would kill what is still running.
        if let Some(old) = self.shell.take() {
            old.kill();
        }
        let mut shell = Shell::start()?;
        for group in &self.groups {
            shell.send('+', *group)?;
        }
        self.shell = Some(shell);
        Ok(())
    }

    /// The group is gone.
    pub(super) fn remove(&mut self, group: i32) {
        self.groups.remove(&group);
        if let Some(shell) = &mut self.shell {
            // A keeper that cannot be told is dead, and the next group starts another.
            let _ = shell.send('-', group);
        }
    }
}

#[derive(Debug)]
struct Shell {
    child: Child,
    input: Option<ChildStdin>,
}

impl Shell {
    fn start() -> std::io::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal is for this process.
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    fn send(&mut self, change: char, group: i32) -> std::io::Result<()> {
        let line = format!("{change} {group}\n");
        match &mut self.input {
            Some(input) => input.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Shell {
    /// Lets it do its work and end.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
