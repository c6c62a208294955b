//! Independent servers without replication between them, as Redlock requires.

use crate::server::Redis;

/// The servers. Dropping them kills them.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Redis>,
}

impl Nodes {
    /// Starts `count` servers.
    ///
    /// # Panics
    /// If a server does not start.
    #[must_use]
    pub fn start(count: usize) -> Self {
        Self {
            nodes: (0..count).map(|_| Redis::start()).collect(),
        }
    }

    /// The URLs of the servers, separated by commas, in the form of `coordination.lock_nodes`.
    #[must_use]
    pub fn urls(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(Redis::url).collect();
        urls.join(",")
    }

    /// All servers.
    #[must_use]
    pub fn all(&self) -> &[Redis] {
        &self.nodes
    }

    /// One server, to be killed and restarted.
    pub fn node(&mut self, index: usize) -> &mut Redis {
        &mut self.nodes[index]
    }
}
