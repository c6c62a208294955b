//! What a hook's process knows beside its input: the client around it, this machine, the time.

use std::time::SystemTime;

use shim_proto::checkpoint::v1::ClientInfo;
use shim_runtime::{client_process, process};
use uuid::Uuid;

/// The name under which the client makes itself known to MCP servers, too.
const CLIENT: &str = "claude-code";
/// The client's process, which it tells its hooks.
const CLIENT_PID: &str = "CLAUDE_PID";

/// What a hook's process knows beside its input.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The client, without its conversation.
    pub client: ClientInfo,
    /// The id of the event: the same event reported twice has one effect.
    pub event_id: Uuid,
    /// When it happened.
    pub now: SystemTime,
}

impl Surroundings {
    /// Those of this process, which the client started.
    #[must_use]
    pub fn of_process() -> Self {
        let told = std::env::var(CLIENT_PID).ok();
        let told = told.and_then(|pid| process::identity(pid.parse().ok()?));
        Self {
            client: ClientInfo {
                name: CLIENT.to_owned(),
                hostname: process::hostname(),
                boot_id: process::boot_id(),
                client_process: told.or_else(client_process::find),
                ..ClientInfo::default()
            },
            event_id: Uuid::now_v7(),
            now: SystemTime::now(),
        }
    }

    /// The client in one of its conversations.
    pub(crate) fn client_of(&self, conversation: &str) -> ClientInfo {
        ClientInfo {
            conversation: conversation.to_owned(),
            ..self.client.clone()
        }
    }
}
