//! A Redis Cluster of three masters that serve all slots.

use crate::launch::Launch;
use crate::server::{Redis, wait_until};

/// The slots of each master, first and last.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// The cluster. Dropping it kills it.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts three masters and waits until all agree that every slot is served.
    ///
    /// # Panics
    /// If they do not agree.
    #[must_use]
    pub fn start() -> Self {
        let launch = Launch::new().cluster_node();
        let nodes: Vec<Redis> = SLOTS.iter().map(|_| launch.start()).collect();
        for (node, (first, last)) in nodes.iter().zip(SLOTS) {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last])
                .expect("a new node has no slots");
        }
        for other in &nodes[1..] {
            let (port, bus) = (other.port().to_string(), other.bus_port().to_string());
            nodes[0]
                .command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .expect("nodes can meet");
        }
        let cluster = Self { nodes };
        cluster.wait_until_ok();
        cluster
    }

    /// Waits until every node reports that all slots are served, for example after a restart of a node.
    ///
    /// # Panics
    /// If a node does not.
    pub fn wait_until_ok(&self) {
        let is_ok = |node: &Redis| {
            let info = node.command(&["CLUSTER", "INFO"]);
            let info = info.expect("a cluster node knows its cluster");
            let lines = info.text().unwrap_or_default();
            lines.contains("cluster_state:ok") && lines.contains("cluster_known_nodes:3")
        };
        wait_until("the cluster is whole", || self.nodes.iter().all(is_ok));
    }

    /// Its address in the form of `redis_url`.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Redis::address).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// The masters.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// A master, to be killed and restarted.
    pub fn node(&mut self, index: usize) -> &mut Redis {
        &mut self.nodes[index]
    }
}
