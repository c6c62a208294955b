//! File leases as they are stored: how `files.lua` writes them and what its scripts answer.

use std::collections::HashMap;

use prost::Message;
use shim_proto::coordination::v1::FileLease;

use super::clock::timestamp;
use super::reply::Reply;
use crate::error::Error;

/// The leases that live.
pub(super) struct Table {
    /// When it was read, by Redis's clock.
    pub(super) read_ms: i64,
    /// The token of the newest lease, which tells this table from later ones.
    pub(super) newest: String,
    pub(super) leases: Vec<FileLease>,
}

/// What is stored of a draft: the rest stands before it or in its keys.
pub(super) fn stored(draft: &FileLease) -> Vec<u8> {
    FileLease {
        lease_id: String::new(),
        workspace: String::new(),
        holder: String::new(),
        ..draft.clone()
    }
    .encode_to_vec()
}

/// A draft with what `acquire_files` answered.
pub(super) fn acquired(draft: &FileLease, reply: &mut Reply) -> Result<FileLease, Error> {
    Ok(FileLease {
        lease_id: reply.take()?,
        fencing_token: reply.take()?,
        acquired_at: Some(timestamp(reply.take()?)),
        expires_at: Some(timestamp(reply.take()?)),
        ..draft.clone()
    })
}

/// What `look_files` answered. Leases that ended are in its second list still.
pub(super) fn read_table(workspace: &str, reply: &mut Reply) -> Result<Table, Error> {
    let (read_ms, newest) = (reply.take()?, reply.take()?);
    let live: Vec<(String, i64)> = reply.take()?;
    let mut stored: HashMap<String, Vec<u8>> = reply.take()?;
    let leases = live.into_iter().filter_map(|(lease_id, expires_ms)| {
        let stored = stored.remove(&lease_id)?;
        Some(read(workspace, lease_id, expires_ms, &stored))
    });
    Ok(Table {
        read_ms,
        newest,
        leases: leases.collect::<Result<_, _>>()?,
    })
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
