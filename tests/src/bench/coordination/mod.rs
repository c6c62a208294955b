//! The coordination service beside raw Redis commands on the same server, in the same run.
//!
//! The peer is what each operation needs of Redis at least, through redis-rs over one multiplexed connection, with as
//! many tasks at once. Both sides reach that Redis over its Unix socket, as the local stack does.

mod compare;
mod deaths;
mod delivery;
mod no_op;
mod ours;
mod raw;
mod sizes;
mod swarm;

use shim_redis_harness::Redis;

use super::figure::Figure;
use super::machine;
use crate::service::Launch;
use crate::temp_env::TempEnv;

const IN_FLIGHT: [usize; 3] = [1, 16, 64];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    GetState,
    PutState,
    PatchState,
    Lock,
    RenewLock,
    Files,
    Publish,
    SendMessage,
    ReceiveMessages,
    Heartbeat,
}

const ALL: [(Operation, &str, &str); 10] = [
    (Operation::GetState, "GetState", "HGETALL"),
    (
        Operation::PutState,
        "PutState, compare-and-set",
        "HSET+PEXPIRE",
    ),
    (Operation::PatchState, "PatchState", "HSET"),
    (
        Operation::Lock,
        "AcquireLock, ReleaseLock in turn",
        "SET NX PX, DEL in turn",
    ),
    (Operation::RenewLock, "RenewLock", "PEXPIRE"),
    (
        Operation::Files,
        "AcquireFiles, ReleaseFiles in turn",
        "HSET+ZADD, HDEL+ZREM in turn",
    ),
    (Operation::Publish, "Publish", "PUBLISH"),
    (Operation::SendMessage, "SendMessage", "XADD"),
    (
        Operation::ReceiveMessages,
        "SendMessage, ReceiveMessages, AckMessages in turn",
        "XADD, XREADGROUP, XACK in turn",
    ),
    (Operation::Heartbeat, "Heartbeat", "HSET+ZADD"),
];

/// What the design of the coordination service must hold: its calls beside one that does nothing, cost against size, and how
/// soon a death is known.
///
/// # Panics
/// If a service does not start or refuses good requests.
pub async fn measure_limits(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("limits").await];
    let temp = TempEnv::new();
    let redis = Redis::start();
    let service = Launch::coordination(&temp.data_dir(), &redis.unix_url())
        .start_or_panic()
        .await;
    progress("calls beside one that does nothing");
    figures.extend(no_op::measure(&service).await);
    progress("cost against size");
    figures.extend(sizes::measure(&service).await);
    drop((service, redis));
    progress("deaths of workers");
    figures.extend(deaths::measure().await);
    figures
}

/// The figures of the coordination service, telling `progress` what is being measured.
///
/// # Panics
/// If the service or its Redis does not start or refuses good requests.
pub async fn measure(progress: impl Fn(&str)) -> Vec<Figure> {
    let mut figures = vec![machine::idle_share("coordination").await];
    let temp = TempEnv::new();
    let redis = Redis::start();
    let service = Launch::coordination(&temp.data_dir(), &redis.unix_url())
        .start_or_panic()
        .await;
    for (operation, name, peer) in ALL {
        for in_flight in IN_FLIGHT {
            progress(&format!("{name}, {in_flight} in flight"));
            let ours = ours::lanes(operation, &service, in_flight).await;
            let raw = raw::lanes(operation, &redis, in_flight).await;
            figures.extend(compare::compare(name, peer, ours, raw).await);
        }
    }
    progress("message delivery");
    figures.extend(delivery::measure(&service).await);
    drop((service, redis));
    progress("ten thousand workers");
    figures.extend(swarm::measure(&temp).await);
    figures
}
