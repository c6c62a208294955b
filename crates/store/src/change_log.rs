//! Histories that watchers follow: Redis Streams whose positions are the versions of their namespace's clock.
//!
//! A watcher notes the clock, reads what is there, then asks for what came after: nothing falls in between. A history
//! is trimmed to a length; whoever is further behind is told to look at everything again.

use std::collections::HashMap;

use super::connection::RedisConnection;
use super::keys::Slot;
use super::script::{Effect, Script};
use crate::error::Error;

/// Events read in one step.
const BATCH: usize = 500;

/// An event: its position and its fields.
pub(crate) type RawChange = (u64, HashMap<String, String>);

/// Reads the histories of one kind.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    name: &'static str,
    since: Script,
}

impl ChangeLog {
    /// Histories under this name in their slots.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            since: Script::new(Effect::Reads, include_str!("lua/since.lua")),
        }
    }

    /// The key of a slot's history.
    pub(crate) fn key(&self, slot: &Slot) -> String {
        slot.key(self.name)
    }

    /// What came after a position, in order, at most a batch; `None` if the history does not reach back so far.
    pub(crate) async fn since(
        &self,
        connection: &RedisConnection,
        slot: &Slot,
        after: u64,
    ) -> Result<Option<Vec<RawChange>>, Error> {
        let call = self.since.call();
        let call = call.key(self.key(slot)).key(slot.clock());
        let mut reply = connection.call(&call.arg(after).arg(BATCH)).await?;
        if reply.status()? == "LOST" {
            return Ok(None);
        }
        let events = reply.rest::<(String, HashMap<String, String>)>()?;
        let position = |id: &str| {
            id.split('-')
                .next()
                .and_then(|position| position.parse().ok())
        };
        Ok(Some(
            events
                .into_iter()
                .filter_map(|(id, fields)| Some((position(&id)?, fields)))
                .collect(),
        ))
    }
}
