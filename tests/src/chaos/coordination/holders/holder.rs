//! One holding process.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::{Lock, PutStateRequest};
use shim_runtime::client::{Endpoint, connect};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::super::actor_args::ActorArgs;
use super::Event;
use crate::chaos::actor::report;
use crate::coordination::{
    CoordinationClients, counted, fence, lock, proto_duration, put, reason, renew_request,
};
use crate::rng::SeededRng;

/// How long one call waits for a lock that is held.
const WAIT: Duration = Duration::from_secs(2);
const WORK_MICROS: std::ops::Range<u64> = 0..3_000;
/// One holder in so many dawdles until its lock is gone.
const OVERSTAY_ODDS: u64 = 64;
const RENEW_ODDS: u64 = 4;
/// Before a call that was not answered well is made again.
const RETRY_BACKOFF: Duration = Duration::from_millis(20);

/// What a holding process is told.
#[derive(Debug, Clone, clap::Args)]
pub struct HolderArgs {
    #[command(flatten)]
    actor_args: ActorArgs,
    /// How many locks there are.
    #[arg(long)]
    locks: usize,
    /// How long a lock lives without renewal.
    #[arg(long)]
    ttl_ms: u64,
}

/// A holding process.
pub(in super::super) async fn run_holders(args: HolderArgs) -> Result<(), Status> {
    let actor_args = args.actor_args;
    let mut rng = SeededRng::new(actor_args.seed);
    let mut holders = JoinSet::new();
    for task in 0..actor_args.tasks {
        let socket = &actor_args.sockets[task % actor_args.sockets.len()];
        let channel = connect(&Endpoint::Unix(socket.clone()), None)
            .map_err(|e| Status::internal(e.to_string()))?;
        let holder = Holder {
            clients: CoordinationClients::over(&channel),
            rng: SeededRng::new(rng.next_u64()),
            owner: format!("holder {} of process {}", task, std::process::id()),
            locks: args.locks as u64,
            ttl: Duration::from_millis(args.ttl_ms),
        };
        holders.spawn(holder.run(actor_args.times));
    }
    while let Some(holder) = holders.join_next().await {
        holder.expect("a holder does not panic")?;
    }
    Ok(())
}

struct Holder {
    clients: CoordinationClients,
    rng: SeededRng,
    owner: String,
    locks: u64,
    ttl: Duration,
}

impl Holder {
    async fn run(mut self, times: u64) -> Result<(), Status> {
        for _ in 0..times {
            let number = usize::try_from(self.rng.within(0..self.locks)).unwrap_or_default();
            let granted = self.acquire(number).await?;
            // The lock lives at most for its time from here on: it was acquired before the answer came.
            let answered = Instant::now();
            report(&Event::Acquired {
                lock: number,
                token: granted.fencing_token,
            });
            self.write_while_held(number, &granted, answered).await?;
            self.release(&granted).await?;
        }
        Ok(())
    }

    async fn acquire(&mut self, number: usize) -> Result<Lock, Status> {
        let mut request = lock(&format!("lock-{number}"), &self.owner, self.ttl);
        request.wait = proto_duration(WAIT);
        loop {
            match self.clients.lock(request.clone()).await {
                Ok(granted) => return Ok(granted),
                Err(refusal) if is_held(&refusal) => {
                    request.request_id = crate::calls::request_id();
                }
                Err(failure) => back_off(failure).await?,
            }
        }
    }

    async fn write_while_held(
        &mut self,
        number: usize,
        granted: &Lock,
        answered: Instant,
    ) -> Result<(), Status> {
        let mut known_to_live_since = answered;
        for _ in 0..self.rng.within(1..4) {
            let pause = self.rng.micros(WORK_MICROS);
            let overstay = if self.rng.one_in(OVERSTAY_ODDS) { 2 } else { 0 };
            tokio::time::sleep(pause + overstay * self.ttl).await;
            if self.rng.one_in(RENEW_ODDS) {
                let renewed = self
                    .clients
                    .locks
                    .renew_lock(renew_request(granted, self.ttl))
                    .await;
                match renewed {
                    Ok(_) => known_to_live_since = Instant::now(),
                    Err(refusal) if reason(&refusal) == "LOCK_LOST" => {}
                    // Perhaps it was renewed, perhaps not: from now on is the safe reading.
                    Err(failure) => {
                        back_off(failure).await?;
                        known_to_live_since = Instant::now();
                    }
                }
            }
            let mut request = put(
                &format!("guarded-{number}"),
                counted(granted.fencing_token),
                None,
            );
            request.fence = Some(fence(granted));
            let late = known_to_live_since.elapsed() > self.ttl;
            let version = self.write(request).await?;
            report(&write_event(number, granted.fencing_token, version, late));
            if version.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The version of an accepted write, nothing if the lock was lost.
    async fn write(&mut self, request: PutStateRequest) -> Result<Option<u64>, Status> {
        loop {
            match self.clients.put(request.clone()).await {
                Ok(version) => return Ok(Some(version)),
                Err(refusal) if reason(&refusal) == "STALE_FENCE" => return Ok(None),
                Err(failure) => back_off(failure).await?,
            }
        }
    }

    async fn release(&mut self, granted: &Lock) -> Result<(), Status> {
        while let Err(failure) = self.clients.unlock(granted).await {
            back_off(failure).await?;
        }
        Ok(())
    }
}

fn write_event(lock: usize, token: u64, version: Option<u64>, late: bool) -> Event {
    match version {
        Some(version) => Event::Wrote {
            lock,
            token,
            version,
            late,
        },
        None => Event::Refused { lock, token },
    }
}

fn is_held(refusal: &Status) -> bool {
    refusal.code() == Code::Aborted && reason(refusal) == "LOCK_HELD"
}

/// Waits a little after a failure that passes by itself.
async fn back_off(failure: Status) -> Result<(), Status> {
    if failure.code() != Code::Unavailable {
        return Err(failure);
    }
    tokio::time::sleep(RETRY_BACKOFF).await;
    Ok(())
}
