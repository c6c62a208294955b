//! The queues that this process made known to the workers.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::RedisConnection;

/// The queues made known over one connection of the store; a failover may have lost them.
pub(super) struct DeclaredQueues {
    connection: RedisConnection,
    declared: Mutex<Declared>,
}

#[derive(Default)]
struct Declared {
    generation: u64,
    queues: HashSet<String>,
}

impl DeclaredQueues {
    pub(super) fn new(connection: RedisConnection) -> Self {
        Self {
            connection,
            declared: Mutex::default(),
        }
    }

    pub(super) fn contains(&self, queue: &str) -> bool {
        self.current().queues.contains(queue)
    }

    pub(super) fn insert(&self, queue: &str) {
        self.current().queues.insert(queue.to_owned());
    }

    /// The queues of the connection that there is now.
    fn current(&self) -> MutexGuard<'_, Declared> {
        let generation = self.connection.generation();
        let mut declared = self.declared.lock().unwrap_or_else(PoisonError::into_inner);
        if declared.generation != generation {
            *declared = Declared {
                generation,
                queues: HashSet::new(),
            };
        }
        declared
    }
}
