//! Reading the registry: single workers, pages, the history, and the inboxes that a message is for.

use std::collections::HashMap;

use redis::cmd;
use serde::{Deserialize, Serialize};
use shim_proto::coordination::v1::{Worker, WorkerChangeKind, WorkerState};
use shim_runtime::ids::WorkerId;

use super::model::{Change, Filter, Page, Recipients};
use super::rows::{self, StoredFields};
use super::store::Registry;
use crate::change_log::RawChange;
use crate::clock::millis;
use crate::error::Error;
use crate::idempotency::{self, IdempotencyKey, REQUEST_ID_TTL};
use crate::inbox::InboxId;
use crate::script_values::{Pairs, as_text};

/// Workers looked at for one page.
const SCAN_LIMIT: usize = 1_000;
/// A page ends after this many bytes.
const MAX_PAGE_BYTES: usize = 2 << 20;

#[derive(Serialize)]
struct ListArgs<'a> {
    slot: &'a str,
    lowest: &'a str,
    count: u32,
    scan_limit: usize,
    state: Option<String>,
    capability: Option<&'a str>,
    max_bytes: usize,
}

#[derive(Deserialize)]
struct ListFields {
    #[serde(with = "as_text")]
    position: u64,
    #[serde(default)]
    last: Option<String>,
    workers: Vec<(String, StoredFields)>,
}

#[derive(Serialize)]
struct RecipientsArgs<'a> {
    fingerprint: &'a str,
    keep_ms: u64,
    slot: &'a str,
    worker_id: Option<String>,
}

#[derive(Deserialize)]
struct RecipientsFields {
    inboxes: Vec<String>,
}

impl Registry {
    /// Reads a worker, living or gone.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, worker_id: WorkerId) -> Result<Option<Worker>, Error> {
        let worker_id = worker_id.to_string();
        let key = self.slot.item("worker", &worker_id);
        let read = cmd("HGETALL").arg(key).to_owned();
        let fields: HashMap<String, String> = self.connection.query(&read).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        rows::read(worker_id, Pairs(fields.into_iter().collect())).map(Some)
    }

    /// A page of at most `count` workers in the order of their ids, after one.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        let any = filter.state == WorkerState::Unspecified;
        let capability = filter.capability.as_str();
        let call = self.list.call().key(self.slot.clock());
        let call = call.key(self.index_key(filter)).args(&ListArgs {
            slot: &self.slot.key(""),
            lowest: &after.map_or_else(|| "-".to_owned(), |after| format!("({after}")),
            count,
            scan_limit: SCAN_LIMIT,
            state: (!any).then(|| i32::from(filter.state).to_string()),
            capability: (!capability.is_empty()).then_some(capability),
            max_bytes: MAX_PAGE_BYTES,
        });
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let page: ListFields = reply.fields()?;
        let workers = page.workers.into_iter();
        Ok(Page {
            position: page.position,
            workers: workers
                .map(|(id, fields)| rows::read(id, fields))
                .collect::<Result<_, _>>()?,
            next: page.last,
        })
    }

    /// The shortest ordered list that holds every worker that the filter may select.
    fn index_key(&self, filter: &Filter) -> String {
        let gone = [WorkerState::Stopped, WorkerState::Dead].contains(&filter.state);
        let any = filter.state == WorkerState::Unspecified;
        if gone || (any && filter.include_gone) {
            self.slot.key("known")
        } else if filter.capability.is_empty() {
            self.slot.key("living")
        } else {
            self.slot.item("capability", &filter.capability)
        }
    }

    /// The inboxes of a worker, living or gone, or of all living workers with a capability: of a worker's session, if it
    /// has one. Workers of one session name the same inbox. The same request gets the same inboxes again.
    ///
    /// # Errors
    /// `WorkerNotFound`, `NoRecipients`, `RequestIdReused`, or as the store fails.
    pub async fn recipients(
        &self,
        idempotency_key: &IdempotencyKey,
        of: &Recipients,
    ) -> Result<Vec<InboxId>, Error> {
        let (worker_id, capability) = match of {
            Recipients::Worker(id) => (Some(id.to_string()), ""),
            Recipients::Capability(capability) => (None, capability.as_str()),
        };
        let call = self
            .recipients
            .call()
            .key(self.slot.request_key(&idempotency_key.request_id))
            .key(self.slot.item("capability", capability))
            .args(&RecipientsArgs {
                fingerprint: &idempotency_key.fingerprint,
                keep_ms: millis(REQUEST_ID_TTL),
                slot: &self.slot.key(""),
                worker_id,
            });
        let mut reply = self.connection.call(&call).await?;
        let found: RecipientsFields = reply.accept(|status, reply| match (status, of) {
            ("NOBODY", Recipients::Worker(id)) => Ok(Error::WorkerNotFound(id.to_string())),
            ("GONE", Recipients::Worker(id)) => Ok(Error::WorkerGone(id.to_string())),
            ("NOBODY", Recipients::Capability(name)) => Ok(Error::NoRecipients(name.clone())),
            (other, _) => idempotency::refusal(other, reply, None),
        })?;
        let inboxes = found.inboxes.iter().map(|id| id.parse());
        inboxes.collect::<Result<_, _>>().map_err(|_| {
            tracing::error!("a worker's record names an inbox that is no id");
            Error::Defect
        })
    }

    /// Forgets which inboxes a request was for, all of which refused it.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn forget_recipients(&self, idempotency_key: &IdempotencyKey) -> Result<(), Error> {
        let key = self.slot.request_key(&idempotency_key.request_id);
        let forget = cmd("DEL").arg(key).to_owned();
        self.connection.query::<u64>(&forget).await.map(drop)
    }

    /// How many workers are neither gone nor dead.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn count_living(&self) -> Result<u64, Error> {
        let count = cmd("ZCARD").arg(self.slot.key("living")).to_owned();
        self.connection.query(&count).await
    }

    /// The present end of the history.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn position(&self) -> Result<u64, Error> {
        let read = cmd("GET").arg(self.slot.clock()).to_owned();
        let position: Option<u64> = self.connection.query(&read).await?;
        Ok(position.unwrap_or(0))
    }

    /// The changes after a position, in order, at most a batch; `None` if the history does not reach back so far.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn changes(&self, after: u64) -> Result<Option<Vec<Change>>, Error> {
        let since = self.change_log.since(&self.connection, &self.slot, after);
        let Some(events) = since.await? else {
            return Ok(None);
        };
        let change = |(position, fields): RawChange| {
            Some(Change {
                position,
                kind: kind(fields.get("c")?),
                worker_id: fields.get("w")?.parse().ok()?,
            })
        };
        Ok(Some(events.into_iter().filter_map(change).collect()))
    }
}

/// The kind of a change, by its name in the history.
fn kind(change: &str) -> WorkerChangeKind {
    match change {
        "registered" => WorkerChangeKind::Registered,
        "stopped" => WorkerChangeKind::Deregistered,
        "dead" => WorkerChangeKind::Died,
        _ => WorkerChangeKind::Changed,
    }
}
