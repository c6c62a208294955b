//! What the store takes of Redis's memory, by kind: one process walks over all keys now and then, in small steps.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::cmd;
use serde::{Deserialize, Serialize};

use crate::connection::{Address, RedisConnection};
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
    pub async fn measure(&self) -> Result<Option<Vec<KindSize>>, Error> {
        if matches!(self.connection.address()?, Address::Cluster(..)) {
            return Ok(None);
        }
        let mut sums: BTreeMap<String, KindSize> = BTreeMap::new();
        let mut cursor = "0".to_owned();
        loop {
            let args = CountArgs {
                cursor: &cursor,
                // Keys of tasks begin with the brace.
                pattern: format!("*{}*", self.prefix),
                prefix: &self.prefix,
                tasks: &self.tasks,
            };
            let call = self.count.call().key(self.tasks.as_str()).args(&args);
            let mut reply = self.connection.call(&call).await?;
            reply.status()?;
            let step: CountFields = reply.fields()?;
            for size in step.sizes {
                let sum = sums.entry(size.kind.clone()).or_insert_with(|| KindSize {
                    keys: 0,
                    bytes: 0,
                    ..size.clone()
                });
                sum.keys += size.keys;
                sum.bytes += size.bytes;
            }
            cursor = step.cursor;
            if cursor == "0" {
                return Ok(Some(sums.into_values().collect()));
            }
            tokio::time::sleep(STEP_PAUSE).await;
        }
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
