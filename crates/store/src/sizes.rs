//! What the store takes of Redis's memory, by kind: one process walks over all keys now and then, in small steps.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::cmd;
use serde::{Deserialize, Serialize};
use shim_proto::limits::coordination::{
    MAX_CALLER_INBOXES, MAX_CALLER_MESSAGES, MAX_CALLER_NAMESPACES, MAX_INBOX_BYTES,
    MAX_INBOX_MESSAGES, MAX_INBOXES, MAX_NAMESPACE_BYTES, MAX_NAMESPACE_ENTRIES,
    MAX_NAMESPACE_LOCKS, MAX_NAMESPACES, MAX_SENDER_MESSAGES, OWN_INBOX_MESSAGES,
};
use shim_proto::limits::task::MAX_JOBS;
use shim_proto::limits::worker::MAX_WORKERS;

use crate::connection::{Address, RedisConnection};
use crate::domain::leases::MAX_LEASES;
use crate::error::Error;
use crate::keys::Keys;
use crate::script::{Effect, Script};

/// The kinds of what is kept, as they are named in metrics.
pub const KINDS: [&str; 9] = [
    "tasks", "queues", "state", "locks", "files", "messages", "workers", "requests", "other",
];
/// Each step looks at some 200 keys, so Redis serves others in between.
const STEP_PAUSE: Duration = Duration::from_millis(20);

/// What one kind takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSize {
    /// One of [`KINDS`].
    pub kind: String,
    /// How many keys.
    pub keys: u64,
    /// How many bytes of Redis's memory.
    pub bytes: u64,
}

/// How far a bound is used by what is nearest to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// What is bounded; see [`limit`].
    pub what: String,
    /// How much there is.
    pub used: u64,
    /// The namespace or inbox that has so much; empty for what is counted in all.
    pub of: String,
}

/// What a walk over all keys found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// What each kind takes.
    pub sizes: Vec<KindSize>,
    /// How far each bound is used.
    pub usages: Vec<Usage>,
}

/// How much there may be of what is bounded; `None` for a name of another version.
#[must_use]
pub fn limit(what: &str) -> Option<u64> {
    let limit = match what {
        "jobs" => MAX_JOBS,
        "inboxes" => MAX_INBOXES,
        "inboxes_of_a_caller" => MAX_CALLER_INBOXES,
        "namespaces" => MAX_NAMESPACES,
        "namespaces_of_a_caller" => MAX_CALLER_NAMESPACES,
        "messages" => MAX_INBOX_MESSAGES - OWN_INBOX_MESSAGES,
        "message_bytes" => MAX_INBOX_BYTES,
        "messages_of_a_sender" => MAX_SENDER_MESSAGES,
        "messages_of_a_caller" => MAX_CALLER_MESSAGES,
        "state_entries" => MAX_NAMESPACE_ENTRIES,
        "state_bytes" => MAX_NAMESPACE_BYTES,
        "locks" => MAX_NAMESPACE_LOCKS,
        "leases" => MAX_LEASES,
        "workers" => MAX_WORKERS,
        _ => return None,
    };
    u64::try_from(limit).ok()
}

/// What Redis takes in all, whoever uses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RedisMemory {
    /// Bytes in use.
    pub used: u64,
    /// The bound (`maxmemory`); 0 if there is none.
    pub max: u64,
}

/// Walks over the keys.
pub struct Sizes {
    connection: RedisConnection,
    count: Script,
    prefix: String,
    tasks: String,
}

#[derive(Serialize)]
struct CountArgs<'a> {
    cursor: &'a str,
    pattern: String,
    prefix: &'a str,
    tasks: &'a str,
}

#[derive(Deserialize)]
struct CountFields {
    cursor: String,
    sizes: Vec<KindSize>,
    bounds: Vec<Usage>,
}

/// What the steps of a walk found so far.
#[derive(Default)]
struct Sums {
    /// The sum of each kind.
    sizes: BTreeMap<String, KindSize>,
    /// What is nearest to each bound.
    fullest: BTreeMap<String, Usage>,
}

impl Sums {
    fn add(&mut self, sizes: Vec<KindSize>, bounds: Vec<Usage>) {
        for size in sizes {
            let sum = self.sizes.entry(size.kind.clone());
            let sum = sum.or_insert_with(|| KindSize {
                keys: 0,
                bytes: 0,
                ..size.clone()
            });
            sum.keys += size.keys;
            sum.bytes += size.bytes;
        }
        for usage in bounds {
            match self.fullest.get(&usage.what) {
                Some(known) if known.used >= usage.used => {}
                _ => drop(self.fullest.insert(usage.what.clone(), usage)),
            }
        }
    }

    fn measured(self) -> Measured {
        Measured {
            sizes: self.sizes.into_values().collect(),
            usages: self.fullest.into_values().collect(),
        }
    }
}

impl Sizes {
    pub(crate) fn new(connection: RedisConnection, keys: &Keys) -> Self {
        Self {
            connection,
            count: Script::named(Effect::Reads, include_str!("lua/count_sizes.lua")),
            prefix: keys.prefix().to_owned(),
            tasks: keys.tasks().key(""),
        }
    }

    /// Walks once over all keys, for some seconds if there are many; `None` on a Cluster, whose nodes are not walked over.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn measure(&self) -> Result<Option<Measured>, Error> {
        if matches!(self.connection.address()?, Address::Cluster(..)) {
            return Ok(None);
        }
        let mut sums = Sums::default();
        let mut cursor = "0".to_owned();
        loop {
            let step = self.step(&cursor).await?;
            sums.add(step.sizes, step.bounds);
            cursor = step.cursor;
            if cursor == "0" {
                return Ok(Some(sums.measured()));
            }
            tokio::time::sleep(STEP_PAUSE).await;
        }
    }

    /// Counts the next keys of the walk.
    async fn step(&self, cursor: &str) -> Result<CountFields, Error> {
        let args = CountArgs {
            cursor,
            // Keys of tasks begin with the brace.
            pattern: format!("*{}*", self.prefix),
            prefix: &self.prefix,
            tasks: &self.tasks,
        };
        let call = self.count.call().key(self.tasks.as_str()).args(&args);
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        reply.fields()
    }

    /// What Redis takes now.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn memory(&self) -> Result<RedisMemory, Error> {
        if matches!(self.connection.address()?, Address::Cluster(..)) {
            return Ok(RedisMemory::default());
        }
        let info: String = self.connection.query(cmd("INFO").arg("memory")).await?;
        let number = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        Ok(RedisMemory {
            used: number("used_memory:"),
            max: number("maxmemory:"),
        })
    }
}
