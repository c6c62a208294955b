//! Evolutions as rows: what lists show stands apart from the diffs, which are packed.

use prost::Message;
use shim_proto::evolution::v1::{Evolution, FileChange};
use shim_proto::limits::evolution::MAX_EVOLUTION_BYTES;
use shim_sqlite::SqliteError;

use crate::error::EvolutionError;

const ZSTD_LEVEL: i32 = 3;

/// An evolution in the form of its row.
pub(super) struct Packed {
    /// `Evolution` without diffs.
    pub(super) record: Vec<u8>,
    /// zstd of the diffs.
    pub(super) diffs: Vec<u8>,
    /// Of both.
    pub(super) hash: [u8; 32],
    /// What makes two proposals the same.
    pub(super) content: [u8; 32],
}

/// # Errors
/// If it is larger than what is kept.
pub(super) fn pack(mut evolution: Evolution) -> Result<Packed, EvolutionError> {
    let diffs = take_diffs(&mut evolution);
    let raw = diffs.encode_to_vec();
    if raw.len() > MAX_EVOLUTION_BYTES {
        return Err(EvolutionError::ProposalTooLarge {
            transform: evolution.transform,
            bytes: raw.len(),
        });
    }
    let content = content(&evolution, &raw);
    let diffs = zstd::bulk::compress(&raw, ZSTD_LEVEL)
        .map_err(|error| SqliteError::Unavailable(error.to_string()))?;
    let record = evolution.encode_to_vec();
    Ok(Packed {
        hash: hash(&record, &diffs),
        record,
        diffs,
        content,
    })
}

/// The evolution as lists show it: its row's record, verified.
///
/// # Errors
/// If the row is not what was written.
pub(super) fn unpack_head(
    id: &str,
    record: &[u8],
    diffs: &[u8],
    expected: &[u8],
) -> Result<Evolution, EvolutionError> {
    if hash(record, diffs) != expected {
        return Err(damaged(id));
    }
    Evolution::decode(record).map_err(|_| damaged(id))
}

/// Puts the diffs back.
///
/// # Errors
/// If the row is not what was written.
pub(super) fn unpack_diffs(
    id: &str,
    evolution: &mut Evolution,
    diffs: &[u8],
) -> Result<(), EvolutionError> {
    let raw = zstd::bulk::decompress(diffs, MAX_EVOLUTION_BYTES).map_err(|_| damaged(id))?;
    let diffs = Evolution::decode(raw.as_slice()).map_err(|_| damaged(id))?;
    for (file, with_diff) in evolution.files.iter_mut().zip(diffs.files) {
        file.diff = with_diff.diff;
    }
    Ok(())
}

/// Moves the diffs out, file by file in the same order.
fn take_diffs(evolution: &mut Evolution) -> Evolution {
    let taken = evolution.files.iter_mut().map(|file| FileChange {
        path: file.path.clone(),
        diff: std::mem::take(&mut file.diff),
        ..FileChange::default()
    });
    Evolution {
        files: taken.collect(),
        ..Evolution::default()
    }
}

fn content(evolution: &Evolution, diffs: &[u8]) -> [u8; 32] {
    let project = evolution.project.clone().unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    for part in [
        project.root.as_bytes(),
        project.git_head.as_bytes(),
        evolution.transform.as_bytes(),
        diffs,
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

fn hash(record: &[u8], diffs: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(record.len() as u64).to_le_bytes());
    hasher.update(record);
    hasher.update(diffs);
    *hasher.finalize().as_bytes()
}

fn damaged(id: &str) -> EvolutionError {
    SqliteError::Damaged(format!("evolution {id}")).into()
}
