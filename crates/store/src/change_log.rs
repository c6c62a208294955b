//! Change logs: histories that watchers follow, kept as Redis Streams whose positions are the versions of their namespace's
//! clock.
//!
//! A watcher notes the clock, reads a snapshot, then asks for the later changes: no change falls in between. A history is
//! trimmed to a length; a watcher that is further behind needs a new snapshot.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::connection::RedisConnection;
use super::keys::Slot;
use super::script::{Effect, Script};
use super::script_values::{Pairs, as_text};
use crate::error::Error;

/// Changes read in one step.
const BATCH: usize = 500;

/// A change: its position and its fields.
pub(crate) type RawChange = (u64, HashMap<String, String>);

/// Reads the histories of one kind.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    name: &'static str,
    since: Script,
}

#[derive(Serialize)]
struct SinceArgs {
    #[serde(with = "as_text")]
    after: u64,
    count: usize,
}

#[derive(Deserialize)]
struct SinceFields {
    events: Vec<(String, Pairs<String, String>)>,
}

impl ChangeLog {
    /// The histories under this name in their slots.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            since: Script::named(Effect::Reads, include_str!("lua/since.lua")),
        }
    }

    /// The key of a slot's history.
    pub(crate) fn key(&self, slot: &Slot) -> String {
        slot.key(self.name)
    }

    /// The changes after a position, in order, at most a batch; `None` if the history does not reach back so far.
    pub(crate) async fn since(
        &self,
        connection: &RedisConnection,
        slot: &Slot,
        after: u64,
    ) -> Result<Option<Vec<RawChange>>, Error> {
        let count = BATCH;
        let call = self.since.call().key(self.key(slot)).key(slot.clock());
        let call = call.args(&SinceArgs { after, count });
        let mut reply = connection.call(&call).await?;
        if reply.status()? == "LOST" {
            return Ok(None);
        }
        let events = reply.fields::<SinceFields>()?.events.into_iter();
        let change = |(id, Pairs(fields)): (String, Pairs<_, _>)| {
            let position = id.split('-').next()?.parse().ok()?;
            Some((position, fields.into_iter().collect()))
        };
        Ok(Some(events.filter_map(change).collect()))
    }
}
