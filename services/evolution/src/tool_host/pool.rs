//! Hosts that wait for calls, kept warm for a while; and how many calls run at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shim_runtime::background::BackgroundTasks;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::error::HostError;
use super::process::{Confinement, HostProcess};

/// Hosts at once: one that is confined and one that runs a project's code.
const MAX_HOSTS: usize = 2;

/// The hosts without a call, and the right to make one.
#[derive(Debug)]
pub(super) struct Pool {
    calls: Semaphore,
    waiting: Arc<Waiting>,
    /// Bytes of memory that all waiting hosts may use together.
    memory: u64,
}

#[derive(Debug)]
struct Waiting {
    /// The one that was used last is the last.
    hosts: Mutex<Vec<WaitingHost>>,
    changed: Notify,
    idle: Duration,
}

#[derive(Debug)]
struct WaitingHost {
    process: HostProcess,
    since: Instant,
}

/// The right to run one call.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(idle: Duration, memory: u64) -> Self {
        Self {
            calls: Semaphore::new(MAX_HOSTS),
            waiting: Arc::new(Waiting {
                hosts: Mutex::default(),
                changed: Notify::new(),
                idle,
            }),
            memory,
        }
    }

    /// Waits until a host may run a call.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, HostError> {
        let permit = self.calls.acquire().await;
        let permit = permit.map_err(|_| HostError::Stopping)?;
        Ok(Lease {
            pool: self,
            _permit: permit,
        })
    }

    /// Stops hosts that had no call for long, until the shutdown.
    pub(super) fn stop_idle_hosts(&self, background: &BackgroundTasks) {
        let (waiting, shutdown) = (Arc::clone(&self.waiting), background.shutdown().clone());
        background.spawn_restarting("tool_host_idle", move || {
            let (waiting, shutdown) = (Arc::clone(&waiting), shutdown.clone());
            async move {
                loop {
                    tokio::select! {
                        () = waiting.next_idle() => waiting.stop_idle(Instant::now()),
                        () = waiting.changed.notified() => {}
                        () = shutdown.wait() => return waiting.stop_all(),
                    }
                }
            }
        });
    }

    /// Stops the hosts that wait.
    pub(super) fn stop_idle(&self) {
        self.waiting.stop_all();
    }

    /// Stops the hosts that wait, and gives no further leases.
    pub(super) fn close(&self) {
        self.calls.close();
        self.waiting.stop_all();
    }
}

impl Lease<'_> {
    /// A waiting host of this confinement. Others make room for a new one if there are too many.
    pub(super) fn take(&self, confinement: &Confinement) -> Option<HostProcess> {
        let mut hosts = self.pool.waiting.hosts();
        if let Some(at) = hosts
            .iter()
            .rposition(|host| host.process.confinement == *confinement)
        {
            return Some(hosts.remove(at).process);
        }
        let running = MAX_HOSTS - self.pool.calls.available_permits().min(MAX_HOSTS);
        while !hosts.is_empty() && hosts.len() + running > MAX_HOSTS {
            hosts.remove(0);
        }
        None
    }

    /// Lets a host wait for its next call, as far as memory allows.
    pub(super) fn give_back(&self, process: HostProcess) {
        if self.pool.calls.is_closed() || process.memory > self.pool.memory {
            return;
        }
        let mut hosts = self.pool.waiting.hosts();
        let mut memory = process.memory;
        hosts.push(WaitingHost {
            process,
            since: Instant::now(),
        });
        for at in (0..hosts.len() - 1).rev() {
            memory += hosts[at].process.memory;
            if memory > self.pool.memory {
                hosts.drain(..=at);
                break;
            }
        }
        self.pool.waiting.changed.notify_one();
    }
}

impl Waiting {
    fn hosts(&self) -> MutexGuard<'_, Vec<WaitingHost>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a host has waited long enough; for ever if none waits.
    async fn next_idle(&self) {
        let first = self.hosts().iter().map(|host| host.since).min();
        match first {
            Some(since) => sleep_until(since + self.idle).await,
            None => std::future::pending().await,
        }
    }

    fn stop_idle(&self, now: Instant) {
        self.hosts().retain(|host| now < host.since + self.idle);
    }

    fn stop_all(&self) {
        self.hosts().clear();
    }
}
