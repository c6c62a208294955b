//! File leases as they are stored: how `files.lua` writes them and how its scripts answer them.

use std::collections::HashMap;

use prost::Message;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use shim_proto::coordination::v1::FileLease;
use shim_runtime::ids::FencingToken;

use crate::clock::timestamp;
use crate::error::Error;
use crate::script_values::{Pairs, as_text};

/// Living leases of a workspace.
pub(super) struct Table {
    /// Whether these are all; else those that were asked for and those that were granted since.
    pub(super) is_whole: bool,
    /// When the table was read, by Redis's clock.
    pub(super) read_ms: i64,
    /// The token of the newest lease, which tells this table from later ones.
    pub(super) newest: String,
    pub(super) leases: Vec<FileLease>,
}

/// What is stored of a draft: the rest of it is in the text before it or in its keys.
pub(super) fn stored(draft: &FileLease) -> Vec<u8> {
    FileLease {
        lease_id: String::new(),
        workspace: String::new(),
        holder: String::new(),
        ..draft.clone()
    }
    .encode_to_vec()
}

/// A granted lease, as `acquire_files` answers it.
#[derive(Deserialize)]
pub(super) struct AcquiredFields {
    lease_id: String,
    #[serde(with = "as_text")]
    token: FencingToken,
    since_ms: i64,
    expires_ms: i64,
    /// How many leases live with this one; the answers of older versions lack it.
    #[serde(default)]
    pub(super) living: usize,
}

impl AcquiredFields {
    /// The draft with what the script added. A repeated request gets the id of its first lease.
    pub(super) fn lease(self, draft: &FileLease) -> FileLease {
        FileLease {
            lease_id: self.lease_id,
            fencing_token: self.token.0,
            acquired_at: Some(timestamp(self.since_ms)),
            expires_at: Some(timestamp(self.expires_ms)),
            ..draft.clone()
        }
    }
}

/// The table of a workspace, as `table_since` in `files.lua` answers it. Ended leases may still be in `leases`, not in `live`.
#[derive(Deserialize)]
pub(super) struct TableFields {
    whole: bool,
    now_ms: i64,
    newest: String,
    live: Pairs<String, Score>,
    leases: Pairs<String, ByteBuf>,
}

/// The end of a lease, in milliseconds of Unix time.
#[derive(Deserialize)]
struct Score(#[serde(with = "as_text")] i64);

impl TableFields {
    pub(super) fn table(self, workspace: &str) -> Result<Table, Error> {
        let mut stored: HashMap<String, ByteBuf> = self.leases.0.into_iter().collect();
        let live = self.live.0.into_iter();
        let leases = live.filter_map(|(lease_id, Score(expires_ms))| {
            let stored = stored.remove(&lease_id)?;
            Some(read(workspace, lease_id, expires_ms, &stored))
        });
        Ok(Table {
            is_whole: self.whole,
            read_ms: self.now_ms,
            newest: self.newest,
            leases: leases.collect::<Result<_, _>>()?,
        })
    }
}

/// A lease as `files.lua` stores it.
pub(super) fn read(
    workspace: &str,
    lease_id: String,
    expires_ms: i64,
    stored: &[u8],
) -> Result<FileLease, Error> {
    let Some((fencing_token, since_ms, holder, lease)) = parts(stored) else {
        tracing::error!(lease_id, "a stored lease cannot be read");
        return Err(Error::Defect);
    };
    Ok(FileLease {
        lease_id,
        workspace: workspace.to_owned(),
        holder,
        fencing_token,
        acquired_at: Some(timestamp(since_ms)),
        expires_at: Some(timestamp(expires_ms)),
        ..lease
    })
}

/// `token since_ms holder NUL lease`.
fn parts(stored: &[u8]) -> Option<(u64, i64, String, FileLease)> {
    let head_len = stored.iter().position(|byte| *byte == 0)?;
    let (head, lease) = stored.split_at(head_len);
    let mut head = std::str::from_utf8(head).ok()?.splitn(3, ' ');
    Some((
        head.next()?.parse().ok()?,
        head.next()?.parse().ok()?,
        head.next()?.to_owned(),
        FileLease::decode(&lease[1..]).ok()?,
    ))
}
