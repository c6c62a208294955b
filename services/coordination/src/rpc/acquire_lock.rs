//! AcquireLock: acquires a lock, and waits for it if the request says so.

use std::time::Duration;

use shim_proto::coordination::v1::{AcquireLockRequest, AcquireLockResponse, Lock};
use shim_proto::limits::coordination::{MAX_ACTOR_BYTES, MAX_PURPOSE_BYTES};
use shim_runtime::server::begin_waiting;
use shim_store::locks::{AcquireRequest, RELEASED};
use shim_store::{Error, IdempotencyKey, Topic};
use tokio::time::Instant;
use tonic::Status;

use super::api::Api;
use super::fields::Fields;

/// A waiter tries this often without a publication: a lock also ends by expiry, which nothing publishes.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// A waiter tries again this soon when too few lock nodes answered, in milliseconds.
const UNDECIDED_RETRY_MS: u64 = 10;

pub(super) async fn handle(
    api: &Api,
    request: AcquireLockRequest,
) -> Result<AcquireLockResponse, Status> {
    let mut fields = Fields::default();
    fields.request_id(&request.request_id);
    let namespace = fields.namespace("namespace", &request.namespace);
    fields.key("name", &request.name);
    fields.required_line("owner", &request.owner, MAX_ACTOR_BYTES);
    fields.text("purpose", &request.purpose, MAX_PURPOSE_BYTES);
    let ttl = fields.lock_ttl(request.ttl.as_ref());
    let wait = fields.wait(request.wait.as_ref());
    fields.finish()?;

    let place = api.namespace(&namespace).await?;
    let acquire_request = AcquireRequest {
        idempotency_key: IdempotencyKey::for_request(&request.request_id, &request),
        lock_ref: api.store.locks.lock_ref(namespace, request.name),
        owner: request.owner,
        purpose: request.purpose,
        ttl,
        even_if_full: false,
    };
    let acquisition = Acquisition {
        api,
        acquire_request,
    };
    let lock = match wait {
        Duration::ZERO => acquisition.try_acquire().await?,
        wait => {
            begin_waiting()?;
            acquisition.wait(Instant::now() + wait).await?
        }
    };
    place.note().await;
    Ok(AcquireLockResponse { lock: Some(lock) })
}

struct Acquisition<'a> {
    api: &'a Api,
    acquire_request: AcquireRequest,
}

impl Acquisition<'_> {
    async fn try_acquire(&self) -> Result<Lock, Error> {
        self.api.store.locks.acquire(&self.acquire_request).await
    }

    /// Tries after every published release of the lock, when its holder's time ends, and after every poll interval.
    async fn wait(&self, deadline: Instant) -> Result<Lock, Error> {
        let topic = Topic::Channel(self.api.store.keys.channel(RELEASED));
        let mut subscription = self.api.store.pubsub.subscribe(topic).await?;
        loop {
            let refused = self.try_acquire().await;
            let left_ms = match refused {
                Err(Error::LockHeld { left_ms, .. }) => left_ms,
                Err(Error::LockUndecided(_)) => UNDECIDED_RETRY_MS,
                decided => return decided,
            };
            let released = subscription.wait_for(|publication| {
                let is = |name: &str, value: &str| {
                    publication.data.get(name).and_then(|v| v.as_str()) == Some(value)
                };
                is("namespace", &self.acquire_request.lock_ref.namespace)
                    && is("name", &self.acquire_request.lock_ref.name)
            });
            // Jitter keeps many waiters from trying in step.
            let poll_after = POLL_EVERY.mul_f64(rand::random_range(0.5..1.0));
            let poll_after = poll_after.min(Duration::from_millis(left_ms + 1));
            tokio::select! {
                () = released => {}
                () = tokio::time::sleep(poll_after) => {}
                () = tokio::time::sleep_until(deadline) => return refused,
                () = self.api.background.shutdown().wait() => return Err(Error::Stopping),
            }
        }
    }
}
