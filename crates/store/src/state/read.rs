//! Reads: single entries, pages of them and the history; and the sweep that records what expired.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::StateEntry;

use super::model::{Change, Page, StateRef};
use super::rows::{StoredFields, entry, kind};
use super::store::{HistoryArgs, States};
use crate::change_log::RawChange;
use crate::error::Error;
use crate::script_values::as_text;

/// A page of a list is at most this large: clients decode 4 MiB unless told otherwise.
const MAX_PAGE_BYTES: usize = 3 << 20;
/// Expired entries taken off the lists in one step.
const SWEEP: usize = 256;

#[derive(Deserialize)]
struct EntryFields {
    expires_ms: i64,
    fields: StoredFields,
}

#[derive(Serialize)]
struct ListArgs<'a> {
    entry_prefix: &'a str,
    lowest: &'a str,
    highest: ByteBuf,
    count: u32,
    max_bytes: usize,
}

#[derive(Deserialize)]
struct ListFields {
    #[serde(with = "as_text")]
    version: u64,
    #[serde(default)]
    last: Option<String>,
    entries: Vec<NamedEntryFields>,
}

#[derive(Deserialize)]
struct NamedEntryFields {
    name: String,
    expires_ms: i64,
    fields: StoredFields,
}

#[derive(Serialize)]
struct SweepArgs {
    most: usize,
    #[serde(flatten)]
    history: HistoryArgs,
}

impl States {
    /// Reads an entry.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn get(&self, state_ref: &StateRef) -> Result<Option<StateEntry>, Error> {
        let slot = self.keys.namespace(&state_ref.namespace);
        let call = self.get.call().key(slot.item("state", &state_ref.key));
        let mut reply = self.connection.call(&call.args(&())).await?;
        reply.status()?;
        let read: EntryFields = reply.fields()?;
        if read.expires_ms < 0 {
            return Ok(None);
        }
        entry(state_ref.clone(), read.expires_ms, read.fields).map(Some)
    }

    /// A page of at most `count` entries, fewer if they are large, whose keys begin with `prefix`, after the key `after`.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn list(
        &self,
        namespace: &str,
        prefix: &str,
        after: Option<&str>,
        count: u32,
    ) -> Result<Page, Error> {
        let slot = self.keys.namespace(namespace);
        let lowest = match after {
            Some(after) => format!("({after}"),
            None => format!("[{prefix}"),
        };
        // 0xff is in no UTF-8 text, so this is above every key with the prefix.
        let mut highest = format!("({prefix}").into_bytes();
        highest.push(0xff);
        let call = self.list.call().key(slot.key("state-names"));
        let call = call.key(slot.clock()).args(&ListArgs {
            entry_prefix: &slot.item("state", ""),
            lowest: &lowest,
            highest: ByteBuf::from(highest),
            count,
            max_bytes: MAX_PAGE_BYTES,
        });
        let mut reply = self.connection.call(&call).await?;
        reply.status()?;
        let page: ListFields = reply.fields()?;
        let entries = page.entries.into_iter().map(|listed| {
            let (namespace, key) = (namespace.to_owned(), listed.name);
            entry(
                StateRef { namespace, key },
                listed.expires_ms,
                listed.fields,
            )
        });
        Ok(Page {
            version: page.version,
            entries: entries.collect::<Result<_, _>>()?,
            next: page.last,
        })
    }

    /// The changes after a version, in order, at most a batch; `None` if the history does not reach back so far.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn changes(&self, namespace: &str, after: u64) -> Result<Option<Vec<Change>>, Error> {
        let slot = self.keys.namespace(namespace);
        let since = self.change_log.since(&self.connection, &slot, after);
        let Some(events) = since.await? else {
            return Ok(None);
        };
        let change = |(version, mut fields): RawChange| {
            Some(Change {
                version,
                kind: kind(fields.get("c")?),
                key: fields.remove("k")?,
            })
        };
        Ok(Some(events.into_iter().filter_map(change).collect()))
    }

    /// Takes expired entries off the lists and publishes each.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn sweep(&self, namespace: &str) -> Result<(), Error> {
        let slot = self.keys.namespace(namespace);
        let history = Self::history_args(namespace);
        let most = SWEEP;
        let call = self.changing(&self.sweep, &slot);
        let call = call.args(&SweepArgs { most, history });
        self.connection.call(&call).await.map(drop)
    }
}
