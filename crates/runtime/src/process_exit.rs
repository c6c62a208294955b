//! The end of another process: told by the system where it can, asked for where it cannot.

use std::time::Duration;

use shim_proto::checkpoint::v1::ProcessIdentity;

use crate::process;

/// How late the end is noticed where the system does not tell it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until that very process is gone. Linux tells it by a descriptor of the process (pidfd_open(2)), so waiting costs
/// nothing; without one, it is looked for four times a second.
pub async fn exited(process: &ProcessIdentity) {
    if descriptor::wait(process).await {
        return;
    }
    while process::is_alive(process) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(target_os = "linux")]
mod descriptor {
    use std::os::fd::OwnedFd;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use shim_proto::checkpoint::v1::ProcessIdentity;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::process;

    // What is deprecated leaves the safety of other kinds of descriptors to its caller; an owned one is its own.
    #[allow(deprecated)]
    fn open(process: &ProcessIdentity) -> Option<AsyncFd<OwnedFd>> {
        let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        AsyncFd::with_interest(descriptor, Interest::READABLE).ok()
    }

    /// Whether the end could be waited for: the descriptor becomes readable with it. One of a later process with the pid is
    /// of no use; then the process is gone already.
    pub(super) async fn wait(process: &ProcessIdentity) -> bool {
        let Some(descriptor) = open(process) else {
            return false;
        };
        !process::is_alive(process) || descriptor.readable().await.is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod descriptor {
    use shim_proto::checkpoint::v1::ProcessIdentity;

    pub(super) async fn wait(_: &ProcessIdentity) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_process_is_told_and_not_before() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let process = process::identity(child.id()).unwrap();
        let waiting = tokio::spawn(async move { exited(&process).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        child.kill().unwrap();
        // Not waited for yet: a process that nobody buried is gone, too.
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap()
            .unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_that_is_gone_or_whose_pid_is_anothers_is_not_waited_for() {
        let own = process::own();
        let earlier = ProcessIdentity {
            start_ticks: own.start_ticks + 1,
            ..own
        };
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = ProcessIdentity {
            pid: child.id(),
            start_ticks: 1,
        };
        child.wait().unwrap();
        for process in [earlier, gone] {
            let waited = tokio::time::timeout(Duration::from_secs(20), exited(&process));
            waited.await.unwrap();
        }
    }
}
