//! The peer's lanes: bare commands over one multiplexed connection of redis-rs.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value, cmd, pipe};
use shim_redis_harness::Redis;
use uuid::Uuid;

use super::Operation;
use crate::bench::lane::Lane;

const TTL_MS: u64 = 600_000;
const GROUP: &str = "readers";
/// A value as large as the service's: an encoded Struct of one number.
const VALUE: [u8; 16] = [7; 16];
/// The fields the service keeps with a value.
const META: [&str; 4] = ["version", "writer", "updated_at", "expires_at"];

/// One lane.
pub(super) struct Raw {
    operation: Operation,
    connection: MultiplexedConnection,
    key: String,
    number: u64,
    taken: Option<String>,
}

/// Lanes that are ready to call.
pub(super) async fn lanes(operation: Operation, redis: &Redis, in_flight: usize) -> Vec<Raw> {
    let client = redis::Client::open(redis.unix_url()).expect("the harness gives a good URL");
    let connection = client
        .get_multiplexed_async_connection()
        .await
        .expect("Redis is there");
    let mut lanes = Vec::new();
    for number in 0..in_flight {
        let mut lane = Raw {
            operation,
            connection: connection.clone(),
            key: format!("raw:{operation:?}:{in_flight}:{number}"),
            number: 0,
            taken: None,
        };
        lane.prepare().await.expect("Redis takes good commands");
        lanes.push(lane);
    }
    lanes
}

impl Lane for Raw {
    async fn call(&mut self) {
        self.number += 1;
        let outcome = match self.operation {
            Operation::ReceiveMessages => self.receive_in_turn().await,
            Operation::Lock | Operation::Files if self.number.is_multiple_of(2) => {
                self.send_all(&self.release()).await
            }
            _ => self.send_all(&self.commands()).await,
        };
        outcome.expect("Redis takes good commands");
    }
}

impl Raw {
    async fn prepare(&mut self) -> RedisResult<()> {
        match self.operation {
            Operation::GetState => self.send_all(&self.written()).await,
            Operation::RenewLock => {
                let mut set = pipe();
                set.cmd("SET").arg(&self.key).arg(1);
                self.send_all(&set).await
            }
            Operation::ReceiveMessages => {
                let mut create = cmd("XGROUP");
                create
                    .arg("CREATE")
                    .arg(&self.key)
                    .arg(GROUP)
                    .arg("$")
                    .arg("MKSTREAM");
                create.query_async(&mut self.connection).await
            }
            _ => Ok(()),
        }
    }

    async fn send_all(&self, commands: &Pipeline) -> RedisResult<()> {
        let _: Vec<Value> = commands.query_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// What the operation needs of Redis at least, in one round trip.
    fn commands(&self) -> Pipeline {
        let key = &self.key;
        let mut pipe = pipe();
        match self.operation {
            Operation::GetState => pipe.cmd("HGETALL").arg(key),
            Operation::PutState => return self.written(),
            Operation::PatchState => pipe.cmd("HSET").arg(key).arg("n").arg(self.number),
            Operation::Lock => {
                let token = Uuid::now_v7().to_string();
                pipe.cmd("SET")
                    .arg(key)
                    .arg(token)
                    .arg("NX")
                    .arg("PX")
                    .arg(TTL_MS)
            }
            Operation::RenewLock => pipe.cmd("PEXPIRE").arg(key).arg(TTL_MS),
            Operation::Files => {
                pipe.cmd("HSET").arg("raw:files").arg(key).arg(&VALUE);
                pipe.cmd("ZADD")
                    .arg("raw:files:due")
                    .arg(self.number)
                    .arg(key)
            }
            Operation::Publish => pipe.cmd("PUBLISH").arg(key).arg(&VALUE),
            Operation::SendMessage | Operation::ReceiveMessages => pipe.add_command(added(key)),
            Operation::Heartbeat => {
                pipe.cmd("HSET").arg(key).arg("last").arg(self.number);
                pipe.cmd("ZADD").arg("raw:due").arg(self.number).arg(key)
            }
        };
        pipe
    }

    fn release(&self) -> Pipeline {
        let mut pipe = pipe();
        match self.operation {
            Operation::Files => {
                pipe.cmd("HDEL").arg("raw:files").arg(&self.key);
                pipe.cmd("ZREM").arg("raw:files:due").arg(&self.key);
            }
            _ => {
                pipe.cmd("DEL").arg(&self.key);
            }
        }
        pipe
    }

    fn written(&self) -> Pipeline {
        let mut pipe = pipe();
        let set = pipe.cmd("HSET").arg(&self.key).arg("value").arg(&VALUE);
        for field in META {
            set.arg(field).arg(self.number);
        }
        pipe.cmd("PEXPIRE").arg(&self.key).arg(TTL_MS);
        pipe
    }

    async fn receive_in_turn(&mut self) -> RedisResult<()> {
        match self.number % 3 {
            1 => {
                let _: String = added(&self.key).query_async(&mut self.connection).await?;
            }
            2 => {
                let mut read = cmd("XREADGROUP");
                read.arg("GROUP").arg(GROUP).arg("me").arg("COUNT").arg(100);
                read.arg("STREAMS").arg(&self.key).arg(">");
                let read: redis::streams::StreamReadReply =
                    read.query_async(&mut self.connection).await?;
                let entry = read.keys.first().and_then(|stream| stream.ids.first());
                self.taken = entry.map(|entry| entry.id.clone());
            }
            _ => {
                let mut ack = cmd("XACK");
                ack.arg(&self.key).arg(GROUP).arg(self.taken.take());
                let _: u64 = ack.query_async(&mut self.connection).await?;
            }
        }
        Ok(())
    }
}

fn added(key: &str) -> Cmd {
    let mut add = cmd("XADD");
    add.arg(key)
        .arg("*")
        .arg("sender")
        .arg("raw")
        .arg("text")
        .arg(&VALUE);
    add
}
