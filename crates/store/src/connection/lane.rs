//! The lane: a multiplexed connection, to a single server or to a Cluster, that carries the commands of all callers.

use futures::FutureExt;
use futures::future::select_ok;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

/// The hash slots of a Cluster.
const CLUSTER_SLOTS: u16 = 16_384;
/// The number of slots whose master is pinged at a time; one reply is enough.
const CLUSTER_PINGS: u16 = 8;

/// A multiplexed connection. Clones share it.
#[derive(Clone)]
pub(crate) enum Lane {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Lane {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Node(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Node(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Node(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl Lane {
    /// Fails if the server cannot take writes: it is gone, it still loads its file, or it is a replica. A Cluster fails
    /// if no master answers, since each namespace depends on one master only.
    pub(super) async fn ping(&mut self) -> RedisResult<()> {
        match self {
            Self::Node(connection) => ping_node(connection).await,
            Self::Cluster(connection) => {
                let pings = (0..CLUSTER_PINGS).map(|i| ping_master(connection.clone(), i).boxed());
                select_ok(pings).await.map(drop)
            }
        }
    }
}

async fn ping_node(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    // A server that loads its file answers ROLE, but refuses PING.
    let () = redis::cmd("PING").query_async(connection).await?;
    let role: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
    match role.first() {
        Some(Value::BulkString(role)) if role.as_slice() != b"master" => {
            Err(redis::RedisError::from((
                redis::ErrorKind::Server(redis::ServerErrorKind::ReadOnly),
                "the server is a replica",
            )))
        }
        _ => Ok(()),
    }
}

/// Pings the master of the `i`th of [`CLUSTER_PINGS`] slots that lie evenly over the Cluster.
async fn ping_master(mut connection: ClusterConnection, i: u16) -> RedisResult<Value> {
    let route = Route::new(CLUSTER_SLOTS / CLUSTER_PINGS * i, SlotAddr::Master);
    let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route));
    connection.route_command(redis::cmd("PING"), routing).await
}
