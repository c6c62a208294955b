//! The orphan guard: a shell that outlives this process by a moment, to kill the process groups it leaves behind.
//!
//! The guard knows the running groups and reads from a pipe that only this process writes to. However this process ends, kill
//! -9 included, the pipe closes, and the guard kills the groups with all grandchildren. (The kernel's own signal at the
//! death of a parent, PR_SET_PDEATHSIG, reaches children only, and comes at the end of the *thread* that started them.)

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// "+ GROUP" guards a group, "- GROUP" ends that; at the end of the input all guarded groups are killed. Signals to this
/// process from its terminal do not end the guard.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
guarded=' '
while read -r change group; do
  case $change in
    +) guarded="$guarded$group " ;;
    -) case $guarded in *" $group "*) guarded="${guarded%%" $group "*} ${guarded#*" $group "}" ;; esac ;;
  esac
done
for group in $guarded; do kill -s KILL -- "-$group"; done
"#;

/// The guard of this process's groups: started with the first one, and started anew if it was killed.
#[derive(Debug, Default)]
pub(crate) struct OrphanGuard {
    shell: Option<Shell>,
    groups: BTreeSet<i32>,
}

impl OrphanGuard {
    /// Guards a group: it is killed if this process ends before [`OrphanGuard::remove`].
    pub(crate) fn add(&mut self, group: i32) -> std::io::Result<()> {
        self.groups.insert(group);
        let sent = match &mut self.shell {
            Some(shell) => shell.send('+', group),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if sent.is_ok() {
            return sent;
        }
        // The old shell dies before its pipe closes, or it would kill what is still running.
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

    /// Ends the guard of a group that is gone.
    pub(crate) fn remove(&mut self, group: i32) {
        self.groups.remove(&group);
        if let Some(shell) = &mut self.shell {
            // A shell that cannot be written to is dead, and the next group starts another.
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
            // A Ctrl-C in the terminal is meant for this process.
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
    /// Closes the pipe, so that the shell kills what is still guarded and ends.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
