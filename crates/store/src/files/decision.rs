//! The pure decisions over a table, on a thread of their own where they take long.

use std::sync::Arc;

use prost::Message;
use shim_proto::coordination::v1::FileLease;

use crate::domain::Pattern;
use crate::domain::lease_table::{self, TableLease};
use crate::domain::leases::{self, Conflict, LeaseSpec};
use crate::error::Error;

/// Comparing so many pairs of bytes takes some milliseconds at worst; a longer comparison has a thread of its own.
const MAX_INLINE_PAIRS: usize = 4_000_000;

/// Which of the candidates are in the way of a requested lease.
pub(super) async fn decide(
    candidates: Vec<Arc<TableLease>>,
    spec: &LeaseSpec,
) -> Result<Vec<Conflict>, Error> {
    let held: usize = candidates.iter().map(|lease| lease.encoded_len()).sum();
    let pairs = held * text_len(&spec.patterns);
    if pairs <= MAX_INLINE_PAIRS {
        return Ok(lease_table::conflicts(&candidates, spec));
    }
    let spec = spec.clone();
    run(pairs, move || lease_table::conflicts(&candidates, &spec)).await
}

/// The leases that touch any of the paths.
pub(super) async fn touching(
    leases: Vec<FileLease>,
    paths: Vec<Pattern>,
) -> Result<Vec<FileLease>, Error> {
    let pairs = encoded_len(&leases) * text_len(&paths);
    run(pairs, move || leases::touching(leases, &paths)).await
}

/// For each of the specs, the first lease in its way.
pub(super) async fn conflicts(
    leases: Vec<FileLease>,
    specs: Vec<LeaseSpec>,
) -> Result<Vec<Option<Conflict>>, Error> {
    let wanted: usize = specs.iter().map(|spec| text_len(&spec.patterns)).sum();
    let pairs = encoded_len(&leases) * wanted;
    let first = move |spec: &LeaseSpec| leases::conflicts(&leases, spec).into_iter().next();
    run(pairs, move || specs.iter().map(first).collect()).await
}

fn encoded_len(leases: &[FileLease]) -> usize {
    leases.iter().map(Message::encoded_len).sum()
}

fn text_len(patterns: &[Pattern]) -> usize {
    patterns.iter().map(|pattern| pattern.text().len()).sum()
}

async fn run<T: Send + 'static>(
    pairs: usize,
    decide: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if pairs <= MAX_INLINE_PAIRS {
        return Ok(decide());
    }
    tokio::task::spawn_blocking(decide).await.map_err(|error| {
        tracing::error!(%error, "a decision over file leases failed");
        Error::Defect
    })
}
