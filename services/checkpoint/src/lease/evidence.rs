//! What this machine knows about a lost owner: its processes, the boot, the kernel's kills.

use std::sync::LazyLock;
use std::time::Duration;

use shim_proto::checkpoint::v1::{ClientInfo, ProcessIdentity};
use shim_runtime::process;

use super::leases::Lease;
use super::oom::oom_kills;
use crate::domain::cause::{Evidence, StreamEnd};

/// A killed process closes its streams a moment before it is gone.
const EXIT_GRACE: Duration = Duration::from_millis(200);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// This machine and its boot: both stay while this process runs, and each event asks for them.
static HOSTNAME: LazyLock<String> = LazyLock::new(process::hostname);
static BOOT_ID: LazyLock<String> = LazyLock::new(process::boot_id);

/// Whether this machine can see a client's processes.
pub(super) fn is_here(client: &ClientInfo) -> bool {
    !client.hostname.is_empty() && client.hostname == *HOSTNAME
}

/// Whether a process of a client on this machine runs. One of an earlier boot does not, whoever has its pid now.
pub(super) fn is_alive_here(client: &ClientInfo, process: &ProcessIdentity) -> bool {
    let is_of_this_boot = client.boot_id.is_empty() || client.boot_id == *BOOT_ID;
    is_of_this_boot && process::is_alive(process)
}

fn is_local(lease: &Lease) -> bool {
    is_here(&lease.client)
}

fn alive(lease: &Lease, process: Option<&ProcessIdentity>) -> Option<bool> {
    let process = process.filter(|process| process.pid != 0 && is_local(lease))?;
    Some(process::is_alive(process))
}

/// Whether the gateway still runs after its stream broke; `None` if its process is not visible from this machine.
pub(super) async fn gateway_survives(lease: &Lease) -> Option<bool> {
    let deadline = tokio::time::Instant::now() + EXIT_GRACE;
    loop {
        let alive = alive(lease, lease.client.gateway_process.as_ref())?;
        if !alive || tokio::time::Instant::now() >= deadline {
            return Some(alive);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Gathers everything.
pub(super) fn collect(lease: &Lease, stream_end: StreamEnd) -> Evidence {
    let rebooted =
        is_local(lease) && !lease.client.boot_id.is_empty() && lease.client.boot_id != *BOOT_ID;
    Evidence {
        stream_end: if lease.inherited && stream_end == StreamEnd::Silent {
            StreamEnd::NeverReturned
        } else {
            stream_end
        },
        rebooted,
        gateway_alive: alive(lease, lease.client.gateway_process.as_ref()),
        client_alive: match lease.watched {
            Some(process) => Some(process::is_alive(&process)),
            None => alive(lease, lease.client.client_process.as_ref()),
        },
        oom_kills: oom_kills().saturating_sub(lease.oom_kills_before),
        memory_pressure: lease.memory_pressure,
    }
}
