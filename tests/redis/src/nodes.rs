//! Independent servers that know nothing of each other, as Redlock wants them.

use crate::server::Redis;

/// The servers. Dropping them kills them.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Redis>,
}

impl Nodes {
    /// Starts `count` of them.
    ///
    /// # Panics
    /// If one does not start.
    #[must_use]
    pub fn start(count: usize) -> Self {
        Self {
            nodes: (0..count).map(|_| Redis::start()).collect(),
        }
    }

    /// Their URLs with commas between them, as `coordination.lock_nodes` takes them.
    #[must_use]
    pub fn urls(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(Redis::url).collect();
        urls.join(",")
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Redis] {
        &self.nodes
    }

    /// One of them, to be killed and restarted.
    pub fn node(&mut self, index: usize) -> &mut Redis {
        &mut self.nodes[index]
    }
}
