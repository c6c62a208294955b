//! Client processes for the stories of how conversations end.

use std::process::{Child, Command};

use shim_proto::checkpoint::v1::observed_event::Event;
use shim_proto::checkpoint::v1::*;
use shim_runtime::process;

use crate::observed_events::Client;

/// A client's process with its conversation. It is killed when it is dropped.
pub(crate) struct Window {
    pub(crate) client: Client,
    child: Child,
}

impl Window {
    pub(crate) fn open(conversation: &str) -> Self {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut client = Client::alive(conversation);
        client.process = process::identity(child.id()).unwrap();
        Self { client, child }
    }

    /// Ends the process as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn ended(&mut self, reason: SessionEndReason) -> ObservedEvent {
        self.client.event(Event::SessionEnded(SessionEnded {
            reason: reason.into(),
        }))
    }

    pub(crate) fn failed(&mut self, outcome: TurnOutcome) -> ObservedEvent {
        self.client.event(Event::TurnEnded(TurnEnded {
            outcome: outcome.into(),
            error: "resets at 3pm".into(),
            ..TurnEnded::default()
        }))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.kill();
    }
}
