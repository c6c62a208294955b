//! One holding process.

use std::time::{Duration, Instant};

use shim_proto::coordination::v1::{Lock, PutStateRequest};
use shim_runtime::client::{Endpoint, connect};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::super::crew::Setting;
use super::Event;
use crate::chaos::actor::report;
use crate::coordination::{Clients, counted, fence, lock, put, reason, renewal, span};
use crate::dice::Dice;

/// How long one call waits for a lock that is held.
const WAIT: Duration = Duration::from_secs(2);
const WORK_MICROS: std::ops::Range<u64> = 0..3_000;
/// One holder in so many dawdles until its lock is gone.
const DAWDLE_ODDS: u64 = 64;
const RENEW_ODDS: u64 = 4;
/// Before a call that was not answered well is made again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// What a holding process is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Holding {
    #[command(flatten)]
    setting: Setting,
    /// How many locks there are.
    #[arg(long)]
    locks: usize,
    /// How long a lock lives without renewal.
    #[arg(long)]
    ttl_ms: u64,
}

/// A holding process.
pub(in super::super) async fn hold(holding: Holding) -> Result<(), Status> {
    let setting = holding.setting;
    let mut dice = Dice::new(setting.seed);
    let mut holders = JoinSet::new();
    for task in 0..setting.tasks {
        let socket = &setting.sockets[task % setting.sockets.len()];
        let channel = connect(&Endpoint::Unix(socket.clone()), None)
            .map_err(|e| Status::internal(e.to_string()))?;
        let holder = Holder {
            clients: Clients::over(&channel),
            dice: Dice::new(dice.roll()),
            owner: format!("holder {} of process {}", task, std::process::id()),
            locks: holding.locks as u64,
            ttl: Duration::from_millis(holding.ttl_ms),
        };
        holders.spawn(holder.run(setting.times));
    }
    while let Some(holder) = holders.join_next().await {
        holder.expect("a holder does not panic")?;
    }
    Ok(())
}

struct Holder {
    clients: Clients,
    dice: Dice,
    owner: String,
    locks: u64,
    ttl: Duration,
}

impl Holder {
    async fn run(mut self, times: u64) -> Result<(), Status> {
        for _ in 0..times {
            let number = usize::try_from(self.dice.within(0..self.locks)).unwrap_or_default();
            let held = self.acquire(number).await?;
            // The lock lives at most for its time from here on: it was acquired before the answer came.
            let answered = Instant::now();
            report(&Event::Acquired {
                lock: number,
                token: held.fencing_token,
            });
            self.write_while_held(number, &held, answered).await?;
            self.release(&held).await?;
        }
        Ok(())
    }

    async fn acquire(&mut self, number: usize) -> Result<Lock, Status> {
        let mut request = lock(&format!("lock-{number}"), &self.owner, self.ttl);
        request.wait = span(WAIT);
        loop {
            match self.clients.lock(request.clone()).await {
                Ok(held) => return Ok(held),
                Err(refusal) if is_held(&refusal) => {
                    request.request_id = crate::calls::request_id();
                }
                Err(failure) => pass_over(failure).await?,
            }
        }
    }

    async fn write_while_held(
        &mut self,
        number: usize,
        held: &Lock,
        answered: Instant,
    ) -> Result<(), Status> {
        let mut known_to_live_since = answered;
        for _ in 0..self.dice.within(1..4) {
            let pause = self.dice.micros(WORK_MICROS);
            let dawdle = if self.dice.one_in(DAWDLE_ODDS) { 2 } else { 0 };
            tokio::time::sleep(pause + dawdle * self.ttl).await;
            if self.dice.one_in(RENEW_ODDS) {
                let renewed = self.clients.locks.renew_lock(renewal(held, self.ttl)).await;
                match renewed {
                    Ok(_) => known_to_live_since = Instant::now(),
                    Err(refusal) if reason(&refusal) == "LOCK_LOST" => {}
                    // Perhaps it was renewed, perhaps not: from now on is the safe reading.
                    Err(failure) => {
                        pass_over(failure).await?;
                        known_to_live_since = Instant::now();
                    }
                }
            }
            let mut request = put(
                &format!("guarded-{number}"),
                counted(held.fencing_token),
                None,
            );
            request.fence = Some(fence(held));
            let late = known_to_live_since.elapsed() > self.ttl;
            let version = self.write(request).await?;
            report(&told(number, held.fencing_token, version, late));
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
                Err(failure) => pass_over(failure).await?,
            }
        }
    }

    async fn release(&mut self, held: &Lock) -> Result<(), Status> {
        while let Err(failure) = self.clients.unlock(held).await {
            pass_over(failure).await?;
        }
        Ok(())
    }
}

fn told(lock: usize, token: u64, version: Option<u64>, late: bool) -> Event {
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
async fn pass_over(failure: Status) -> Result<(), Status> {
    if failure.code() != Code::Unavailable {
        return Err(failure);
    }
    tokio::time::sleep(RETRY_PAUSE).await;
    Ok(())
}
