//! The process that serves the local stack, as the kernel names it, and signals that reach it and no other.
//!
//! A pid in a file says nothing: whoever wrote the file may name any process. The kernel tells who listens on the stack's
//! socket, or, once that is closed, who holds the stack's lock. On Linux a descriptor of the process takes the signals, so
//! that a pid that is used again is never hit; elsewhere the process's start is compared.

use std::io::ErrorKind;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shim_proto::checkpoint::v1::ProcessIdentity;
use shim_runtime::stack::{Peer, Stack, StackInfo, lock_holder};
use shim_runtime::{process, process_exit};

use crate::error::CliError;

/// A process that may be signalled.
pub(crate) struct ServingProcess {
    identity: ProcessIdentity,
    #[cfg(target_os = "linux")]
    descriptor: Option<std::os::fd::OwnedFd>,
}

impl ServingProcess {
    /// Of a stack that runs.
    ///
    /// # Errors
    /// If another user serves there, or the kernel does not tell who does.
    pub(crate) async fn of(stack: &Stack, info: &StackInfo) -> Result<Self, CliError> {
        if let Some(process) = Self::behind(&stack.socket()).await? {
            return Ok(process);
        }
        // It drains, and its socket is closed already.
        let process = Self::open(info.pid);
        match lock_holder(&stack.lock_path()) {
            Some(holder) if holder == info.pid => process.ok_or_else(|| gone(info.pid)),
            _ => Err(CliError::new(format!(
                "nobody listens at {}, so nothing but a file says that the process with pid {} is the stack",
                stack.socket().display(),
                info.pid
            ))
            .hint(format!(
                "wait until it has left, or look at it (`ps -p {}`) and stop it with `kill`",
                info.pid
            ))),
        }
    }

    /// Of whoever listens on the socket; `None` if nobody does.
    ///
    /// # Errors
    /// If that is another user's, or the kernel does not tell its pid.
    pub(crate) async fn behind(socket: &Path) -> Result<Option<Self>, CliError> {
        let Some(pid) = own_listener(socket).await? else {
            return Ok(None);
        };
        let opened = Self::open(pid).ok_or_else(|| gone(pid))?;
        // It still listens, so the pid was its own when the descriptor was made.
        match own_listener(socket).await? {
            Some(now) if now == pid => Ok(Some(opened)),
            _ => Err(gone(pid)),
        }
    }

    fn open(pid: u32) -> Option<Self> {
        let identity = process::identity(pid)?;
        #[cfg(target_os = "linux")]
        let descriptor = {
            use rustix::process::{Pid, PidfdFlags, pidfd_open};
            let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
            // Linux before 5.3 has none.
            pidfd_open(pid, PidfdFlags::empty()).ok()
        };
        Some(Self {
            identity,
            #[cfg(target_os = "linux")]
            descriptor,
        })
    }

    /// Waits until it is gone.
    pub(crate) async fn exited(&self) {
        process_exit::exited(&self.identity).await;
    }

    /// Its pid, to be shown.
    pub(crate) fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// Sends the signal; a process that is gone needs none.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn signal(&self, signal: Signal) -> std::io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(descriptor) = &self.descriptor {
            use rustix::process::{Signal as Number, pidfd_send_signal};
            let number = match signal {
                Signal::SIGKILL => Number::KILL,
                _ => Number::TERM,
            };
            return match pidfd_send_signal(descriptor, number) {
                Err(rustix::io::Errno::SRCH) => Ok(()),
                sent => Ok(sent?),
            };
        }
        if !process::is_alive(&self.identity) {
            return Ok(());
        }
        let pid = i32::try_from(self.identity.pid).map_err(std::io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }
}

/// The pid of this user's process that listens on the socket; `None` if nobody does.
async fn own_listener(socket: &Path) -> Result<Option<u32>, CliError> {
    let peer = match Peer::at(socket).await {
        Ok(peer) => peer,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(CliError::from(error)
                    .while_doing(format_args!("cannot connect to {}", socket.display()))),
            };
        }
    };
    if !peer.is_own() {
        let what = format!(
            "the user with uid {} listens at {}; nothing of theirs is stopped",
            peer.uid,
            socket.display()
        );
        return Err(CliError::new(what));
    }
    let pid = peer.pid.ok_or_else(|| {
        CliError::new(format!(
            "the system does not tell which process listens at {}",
            socket.display()
        ))
        .hint("it may run in another container: stop it there")
    })?;
    Ok(Some(pid))
}

fn gone(pid: u32) -> CliError {
    CliError::new(format!("the process with pid {pid} has just left")).hint("try again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn the_kernel_names_the_process_behind_a_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        assert!(ServingProcess::behind(&socket).await.unwrap().is_none());
        let listener = UnixListener::bind(&socket).unwrap();
        let found = ServingProcess::behind(&socket).await.unwrap().unwrap();
        assert_eq!(found.pid(), std::process::id());
        drop(listener);
        assert!(ServingProcess::behind(&socket).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_process_that_a_file_alone_names_is_not_signalled() {
        let folder = tempfile::tempdir().unwrap();
        let stack = Stack::at(folder.path());
        let mut victim = Command::new("sleep").arg("60").spawn().unwrap();
        let mut lock = stack.acquire().unwrap();
        let info = StackInfo {
            pid: victim.id(),
            version: "0".into(),
            started_unix_ms: 1,
            socket: stack.socket(),
            tcp: None,
            token_file: None,
            redis: None,
            surroundings: None,
        };
        lock.publish(&info).unwrap();
        assert!(ServingProcess::of(&stack, &info).await.is_err());
        // With a listener it is the listener's process, whatever the file says.
        let _listener = UnixListener::bind(stack.socket()).unwrap();
        let found = ServingProcess::of(&stack, &info).await.unwrap();
        assert_eq!(found.pid(), std::process::id());
        victim.kill().unwrap();
        victim.wait().unwrap();
    }

    #[test]
    fn a_signal_reaches_the_process_and_none_after_it() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ServingProcess::open(child.id()).unwrap();
        process.signal(Signal::SIGTERM).unwrap();
        assert!(!child.wait().unwrap().success());
        process.signal(Signal::SIGKILL).unwrap();
    }
}
